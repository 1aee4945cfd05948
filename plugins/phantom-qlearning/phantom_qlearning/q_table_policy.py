"""`QTablePolicy`: one row per observation, one value per action; greedy, or ε-greedy while it learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph


@dataclass(frozen=True)
class QTableConfig:
    """Settings of the policy `q-table`."""

    initial_value: float = 0.0
    """The value of every action before anything was learned; high values make it try everything."""


class QTablePolicy(ph.Policy):
    """Chooses the action with the highest value in the observation's row; of equals, the first.

    Attributes:
        epsilon: the probability of a uniformly random action in `sample_actions`. A trainer sets it;
            otherwise it is 0.
        table: the values, `table[observation - start][action - start]`, as lists of Python floats,
            which are several times faster to read and write one by one than an array.
    """

    config_class = QTableConfig

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Make a table.

        Raises:
            ConfigError: if a space is not Discrete.
        """
        super().__init__(observation_space, action_space, **config)
        for what, space in (("observation", observation_space), ("action", action_space)):
            if not isinstance(space, gym.spaces.Discrete):
                raise ph.errors.ConfigError(
                    f"A q-table needs Discrete spaces, but the {what} space is {space}. "
                    "Make it Discrete, or use a policy for such spaces."
                )
        assert isinstance(observation_space, gym.spaces.Discrete)
        assert isinstance(action_space, gym.spaces.Discrete)
        self.first_observation = int(observation_space.start)
        self.first_action = int(action_space.start)
        self.num_actions = int(action_space.n)
        self.epsilon = 0.0
        row = [self.config.initial_value] * self.num_actions
        self.table: list[list[float]] = [list(row) for _ in range(int(observation_space.n))]

    def compute_action(self, observation: Any) -> int:
        """Return the action with the highest value."""
        row = self.table[observation - self.first_observation]
        return row.index(max(row)) + self.first_action

    def sample_actions(
        self, observations: Sequence[Any], rng: ph.RowStreams
    ) -> tuple[list[int], Mapping[str, Sequence[Any]]]:
        """Return with probability ε a uniformly random action, else the one with the highest value."""
        epsilon = self.epsilon
        if epsilon <= 0.0:
            return [self.compute_action(observation) for observation in observations], {}
        actions = []
        for observation, draw in zip(observations, rng.uniform(), strict=True):
            if draw < epsilon:  # given that, draw / epsilon is uniform in [0, 1)
                actions.append(int(draw / epsilon * self.num_actions) + self.first_action)
            else:
                row = self.table[observation - self.first_observation]
                actions.append(row.index(max(row)) + self.first_action)
        return actions, {}

    def state_dict(self) -> dict[str, Any]:
        """Return the table as a float64 array [observations, actions]."""
        return {"table": np.array(self.table, dtype=np.float64)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a table.

        Raises:
            CheckpointError: if it has another shape.
        """
        table = np.asarray(state["table"], dtype=np.float64)
        wanted = (len(self.table), self.num_actions)
        if table.shape != wanted:
            raise ph.errors.CheckpointError(
                f"The saved q-table has shape {table.shape}, but this policy's is {wanted}. "
                "Load it into a policy "
                "with the spaces that it was trained for."
            )
        self.table = table.tolist()
