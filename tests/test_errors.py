"""Errors that phantom_core raises."""

import pickle

import pytest

from phantom_core import errors


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
