"""`RolloutBuffer`: the transitions of one policy's agents, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.errors import ConfigError, listing
from phantom_core.policies.batching import rows_of
from phantom_core.rollouts.batch import Batch, TrajectoryEnd, Transitions, owners_of
from phantom_core.rollouts.columns import Column, ValueColumn, make_action_column, make_column
from phantom_core.rollouts.copy_state import decode_batch, encode_batch
from phantom_core.types import AgentID, Observation


class RolloutBuffer:
    """One transition for each decision, in time order. A row is one agent in one copy of the env.

    Whoever writes to `observations` adds the decisions next, and then the rewards.

    Attributes:
        observations: the column of observations.
        rewards: what each decision earned so far.
    """

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        self._spaces = observation_space, action_space
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        observation_space, action_space = self._spaces
        self.observations = make_column(observation_space)
        self.rewards: list[float] = []
        self._actions = make_action_column(action_space)
        self._extras: dict[str, Column] = {}
        self._begin()

    def _begin(self) -> None:
        self._following = make_column(self._spaces[0])
        self._ends: list[TrajectoryEnd] = []
        self._runs: list[list[Any]] = []  # numbers of the rows that decided, and in how many steps
        self._numbers: NDArray[np.int64] | None = None
        self._skipped: list[int] = []

    def add_decisions(self, numbers: NDArray[np.int64], actions: Any, extras: Mapping[str, Any]) -> None:
        """Add what these rows decided on the observations that were just written.

        Args:
            numbers: the rows' numbers; the same array in the next step if they are the same.
            actions: one for each row.
            extras: by name, one value for each row.

        Raises:
            ConfigError: if the names of the extras are not those of the decisions before.
        """
        start = len(self.rewards)
        if (extras or self._extras) and extras.keys() != self._extras.keys():
            if start:
                raise ConfigError(
                    f"sample_actions() returned the extras {listing(extras)}, but {listing(self._extras)} "
                    "before. Return the same names every time."
                )
            self._extras = {name: ValueColumn() for name in extras}
        self._actions.extend(actions)
        for name, values in extras.items():
            self._extras[name].extend(values)
        if numbers is self._numbers:
            self._runs[-1][1] += 1
        else:
            self._numbers = numbers
            self._runs.append([numbers, 1])

    def skip(self, index: int) -> None:
        """Leave a decision out: its copy was only reset in that step."""
        self._skipped.append(index)

    def end(
        self,
        index: int,
        agent_id: AgentID,
        env_index: int,
        episode: int,
        following: Sequence[Observation] = (),
        *,
        terminated: bool = False,
        truncated: bool = False,
    ) -> None:
        """End a trajectory with the decision at `index`.

        Args:
            index: the index of its last decision.
            agent_id: whose it is.
            env_index: the index of the copy.
            episode: the number of the episode in that copy.
            following: the observation that followed; empty: none did.
            terminated: whether the agent ended by the rules of the world.
            truncated: whether it was cut off.

        Raises:
            OutsideSpaceError: if the observation is not in its space.
        """
        place = self._following.size if following else -1
        if following:
            self._following.write(following)
        self._ends.append(TrajectoryEnd(index, agent_id, env_index, episode, place, terminated, truncated))

    def cut(self, ends: Sequence[tuple[int, AgentID, int, int]], observations: Sequence[Observation]) -> None:
        """End trajectories that go on in a later batch.

        Args:
            ends: of each, index of the last decision, agent id, index of the copy, number of the episode.
            observations: what followed each.

        Raises:
            OutsideSpaceError: if an observation is not in its space.
        """
        if ends:
            first = self._following.size
            self._following.write(observations)
            self._ends += [
                TrajectoryEnd(*end, place, terminated=False, truncated=False)
                for place, end in enumerate(ends, first)
            ]

    def take(self, pending: Mapping[int, tuple[int, AgentID, int, int]]) -> Batch:
        """Hand over every transition whose outcome is known; the others become indices 0, 1, ....

        Args:
            pending: by index, the decisions without a known outcome: number of the row, agent id, index
                of the copy and number of the episode.
        """
        size = len(self.rewards)
        if not pending and not self._skipped:
            transitions = Transitions(size, self._runs, None, self._ends, self._following)
            taken: Any = slice(0, size)
        else:
            if pending:
                self._end_before(pending, size)
            is_kept = np.ones(size, dtype=np.bool_)
            is_kept[[*pending, *self._skipped]] = False
            taken = np.flatnonzero(is_kept)
            transitions = Transitions(len(taken), self._runs, taken, self._ends, self._following)
        batch = Batch(
            self.observations.take(taken),
            self._actions.take(taken),
            np.array(self.rewards, dtype=np.float64)[taken],
            {name: values.take(taken) for name, values in self._extras.items()},
            transitions,
        )
        self._keep(list(pending))
        self._begin()
        if pending:
            self._runs.append([np.array([number for number, *_ in pending.values()], dtype=np.int64), 1])
        return batch

    def _end_before(self, pending: Mapping[int, tuple[int, AgentID, int, int]], size: int) -> None:
        """End the trajectories that a pending decision goes on: its observation followed them."""
        owners = owners_of(self._runs)
        order = np.argsort(owners, kind="stable")
        place = np.empty(size, dtype=np.int64)
        place[order] = np.arange(size)
        ended = {end.last for end in self._ends}.union(self._skipped)
        for index, (number, agent_id, env_index, episode) in pending.items():
            before = int(order[place[index] - 1]) if place[index] else -1
            if before >= 0 and owners[before] == number and before not in ended:
                following = self.observations.elements(np.array([index]))
                self.end(before, agent_id, env_index, episode, following)

    def _keep(self, indices: Sequence[int]) -> None:
        kept = np.array(indices, dtype=np.int64)
        self.observations.keep(kept)
        self.rewards = [self.rewards[index] for index in indices]
        self._actions.keep(kept)
        for values in self._extras.values():
            values.keep(kept)

    def state_dict(self) -> dict[str, Any]:
        """Return what is pending."""
        rows = np.arange(len(self.rewards))
        return {
            "observations": encode_batch(self.observations.take(rows)),
            "actions": encode_batch(self._actions.take(rows)),
            "rewards": np.array(self.rewards, dtype=np.float64),
            "extras": {name: values.take(rows) for name, values in self._extras.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any], numbers: Sequence[int]) -> None:
        """Take over what `state_dict` returned, with the numbers of the rows it belongs to."""
        self.clear()
        observation_space, action_space = self._spaces
        self.observations.extend(rows_of(decode_batch(observation_space, state["observations"])))
        self.rewards += state["rewards"].tolist()
        actions = decode_batch(action_space, state["actions"])
        if self.rewards:
            self._actions.extend(actions if isinstance(self._actions, ValueColumn) else rows_of(actions))
            self._runs.append([np.array(numbers, dtype=np.int64), 1])
        for name, values in state["extras"].items():
            self._extras[name] = ValueColumn()
            self._extras[name].extend(values)
