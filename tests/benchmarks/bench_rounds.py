"""What an update in each env step costs, beside the same steps collected at once; the trainer does nothing.

    .venv/bin/python tests/benchmarks/bench_rounds.py

Three runs of as many env steps are made in turn, several times: one update for all steps of an
iteration; one for each step, in as many rounds; and a trainer that learns online, by `learn_step`.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import phantom_core as ph

STEPS, ITERATIONS, REPEATS = 2000, 3, 15


class IdlePolicy(ph.Policy):
    """Costs nothing: one action in one step, the other in the next."""

    def compute_action(self, observation: Any) -> int:
        """Return the first action."""
        return 0

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams
    ) -> tuple[Sequence[int], Mapping[str, Sequence[Any]]]:
        """Return the same actions for all."""
        self.step = getattr(self, "step", 0) + 1
        return [self.step % 2] * len(rng), {}

    def state_dict(self) -> dict[str, Any]:
        """Return nothing that matters."""
        return {"nothing": np.zeros(1)}


class IdleTrainer(ph.Trainer):
    """Learns nothing from collections of so many steps."""

    policy_class = IdlePolicy

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def collect_plan(self) -> ph.CollectPlan:
        """Plan one iteration of as many env steps, whatever the rounds."""
        return ph.CollectPlan(steps=self.steps, rounds=STEPS // self.steps)

    def update(self, policy_id: ph.PolicyID, policy: Any, batch: ph.Batch, rng: Any) -> Mapping[str, float]:
        """Do nothing."""
        return {}


class IdleOnlineTrainer(IdleTrainer):
    """Learns nothing from each step."""

    def learn_step(self, policy_id: ph.PolicyID, policy: Any, rows: ph.Transitions, rng: Any) -> None:
        """Do nothing."""


def seconds(trainer: ph.Trainer, env_id: str) -> float:
    """Return the processor time of a run."""
    env = functools.partial(ph.GymnasiumEnv, env_id)
    started = time.process_time()
    policies = {"p": ["agent"]}
    ph.train(trainer, env=env, policies=policies, num_iterations=ITERATIONS, seed=1, run_dir=None)
    return time.process_time() - started


def main() -> None:
    """Print microseconds per env step, and ratios."""
    kinds = {
        "all steps at once": IdleTrainer(STEPS),
        "an update in each step": IdleTrainer(1),
        "online, by learn_step": IdleOnlineTrainer(STEPS),
    }
    print("microseconds of processor time per env step, and how many times as many as all steps at once")
    for env_id in ("CartPole-v1", "FrozenLake-v1"):
        found = [{name: seconds(trainer, env_id) for name, trainer in kinds.items()} for _ in range(REPEATS)]
        for name in kinds:
            each = statistics.median(row[name] for row in found) / (STEPS * ITERATIONS) * 1e6
            ratio = statistics.median(row[name] / row["all steps at once"] for row in found)
            print(f"{env_id:14} {name:24} {each:8.1f} {ratio:6.2f}")


if __name__ == "__main__":
    main()
