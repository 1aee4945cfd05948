"""The kit's own trainer: Q-learning on a small table. What the checks of loggers and metrics train with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

_ALPHA, _GAMMA, _EPSILON = 0.2, 0.9, 0.3


class ToyPolicy(ph.Policy):
    """One value for each state and choice; takes the best, or while it learns sometimes any.

    It sees states as numbers or one-hot, and chooses in a Discrete space.

    Attributes:
        table: float64 array [states, choices].
    """

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, action_space)
        if not isinstance(action_space, gym.spaces.Discrete):
            raise ph.errors.ConfigError(
                f"ToyPolicy got the action space {action_space}. Expected a Discrete one."
            )
        is_discrete = isinstance(observation_space, gym.spaces.Discrete)
        num_states = int(observation_space.n) if is_discrete else int(np.prod(observation_space.shape or ()))  # type: ignore[attr-defined]  # it has n
        self.table: NDArray[np.float64] = np.zeros((num_states, int(action_space.n)))

    def seed(self, rng: np.random.Generator) -> None:
        """Draw small first values, so that ties are broken by the seed."""
        self.table = rng.normal(0.0, 1e-3, self.table.shape)

    def compute_action(self, observation: Any) -> int:
        """Return the best choice."""
        return int(np.argmax(self.table[number_of(observation)]))

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams
    ) -> tuple[Sequence[int], Mapping[str, Sequence[Any]]]:
        """Return the best choice, or with probability ε any."""
        best = [self.compute_action(observation) for observation in observations]
        number = self.table.shape[1]
        return [
            int(draw / _EPSILON * number) if draw < _EPSILON else action
            for draw, action in zip(rng.uniform(), best, strict=True)
        ], {}

    def state_dict(self) -> dict[str, Any]:
        """Return the table."""
        return {"table": self.table.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a table."""
        self.table = np.array(state["table"])


class ToyTrainer(ph.Trainer):
    """Learns from each decision in turn: Q(s, a) ← Q(s, a) + α [r + γ maxₐ′ Q(s′, a′) − Q(s, a)]."""

    policy_class = ToyPolicy

    def collect_plan(self) -> ph.CollectPlan:
        """Play a few episodes."""
        return ph.CollectPlan(episodes=4)

    def update(
        self, policy_id: ph.PolicyID, policy: ph.Policy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Go through the decisions."""
        assert isinstance(policy, ToyPolicy)
        error = 0.0
        for trajectory in batch.trajectories:
            after = [*trajectory.observations[1:], trajectory.next_observation]
            ended = [False] * (len(trajectory) - 1) + [trajectory.terminated]
            for t, (action, reward) in enumerate(zip(trajectory.actions, trajectory.rewards, strict=True)):
                is_known = not ended[t] and after[t] is not None
                follows = policy.table[number_of(after[t])].max() if is_known else 0.0
                row = policy.table[number_of(trajectory.observations[t])]
                error = reward + _GAMMA * follows - row[action]
                row[action] += _ALPHA * error
        return {"last_error": error}


def number_of(observation: Any) -> int:
    """Return the number of a state, seen as a number or one-hot."""
    return int(np.argmax(observation)) if np.ndim(observation) else int(observation)
