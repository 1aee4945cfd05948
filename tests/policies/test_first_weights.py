"""Each policy of a run draws its first weights from a stream of its own; all follow from the run's seed."""

from typing import Any

import numpy as np

import phantom_core as ph
from phantom_testing import DilemmaEnv


class WeightedPolicy(ph.Policy):
    """Has one weight, drawn once."""

    weight = 0.0

    def seed(self, rng: np.random.Generator) -> None:
        self.weight = float(rng.normal())

    def compute_action(self, observation: Any) -> int:
        return 0

    def state_dict(self) -> dict[str, Any]:
        return {"weight": self.weight}


class IdleTrainer(ph.Trainer):
    """Leaves the first weights as they are."""

    policy_class = WeightedPolicy

    def training_step(self, *args: Any) -> None:
        """Learn nothing."""


def first_weights(*policy_ids: str, seed: int = 1) -> dict[str, float]:
    """Return the weight of each policy; the first one is that of agent A1, the second that of A2."""
    agents = dict(zip(policy_ids, (["A1"], ["A2"]), strict=True))
    results = ph.train(
        IdleTrainer, env=DilemmaEnv, policies=agents, num_iterations=1, seed=seed, run_dir=None
    )
    return {policy_id: policy.state_dict()["weight"] for policy_id, policy in results.policies.items()}


def test_two_policies_of_a_run_begin_with_other_weights() -> None:
    weights = first_weights("one", "other")
    assert weights["one"] != weights["other"]


def test_the_first_weights_of_a_policy_follow_from_its_id_and_not_from_its_place() -> None:
    assert first_weights("one", "other") == first_weights("other", "one")


def test_the_first_weights_follow_from_the_seed_of_the_run() -> None:
    first, again, other = (first_weights("one", "other", seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert set(first.values()).isdisjoint(other.values())
