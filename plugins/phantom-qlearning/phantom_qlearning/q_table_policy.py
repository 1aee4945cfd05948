"""`QTablePolicy`: one row per observation, one value per action; greedy, or ε-greedy while it learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import phantom_core as ph
from phantom_qlearning.observation_index import ObservationIndex


@dataclass(frozen=True)
class QTableConfig:
    """Settings of the policy `q-table`."""

    initial_value: Any = 0.0
    """The values before anything was learned: a number; an array, or lists, that NumPy broadcasts to
    [observations, actions]; or a function of (observation, action). Text such as `my_package.values:first` or
    `./values.py:first`, from the current folder, names one of these. High values make it try everything."""


class QTablePolicy(ph.Policy):
    """Chooses the allowed action with the highest value in the observation's row; of equals, the first.

    Observations are Discrete or MultiDiscrete; or a Dict of `observation`, which is one of these, and
    `action_mask`, which says by 1 or 0 whether each action is allowed now. Actions are Discrete.

    Attributes:
        epsilon: the probability of a uniformly random allowed action in `sample_actions`. A trainer sets
            it; otherwise it is 0.
        observations: the place of each observation in the table.
        greedy: of each row the place of the highest value, of equals the first; kept up to date by `put`.
        changed_at: the env steps of its run after which a greedy action changed last, as its trainer counts.
    """

    config_class = QTableConfig

    def __init__(self, observation_space: Any, action_space: Any, **config: Any) -> None:
        """Make a table.

        Raises:
            ConfigError: if it cannot be a table of these spaces, or the initial values do not fit.
        """
        super().__init__(observation_space, action_space, **config)
        self.observations = ObservationIndex(observation_space, action_space)
        self.first_action = int(action_space.start)
        self.num_actions = int(action_space.n)
        self.epsilon = 0.0
        self.changed_at = 0
        self.table = self.observations.table_of(
            self.config.initial_value, self.first_action, self.num_actions
        )

    @property
    def table(self) -> list[list[float]]:
        """The values, `table[place of the observation][action - start]`; set it, or change it with `put`.

        Lists of Python floats are read and written one by one several times faster than an array.
        """
        return self._table

    @table.setter
    def table(self, table: list[list[float]]) -> None:
        self._table = table
        self.greedy = [row.index(max(row)) for row in table]

    def put(self, place: int, action: int, value: float, allowed: Sequence[int] | None = None) -> bool:
        """Change the value of an action, counted from 0; return whether the row's greedy action changed.

        Where some actions only are `allowed`, that is the best of these.
        """
        if allowed is not None:
            before = self.best(place, allowed)
            self.put(place, action, value)
            return self.best(place, allowed) != before
        row = self._table[place]
        best = self.greedy[place]
        earlier = row[action]
        row[action] = value
        if action == best:
            if value >= earlier:
                return False
            best = row.index(max(row))
            if best == action:
                return False
        elif value < row[best] or (value == row[best] and action > best):
            return False
        else:
            best = action
        self.greedy[place] = best
        return True

    def best(self, place: int, allowed: Sequence[int] | None) -> int:
        """Return the action, counted from 0, with the highest value of those that are allowed."""
        if allowed is None:
            return self.greedy[place]
        row = self._table[place]
        return max(allowed, key=row.__getitem__)

    def compute_action(self, observation: Any) -> int:
        """Return the allowed action with the highest value."""
        if not self.observations.is_masked:
            return self.greedy[self.observations.place(observation)] + self.first_action
        return self.compute_actions({name: np.array([part]) for name, part in observation.items()})[0]

    def compute_actions(self, observations: Any) -> list[int]:
        """Return the allowed action with the highest value for each observation."""
        places, allowed = self.observations.batch(observations)
        each = zip(places, allowed)  # noqa: B905  without masks the second is endless
        return [self.best(place, among) + self.first_action for place, among in each]

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams
    ) -> tuple[list[int], Mapping[str, Sequence[Any]]]:
        """Return with probability ε a random allowed action, else the one with the highest value."""
        epsilon, first, greedy = self.epsilon, self.first_action, self.greedy
        if epsilon <= 0.0:
            return self.compute_actions(observations), {}
        places, allowed = self.observations.batch(observations)
        actions, number = [], self.num_actions
        if not self.observations.is_masked:
            for place, draw in zip(places, rng.uniform()):  # noqa: B905  as many, and often one
                # where it is below epsilon, draw / epsilon is uniform in [0, 1)
                action = greedy[place] if draw >= epsilon else int(draw / epsilon * number)
                actions.append(action + first)
            return actions, {}
        for place, among, draw in zip(places, allowed, rng.uniform(), strict=True):
            assert among is not None
            action = self.best(place, among) if draw >= epsilon else among[int(draw / epsilon * len(among))]
            actions.append(action + first)
        return actions, {}

    def state_dict(self) -> dict[str, Any]:
        """Return the table as a float64 array [observations, actions]."""
        return {"table": np.array(self._table, dtype=np.float64)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a table.

        Raises:
            CheckpointError: if it has another shape.
        """
        table = np.asarray(state["table"], dtype=np.float64)
        wanted = (len(self._table), self.num_actions)
        if table.shape != wanted:
            raise ph.errors.CheckpointError(
                f"The saved q-table has shape {table.shape}, but this policy's is {wanted}. "
                "Load it into a policy with the spaces that it was trained for."
            )
        self.table = table.tolist()
