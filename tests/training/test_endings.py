"""What fails no run: an env that cannot be closed, a clock that stands still."""

import time
from typing import Any

import pytest

import phantom_core as ph
from phantom_testing import IdentityEnv


class StuckEnv(IdentityEnv):
    """Raises when it is closed."""

    closed = 0

    def close(self) -> None:
        type(self).closed += 1
        raise RuntimeError("the door is stuck")


@pytest.mark.parametrize("copies", [1, 3])
def test_an_env_that_cannot_be_closed_fails_no_run(copies: int, caplog: pytest.LogCaptureFixture) -> None:
    StuckEnv.closed = 0
    results = ph.train(
        "q-learning",
        env=StuckEnv,
        trainer_config={"copies": copies},
        evaluation=ph.EvaluationPlan(episodes=1),
        num_iterations=2,
        seed=1,
        run_dir=None,
    )
    assert (results.status, results.problems) == ("completed", ())
    assert results.evaluation is not None
    assert StuckEnv.closed == copies + 2  # each copy; the check before the run, and the evaluation
    said = "The env raised when it was closed: RuntimeError: the door is stuck. The run goes on."
    assert caplog.messages == [said] * 3


def test_a_clock_that_stands_still_divides_nothing_by_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    def still() -> float:
        return 1.0

    monkeypatch.setattr(time, "perf_counter", still)
    monkeypatch.setattr("phantom_core.training.full_training.perf_counter", still)
    options: dict[str, Any] = {"num_iterations": 2, "seed": 1, "run_dir": None}
    results = ph.train("q-learning", env=IdentityEnv, **options)
    assert results.status == "completed"
    assert "time/env_steps_per_second" not in results.history[0]
