"""However a run ends, its result, its last hook and its record call it by the same word."""

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_testing import CoinEnv, HookRecorder


def nothing() -> None:
    """Let the iteration be."""


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def ctrl_c_twice() -> None:
    ctrl_c()
    ctrl_c()


def interrupt() -> None:
    raise KeyboardInterrupt


def fail() -> None:
    raise ZeroDivisionError


class DisturbedTrainer(ph.Trainer):
    """Something happens in its second iteration, of three."""

    policy_class = ph.RandomPolicy

    def __init__(self, happening: Callable[[], None]) -> None:
        super().__init__()
        self.happening = happening

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=1)

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        if self.run.iteration == 1:
            self.happening()
        return {}


class Impatient(ph.Hooks):
    """Wants to stop after the second iteration."""

    def should_stop(self, event: ph.IterationEnd) -> str | None:
        return "enough" if event.iteration == 1 else None


def endings(
    run_dir: Path, happening: Callable[[], None], hooks: list[ph.Hooks], raised: type[BaseException] | None
) -> tuple[list[tuple[str, int]], list[str]]:
    """Return how the run ended and after how many iterations, as all who know say; and its last hooks."""
    recorder = HookRecorder()
    options: dict[str, Any] = {"env": CoinEnv, "num_iterations": 3, "seed": 1, "run_dir": run_dir}
    said = []
    if raised is None:
        results = ph.train(DisturbedTrainer(happening), hooks=[recorder, *hooks], **options)
        said.append((results.status, results.iterations))
    else:
        with pytest.raises(raised):
            ph.train(DisturbedTrainer(happening), hooks=[recorder, *hooks], **options)
    (end,) = recorder.events("on_train_end")
    (record,) = run_dir.glob("*/run.json")
    facts = json.loads(record.read_text())
    said += [(end.status, end.iterations), (facts["status"], facts["iterations"])]
    return said, [name for name in recorder.names if name in {"on_exception", "on_train_end"}]


@pytest.mark.parametrize(
    ("happening", "hooks", "expected"),
    [
        (nothing, [], ("completed", 3)),
        (nothing, [Impatient()], ("stopped", 2)),
        (ctrl_c, [], ("interrupted", 2)),
        (ctrl_c, [Impatient()], ("interrupted", 2)),
    ],
)
def test_a_run_that_returns_was_completed_stopped_or_interrupted(
    happening: Callable[[], None], hooks: list[ph.Hooks], expected: tuple[str, int], tmp_path: Path
) -> None:
    assert endings(tmp_path, happening, hooks, None) == ([expected] * 3, ["on_train_end"])


@pytest.mark.parametrize(
    ("happening", "raised", "expected"),
    [
        (interrupt, KeyboardInterrupt, ("interrupted", 1)),
        (ctrl_c_twice, KeyboardInterrupt, ("interrupted", 1)),
        (fail, ZeroDivisionError, ("failed", 1)),
    ],
)
def test_a_run_that_raises_was_interrupted_by_ctrl_c_and_failed_by_everything_else(
    happening: Callable[[], None], raised: type[BaseException], expected: tuple[str, int], tmp_path: Path
) -> None:
    assert endings(tmp_path, happening, [], raised) == ([expected] * 2, ["on_exception", "on_train_end"])
