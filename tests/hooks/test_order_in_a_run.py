"""In every hook of a run the plugins follow each other by their names, upper or lower case, in whatever
order they were given."""

import itertools
from typing import Any

import pytest

import phantom_core as ph
from phantom_testing import CoinEnv

NAMES = ["alpha", "Mole", "zebra"]


class IdleTrainer(ph.Trainer):
    """Learns nothing from one episode in each iteration."""

    policy_class = ph.RandomPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=1)

    def update(self, *args: Any) -> dict[str, float]:
        return {"loss": 0.0}


class Signing(ph.Hooks):
    """Writes its name below each event."""

    def __init__(self, signatures: dict[str, list[str]]) -> None:
        super().__init__()
        self.signatures = signatures

    def sign(self, hook: str) -> None:
        self.signatures.setdefault(hook, []).append(type(self).__name__)

    def on_train_start(self, event: ph.TrainStart) -> None:
        self.sign("on_train_start")

    def on_iteration_start(self, event: ph.IterationStart) -> None:
        self.sign("on_iteration_start")

    def on_episode_end(self, event: ph.EpisodeEnd) -> None:
        self.sign("on_episode_end")

    def on_evaluation_end(self, event: ph.EvaluationEnd) -> None:
        self.sign("on_evaluation_end")

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        self.sign("on_metrics")

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        self.sign("on_iteration_end")

    def should_stop(self, event: ph.IterationEnd) -> str | None:
        self.sign("should_stop")
        return "enough"

    def on_train_end(self, event: ph.TrainEnd) -> None:
        self.sign("on_train_end")


def run_with(names: tuple[str, ...]) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Return who was called in each hook of a run of one iteration, and the reasons to stop."""
    signatures: dict[str, list[str]] = {}
    results = ph.train(
        IdleTrainer,
        env=CoinEnv,
        num_iterations=2,
        evaluation=ph.EvaluationPlan(episodes=1, every=1),
        hooks=[type(name, (Signing,), {})(signatures) for name in names],
        run_dir=None,
    )
    return signatures, results.stop_reasons


@pytest.mark.parametrize("names", list(itertools.permutations(NAMES)), ids="-".join)
def test_plugins_are_called_by_name_in_every_hook_however_they_were_given(names: tuple[str, ...]) -> None:
    signatures, reasons = run_with(names)
    assert signatures == {
        "on_train_start": NAMES,
        "on_iteration_start": NAMES,
        "on_episode_end": NAMES,
        "on_evaluation_end": NAMES,
        "on_metrics": NAMES,
        "on_iteration_end": NAMES,
        "should_stop": NAMES,
        "on_train_end": NAMES,
    }
    assert reasons == ("alpha: enough", "Mole: enough", "zebra: enough")
