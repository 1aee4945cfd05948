"""The hooks `early-stopping`: when they stop a run, why, and when they do not."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_loggers import EarlyStopping


def stops(values: Sequence[float | None], **settings: Any) -> tuple[int, str] | None:
    """Return after how many iterations it stops, and why; None: never."""
    hooks = EarlyStopping(quantity="x", **settings)
    for iteration, value in enumerate(values):
        logged = {"other": 1.0} if value is None else {"x": value, "other": 1.0}
        event = ph.IterationEnd(iteration=iteration, env_steps=0, values=logged)
        reason = hooks.should_stop(event)
        if reason is not None:
            return iteration + 1, reason
    return None


def test_it_stops_after_so_many_values_that_are_no_better_than_the_best() -> None:
    assert stops([1, 2, 2, 1.5, 2], patience=3) == (5, "x was no better than 2 for 3 values")
    assert stops([1, 2, 2, 1.5, 2.1, 0], patience=3) is None
    assert stops([1, 1], patience=1) == (2, "x was no better than 1 for 1 value")


def test_a_value_must_be_better_by_more_than_the_least_difference() -> None:
    assert stops([1.0, 1.1, 1.2], patience=2, min_delta=0.5) == (3, "x was no better than 1 for 2 values")
    assert stops([1.0, 1.6, 2.2], patience=1, min_delta=0.5) is None


def test_smaller_values_may_be_better() -> None:
    assert stops([3, 2, 1], mode="min", patience=1) is None
    assert stops([3, 4, 4], mode="min", patience=2) == (3, "x was no better than 3 for 2 values")


def test_it_stops_at_a_threshold() -> None:
    assert stops([1, 4.9, 5], threshold=5.0) == (3, "x is 5, which meets the threshold 5")
    assert stops([3, 0.1], threshold=0.5, mode="min") == (2, "x is 0.1, which meets the threshold 0.5")
    assert stops([1] * 100, patience=None, threshold=5.0) is None


def test_iterations_without_the_value_do_not_count_and_nan_is_never_better() -> None:
    assert stops([1, None, None, None], patience=2) is None
    assert stops([math.nan, math.nan], patience=2) == (2, "x was no better than no number for 2 values")
    assert stops([math.nan, 1, math.nan, 2], patience=2) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": 0}, "EarlyStopping: patience is 0. Expected 1 or more."),
        ({"min_delta": -1.0}, "EarlyStopping: min_delta is -1.0. Expected 0 or more."),
        ({"min_delta": math.nan}, "EarlyStopping: min_delta is nan. Expected 0 or more."),
        (
            {"patience": None},
            "EarlyStopping: neither patience nor threshold is given, so it would never stop. Give one.",
        ),
        (
            {"mode": "maxi"},
            "EarlyStopping.mode = 'maxi' is wrong: expected one of 'max', 'min'. Did you mean 'max'?",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        EarlyStopping(quantity="x", **settings)
    assert str(caught.value) == message


def run(folder: Path, **settings: Any) -> ph.TrainingResults:
    return ph.train(
        "q-learning",
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=6,
        hooks=["early-stopping"],
        hook_config={"early-stopping": settings},
        run_dir=folder,
        seed=1,
    )


def test_it_stops_a_run_by_name_and_is_remembered_in_it(tmp_path: Path) -> None:
    results = run(tmp_path, quantity="iteration_of_nothing", threshold=0.0)
    assert results.status == "completed"
    results = run(tmp_path, quantity="rewards/group", threshold=-1.0)
    assert (results.status, results.iterations) == ("stopped", 1)
    (reason,) = results.stop_reasons
    assert reason.startswith("early-stopping: rewards/group is ")


def test_a_value_that_is_never_logged_is_told_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(tmp_path, quantity="rewards/grup")
    (told,) = caplog.messages
    assert told.startswith(
        "early-stopping: no iteration logged 'rewards/grup', so nothing could stop the run. Did you mean "
        "'rewards/group'? Logged: "
    )


def test_patience_goes_on_when_a_run_is_resumed(cut_run: Callable[..., Path]) -> None:
    config = {"early-stopping": {"quantity": "rewards/group", "patience": 5, "min_delta": 9.0}}
    run = cut_run(hook_config=config, hooks=["early-stopping"])
    results = ph.resume(run, hooks=["early-stopping"])
    assert (results.status, results.iterations) == ("stopped", 6)  # the first, and five that are no better
    (reason,) = results.stop_reasons
    assert reason.endswith(" for 5 values")


def test_what_was_logged_before_is_known_when_a_run_is_resumed() -> None:
    before, after = (EarlyStopping(quantity="x", patience=2) for _ in range(2))
    for values in ({"y": 1.0}, {"x": 1.0}, {"x": 1.0}):
        assert before.should_stop(ph.IterationEnd(iteration=0, env_steps=0, values=values)) is None
    after.load_state_dict(before.state_dict())
    after.on_train_start(
        ph.TrainStart(
            run_name="r",
            run_directory=None,
            trainer_name="t",
            num_iterations=9,
            total_steps=None,
            seed=1,
            is_resumed=True,
        )
    )
    assert after.state_dict() == before.state_dict()
    assert after.state_dict() == {"best": 1.0, "waited": 1, "seen": ["y"], "was_logged": True}
