"""`replay-q`: Q-learning on a table from replayed transitions, an off-policy trainer in one file.

To install it, put this file beside a `pyproject.toml` with

    [project.entry-points."phantom_core.trainers"]
    replay-q = "replay_q:ReplayQTrainer"

    [project.entry-points."phantom_core.policies"]
    q-values = "replay_q:TablePolicy"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph


class TablePolicy(ph.Policy):
    """Takes the best action of a table; with probability `epsilon` any, while it learns.

    Attributes:
        values: float64 array [observations, actions].
    """

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        """Make a table of zeros; raise `ConfigError` if a space is not Discrete."""
        super().__init__(observation_space, action_space)
        for space in (observation_space, action_space):
            if not isinstance(space, gym.spaces.Discrete) or space.start != 0:
                raise ph.errors.ConfigError(f"replay-q got {space}. Expected a Discrete space from 0.")
        self.values = np.zeros((observation_space.n, action_space.n))  # type: ignore[attr-defined]  # Discrete
        self.epsilon = 0.0

    def seed(self, rng: np.random.Generator) -> None:
        """Break ties at random."""
        self.values += rng.normal(0.0, 1e-6, self.values.shape)

    def compute_action(self, observation: ph.Observation) -> int:
        """Return the best action."""
        return int(np.argmax(self.values[observation]))

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams
    ) -> tuple[Sequence[int], Mapping[str, Any]]:
        """Return the best actions, or with probability ε any."""
        number = self.values.shape[1]
        return [
            int(draw / self.epsilon * number) if draw < self.epsilon else self.compute_action(observation)
            for observation, draw in zip(observations, rng.uniform(), strict=True)
        ], {}

    def state_dict(self) -> dict[str, Any]:
        """Return the table."""
        return {"values": self.values.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a table."""
        self.values = np.array(state["values"])


@dataclass(frozen=True)
class ReplayQConfig:
    """Settings of the trainer `replay-q`."""

    alpha: float = 0.3
    """Step size."""
    gamma: float = 0.95
    """Discount factor per decision."""
    num_steps: int = 1
    """Rewards that are summed up before a value is used."""
    capacity: int = 10_000
    """Transitions that are kept."""
    warm_up: int = 64
    """Transitions before the first update."""
    batch_size: int = 64
    """Transitions drawn in each update."""
    last_epsilon: float = 0.1
    """Probability of a random action in the second half of a run; it begins with 1."""


class ReplayQTrainer(ph.Trainer):
    """Q-learning from transitions that are drawn from all that were kept.

        Q(o, a) ← Q(o, a) + α [r + γⁿ maxₐ′ Q(o′, a′) − Q(o, a)]

    It is asked for 4 steps, learns once, and so on; 25 of these rounds are an iteration.

    Sources: Watkins and Dayan 1992, Machine Learning 8, 279-292; Lin 1992, Machine Learning 8, 293-321.
    """

    config_class = ReplayQConfig
    policy_class = TablePolicy
    keep_last = ("epsilon", "kept")

    def __init__(self, **settings: Any) -> None:
        """Check the settings."""
        super().__init__(**settings)
        self.buffers: dict[ph.PolicyID, ph.ReplayBuffer] = {}

    def setup(self, policy_id: ph.PolicyID, policy: TablePolicy, rng: np.random.Generator) -> None:
        """Make a buffer."""
        spaces, config = (policy.observation_space, policy.action_space), self.config
        self.buffers[policy_id] = ph.ReplayBuffer(*spaces, config.capacity, config.num_steps, config.gamma)

    def collect_plan(self) -> ph.CollectPlan:
        """Ask for a few steps."""
        return ph.CollectPlan(steps=4, rounds=25)

    def begin_round(self, policy_id: ph.PolicyID, policy: TablePolicy) -> None:
        """Let the policy explore, less and less."""
        policy.epsilon = max(self.config.last_epsilon, 1.0 - 2.0 * self.progress)

    def update(
        self, policy_id: ph.PolicyID, policy: TablePolicy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Keep what happened, and learn from a draw of all that was kept."""
        buffer = self.buffers[policy_id]
        buffer.add(batch.transitions)
        logged = {"epsilon": policy.epsilon, "kept": len(buffer)}
        if len(buffer) < self.config.warm_up:
            return logged
        drawn = buffer.sample(self.config.batch_size, rng)
        targets = drawn.rewards + drawn.discounts * policy.values[drawn.next_observations].max(axis=1)
        entries = np.ravel_multi_index((drawn.observations, drawn.actions), policy.values.shape)
        errors = targets - policy.values.flat[entries]
        counts = np.bincount(entries, minlength=policy.values.size)
        sums = np.bincount(entries, errors, minlength=policy.values.size)
        policy.values.flat += self.config.alpha * sums / np.maximum(counts, 1)
        return {**logged, "td_error": float(np.abs(errors).mean())}

    def state_dict(self) -> dict[str, Any]:
        """Return the buffers."""
        return {policy_id: buffer.state_dict() for policy_id, buffer in self.buffers.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the buffers."""
        for policy_id, saved in state.items():
            self.buffers[policy_id].load_state_dict(saved)
