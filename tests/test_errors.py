"""Errors that phantom_core raises."""

import pickle
import statistics

import pytest

from phantom_core import Network, errors


@pytest.mark.parametrize(
    "error",
    [
        errors.PluginError("broken", plugin="acme"),
        errors.StageError(stage="a", next_stage=None, allowed=("b",)),
        errors.UnknownNameError("unknown", kind="env", name="x", known=("y",)),
        errors.ConfigError("wrong"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_travels_between_processes_with_its_data(error: errors.PhantomError) -> None:
    error.add_note("In worker 1")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_the_place_of_an_error_is_the_innermost_line_of_the_users_own_code() -> None:
    def mean(values: list[str]) -> float:
        return statistics.mean(values)  # type: ignore[type-var]  it raises in the standard library

    with pytest.raises(TypeError) as caught:
        mean(["a"])
    line = mean.__code__.co_firstlineno + 1
    assert errors.error_place(caught.value) == f" (test_errors.py, line {line}, in mean)"


def test_an_error_that_no_user_code_raised_has_no_place() -> None:
    with pytest.raises(errors.ConfigError) as caught:
        Network().remove_agent("A")
    below_this_test = caught.value.with_traceback(caught.tb.tb_next)
    assert errors.error_place(below_this_test) == ""
    assert errors.error_place(ValueError("never raised")) == ""
