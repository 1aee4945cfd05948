"""How a run ends: what fails none, and how one that was killed is told from one that is running."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.training.process_mark import is_gone, mark_of_this_process
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


KILLED = """
import os, signal
import phantom_core as ph
from phantom_testing import IdentityEnv

class Killer(ph.Hooks):
    def on_iteration_end(self, event):
        if event.iteration == 2:
            os.kill(os.getpid(), signal.SIGKILL)

ph.train("q-learning", env=IdentityEnv, num_iterations=9, seed=1, run_dir="runs", hooks=[Killer()])
"""


def test_a_killed_run_is_told_from_one_that_is_running(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    (run,) = (tmp_path / "runs").iterdir()
    facts = json.loads((run / "run.json").read_text())
    assert facts["status"] == "running"
    assert is_gone(facts["process"])
    assert not is_gone(mark_of_this_process())
    assert not is_gone({**facts["process"], "host": "elsewhere"})  # nobody here can tell
    assert not is_gone({})
    again = {**mark_of_this_process(), "started": 1}  # the number of the process was given anew
    assert is_gone(again) == (mark_of_this_process()["started"] is not None)
    facts.pop("policy_by_agent")  # as before the first iteration
    (run / "run.json").write_text(json.dumps(facts))
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        ph.tools.evaluate_run(run)
    assert str(caught.value) == (
        f"The run {run} was killed: it did not finish, so there is nothing to evaluate."
    )
