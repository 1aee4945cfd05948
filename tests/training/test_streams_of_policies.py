"""Policies of one run share no stream, and all that is drawn in a run follows from its seed."""

from typing import Any

import numpy as np
import pytest

import phantom_core as ph
from phantom_testing import DilemmaEnv


class WeightedPolicy(ph.Policy):
    """Has one weight, drawn once."""

    weight = 0.0

    def seed(self, rng: np.random.Generator) -> None:
        self.weight = float(rng.random())

    def compute_action(self, observation: Any) -> int:
        return 0


class DrawingTrainer(ph.Trainer):
    """Logs the weight, which it leaves as it is, and draws from each policy's generator and its own."""

    policy_class = WeightedPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=1)

    def update(
        self, policy_id: str, policy: Any, batch: ph.Batch, rng: np.random.Generator
    ) -> dict[str, float]:
        return {"weight": policy.weight, "draw": rng.random(), "own draw": self.rng.random()}


def logged(name: str, *, seed: int = 1) -> list[float]:
    """Return what three iterations logged under a name for the policies `one` and `other`."""
    results = ph.train(
        DrawingTrainer,
        env=DilemmaEnv,
        policies={"one": ["A1"], "other": ["A2"]},
        num_iterations=3,
        seed=seed,
        run_dir=None,
    )
    return [row[f"{policy_id}/{name}"] for policy_id in ("one", "other") for row in results.history]


def test_two_policies_of_a_run_begin_with_other_weights() -> None:
    assert len(logged("weight")) == 6
    assert len(set(logged("weight"))) == 2


@pytest.mark.parametrize("name", ["draw", "own draw"])
def test_each_update_of_each_policy_draws_anew(name: str) -> None:
    assert len(set(logged(name))) == 6


@pytest.mark.parametrize("name", ["weight", "draw", "own draw"])
def test_first_weights_and_updates_follow_from_the_seed_of_the_run(name: str) -> None:
    first, again, other = (logged(name, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert set(first).isdisjoint(other)


def test_first_weights_updates_and_the_trainer_draw_apart() -> None:
    assert len({value for name in ("weight", "draw", "own draw") for value in logged(name)}) == 2 + 6 + 6
