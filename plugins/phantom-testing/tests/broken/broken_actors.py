"""Trainers whose policy has one defect, or whose saved state has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from broken_trainers import Correct, SimpleCorrect, Table, state_of

import phantom_core as ph


class AliasingTable(Table):
    """Hands out its values."""

    def state_dict(self) -> dict[str, Any]:
        return {"values": self.values}


class PolicyHandsOutValues(Correct):
    """Its policy's state is the policy's own array."""

    policy_class = AliasingTable


class KeepingTable(Table):
    """Keeps the array that it loads."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.values = np.asarray(state["values"])


class PolicyKeepsWhatItLoads(Correct):
    """Its policy trains on in the caller's array."""

    policy_class = KeepingTable


class OwnGeneratorTable(Table):
    """Explores with a generator of its own."""

    def seed(self, rng: np.random.Generator) -> None:
        super().seed(rng)
        self.own = rng.spawn(1)[0]

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        return [
            int(self.own.integers(self.values.shape[1]))
            if self.own.random() < 0.3
            else self.compute_action(o)
            for o in observations
        ], {}


class PolicyDrawsByItself(Correct):
    """Its policy explores with a generator of its own."""

    policy_class = OwnGeneratorTable


class SameDrawsTable(Table):
    """Explores with the same draws in every call, one for each place in the batch."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        own = np.random.default_rng(3)
        return [
            int(own.integers(self.values.shape[1])) if own.random() < 0.3 else self.compute_action(o)
            for o in observations
        ], {}


class PolicyDrawsTheSame(Correct):
    """Its policy explores with the same draws in every call."""

    policy_class = SameDrawsTable


class OnlineTable(Table):
    """Learns while it is asked."""

    def compute_action(self, observation: Any) -> int:
        action = super().compute_action(observation)
        self.values[state_of(observation), action] *= 0.999
        return action


class PolicyLearnsWhenAsked(Correct):
    """Its policy changes in compute_action(), whether it is to be trained or not."""

    policy_class = OnlineTable


class SimplePolicyLearnsWhenAsked(SimpleCorrect):
    """Likewise, in a trainer that steps the env itself."""

    policy_class = OnlineTable


class CrowdedTable(Table):
    """Has another way for more than 16 rows, which is another policy."""

    def compute_actions(self, observations: Any) -> list[int]:
        actions = [self.compute_action(observation) for observation in observations]
        return [(action + 1) % 3 for action in actions] if len(actions) > 16 else actions


class PolicyVariesWithTheBatch(Correct):
    """Its policy takes other actions for more than 16 rows."""

    policy_class = CrowdedTable


@dataclass(frozen=True)
class ListConfig:
    """Settings with a list."""

    visits: list[int] = field(default_factory=lambda: [0])
    """How often it was asked."""


class CountingTable(Table):
    """Counts in its settings."""

    config_class = ListConfig

    def compute_action(self, observation: Any) -> int:
        self.config.visits[0] += 1
        return super().compute_action(observation)


class PolicyChangesItsConfig(Correct):
    """Its policy counts in its settings."""

    policy_class = CountingTable


class WideTable(Table):
    """Explores one action too many."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        actions, extras = super().sample_actions(observations, rng)
        return [3 if draw > 0.97 else a for a, draw in zip(actions, rng.uniform(), strict=True)], extras


class PolicyLeavesTheSpace(Correct):
    """Its policy takes actions that do not exist, once in a while."""

    policy_class = WideTable


class TrainerLeavesTheSpace(SimpleCorrect):
    """Explores one action too many in the env."""

    def act(self, policy: Table, observation: Any) -> int:
        if self.rng.random() < 0.3:
            return int(self.rng.integers(policy.values.shape[1] + 1))
        return policy.compute_action(observation)

    def learn(self, policy: Table, state: int, action: int, reward: float, follows: Any) -> None:
        super().learn(policy, state, min(action, policy.values.shape[1] - 1), reward, follows)


# ---------------------------------------------------------------------- the trainer's own state


class WithMomentum(Correct):
    """Learns with momentum, which it saves."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.momentum: dict[str, Any] = {}

    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        before = policy.values.copy()
        quantities = super().update(policy_id, policy, batch, rng)
        momentum = self.momentum.setdefault(policy_id, np.zeros_like(before))
        moved = policy.values - before
        policy.values += 0.1 * momentum
        momentum[:] = moved
        return quantities

    def state_dict(self) -> dict[str, Any]:
        return {policy_id: momentum.copy() for policy_id, momentum in self.momentum.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.momentum = {policy_id: momentum.copy() for policy_id, momentum in state.items()}


class HandsOutMomentum(WithMomentum):
    """Its state is its own arrays."""

    def state_dict(self) -> dict[str, Any]:
        return dict(self.momentum)


class KeepsMomentum(WithMomentum):
    """Trains on in the arrays that it loads."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.momentum = dict(state)
