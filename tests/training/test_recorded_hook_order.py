"""`run.json` lists the plugins of each hook in the order in which they are called."""

import json
from pathlib import Path
from typing import Any

import phantom_core as ph
from phantom_testing import CoinEnv


class IdleTrainer(ph.Trainer):
    """Logs a value."""

    policy_class = ph.RandomPolicy

    def training_step(self, *args: Any) -> None:
        self.log_scalar("value", 1.0)


class Signing(ph.Hooks):
    """Writes its name below each event."""

    def __init__(self, signatures: list[tuple[str, str]]) -> None:
        super().__init__()
        self.signatures = signatures

    def sign(self, hook: str) -> None:
        self.signatures.append((hook, type(self).__name__))


class Mole(Signing):
    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        self.sign("on_metrics")


class Zebra(Signing):
    def on_iteration_start(self, event: ph.IterationStart) -> None:
        self.sign("on_iteration_start")

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        self.sign("on_metrics")


class Alpha(Zebra):
    """Comes first by its name."""


def test_the_record_says_in_which_order_the_hooks_were_called(tmp_path: Path) -> None:
    signatures: list[tuple[str, str]] = []
    hooks = [Zebra(signatures), Mole(signatures), Alpha(signatures)]
    results = ph.train(IdleTrainer, env=CoinEnv, num_iterations=1, hooks=hooks, run_dir=tmp_path)
    assert signatures == [
        ("on_iteration_start", "Alpha"),
        ("on_iteration_start", "Zebra"),
        ("on_metrics", "Alpha"),
        ("on_metrics", "Mole"),
        ("on_metrics", "Zebra"),
    ]
    assert results.run_directory is not None
    order = json.loads((results.run_directory / "run.json").read_text())["hook_order"]
    assert order["on_iteration_start"] == ["Alpha", "Zebra"]
    assert order["on_metrics"] == ["Alpha", "jsonl", "Mole", "Zebra"]  # jsonl writes the run's own values
