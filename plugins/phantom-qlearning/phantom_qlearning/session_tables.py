"""`SessionTablesPolicy`: a q-table for each of many independent sessions, as one array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_qlearning.observation_index import MOST_VALUES, ObservationIndex
from phantom_qlearning.q_table_policy import QTableConfig, QTablePolicy

Places = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class SessionTablesConfig(QTableConfig):
    """Settings of `SessionTablesPolicy`, which `q-learning` makes for its sessions."""

    sessions: int = 1
    """How many sessions there are, each in a copy of the env."""

    def __post_init__(self) -> None:
        """Refuse what is out of range; raises `ValueError`."""
        if self.sessions < 1:
            raise ValueError(f"sessions is {self.sessions}. Expected a positive number")


class SessionTablesPolicy(ph.PolicyByCopy):
    """A `QTablePolicy` for each session, as one array: session k is played in copy k of the env.

    `of_copy(k)` returns the `QTablePolicy` of session k.

    Attributes:
        epsilon: the probability of a uniformly random allowed action in `sample_actions`, in all sessions.
        observations: the place of each observation in a table.
        first_action: the action with the number 0.
        num_actions: how many actions there are.
        table: float64 array [sessions, observations, actions]; change it with `move`, or set it.
        greedy: int64 array [sessions, observations]: of each row the place of the highest value, of equals
            the first.
    """

    config_class = SessionTablesConfig

    def __init__(self, observation_space: Any, action_space: Any, **config: Any) -> None:
        """Make the tables.

        Raises:
            ConfigError: as `QTablePolicy`, or if they have too many values.
        """
        super().__init__(observation_space, action_space, **config)
        self.num_copies = self.config.sessions
        self.observations = ObservationIndex(observation_space, action_space)
        self.first_action, self.num_actions = int(action_space.start), int(action_space.n)
        size = self.num_copies * self.observations.size * self.num_actions
        if size > MOST_VALUES:
            raise ph.errors.ConfigError(
                f"{self.num_copies:,} sessions with tables of {self.observations.size:,} observations and "
                f"{self.num_actions} actions have {size:,} values, more than {MOST_VALUES:,}. Play fewer "
                "sessions at once, in several runs with seeds that do not overlap."
            )
        self.epsilon = 0.0
        first = self.observations.table_of(self.config.initial_value, self.first_action, self.num_actions)
        self.table = np.repeat(np.array(first, np.float64)[None], self.num_copies, axis=0)

    @property
    def table(self) -> NDArray[np.float64]:
        """The values: [sessions, observations, actions]."""
        return self._table

    @table.setter
    def table(self, table: NDArray[np.float64]) -> None:
        self._table = np.ascontiguousarray(table)
        self.greedy = self._table.argmax(axis=2)

    # Views are made when they are needed: a copy of the policy would have copies of them.

    @property
    def _rows(self) -> Values:
        return self._table.reshape(-1, self.num_actions)

    @property
    def _values(self) -> Values:
        return self._table.reshape(-1)

    @property
    def _greedy(self) -> Places:
        found: Places = self.greedy.reshape(-1)
        return found

    def rows(self, sessions: Places, places: Places) -> Places:
        """Return where the rows of observations stand, counted through all tables: [B].

        Args:
            sessions: which sessions [B].
            places: the place of the observation in each [B].
        """
        return sessions * self.observations.size + places

    def values(self, rows: Places, actions: Places) -> Values:
        """Return the values of actions, counted from 0, in rows: [B]."""
        return self._values.take(rows * self.num_actions + actions)

    def move(
        self, rows: Places, actions: Places, targets: Values, alpha: float, allowed: Any
    ) -> tuple[Values, Places]:
        """Move one value in each of B different rows towards its target: Q ← Q + α (target − Q).

        Args:
            rows: which rows [B], none twice.
            actions: the action, counted from 0 [B].
            targets: float64 [B].
            alpha: α.
            allowed: which actions are allowed, bool [B, actions]: the greedy action is the best of these;
                None: all.

        Returns:
            The errors, target − Q, float64 [B], and the indices from 0 to B - 1 of the rows whose greedy
            action changed.
        """
        cells = rows * self.num_actions + actions
        old = self._values.take(cells)
        errors = targets - old
        values = old + alpha * errors
        if allowed is not None:
            before = self.best(rows, allowed)
            self._values[cells] = values
            self._greedy[rows] = self._rows.take(rows, axis=0).argmax(axis=1)
            return errors, np.flatnonzero(before != self.best(rows, allowed))
        greedy = self._greedy.take(rows)
        highest = self.values(rows, greedy)
        self._values[cells] = values
        is_greedy, is_high = actions == greedy, values >= highest
        risen = np.flatnonzero(is_high > is_greedy)
        risen = risen[(values[risen] > highest[risen]) | (actions[risen] < greedy[risen])]
        lower = np.flatnonzero(is_greedy > is_high)  # only there a row is looked through
        best = self._rows.take(rows[lower], axis=0).argmax(axis=1)
        is_other = best != greedy[lower]
        changed = np.concatenate((risen, lower[is_other]))
        self._greedy[rows[changed]] = np.concatenate((actions[risen], best[is_other]))
        return errors, changed

    def best(self, rows: Places, allowed: Any) -> Places:
        """Return the action, counted from 0, with the highest value of those that are allowed: [B]."""
        found: Places = self._greedy.take(rows)
        if allowed is not None:
            found = np.where(allowed, self._rows.take(rows, axis=0), -np.inf).argmax(axis=1)
        return found

    def compute_actions(self, observations: Any, env_indices: Places) -> Sequence[ph.Action]:
        """Return the allowed action with the highest value for each observation."""
        places, allowed = self.observations.arrays(observations)
        actions: Any = self.best(self.rows(env_indices, places), allowed) + self.first_action
        return actions  # type: ignore[no-any-return]  # an array is as good as a list

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams, env_indices: Places
    ) -> tuple[Sequence[ph.Action], Mapping[str, Sequence[Any]]]:
        """Return with probability ε a random allowed action, else the one with the highest value."""
        if self.epsilon <= 0.0:
            return self.compute_actions(observations, env_indices), {}
        places, allowed = self.observations.arrays(observations)
        shares = rng.uniforms(1)[:, 0]
        actions: Any = self.best(self.rows(env_indices, places), allowed)
        exploring = np.flatnonzero(shares < self.epsilon)
        shares = shares[exploring] / self.epsilon  # given that it explores, uniform in [0, 1)
        if allowed is None:
            actions[exploring] = shares * self.num_actions
        else:
            counted = allowed[exploring].cumsum(axis=1)
            chosen = (shares * counted[:, -1]).astype(np.int64)
            actions[exploring] = (counted > chosen[:, None]).argmax(axis=1)
        return actions + self.first_action, {}

    def of_copy(self, env_index: int) -> QTablePolicy:
        """Return the policy of one session; its table is a copy.

        Raises:
            ConfigError: if there is no such session.
        """
        is_whole = isinstance(env_index, (int, np.integer)) and not isinstance(env_index, bool)
        if not is_whole or not 0 <= env_index < self.num_copies:
            raise ph.errors.ConfigError(
                f"There is no session {env_index!r}. Expected a number from 0 to {self.num_copies - 1}."
            )
        policy = QTablePolicy(self.observation_space, self.action_space)
        policy.table = self._table[env_index].tolist()
        return policy

    def state_dict(self) -> dict[str, Any]:
        """Return the tables as a float64 array [sessions, observations, actions]."""
        return {"table": self._table.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over tables.

        Raises:
            CheckpointError: if there are more or fewer, or they have another shape.
        """
        table = np.array(state["table"], dtype=np.float64)
        if table.shape != self._table.shape:
            raise ph.errors.CheckpointError(
                f"The saved q-tables have shape {table.shape}, but this policy's have {self._table.shape}. "
                "Load them into a policy with the sessions and spaces that they were trained for."
            )
        self.table = table
