"""`RolloutBuffer`: the transitions of one policy's agents, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.errors import ConfigError, listing
from phantom_core.policies.policy import rows_of, take_rows
from phantom_core.rollouts.batch import Batch, owners_of
from phantom_core.rollouts.copy_state import decode_batch, encode_batch
from phantom_core.rollouts.space_batcher import ArrayBatcher, NestedBatcher, make_batcher
from phantom_core.types import AgentID, Observation

_ARRAYS = (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)


class RolloutBuffer:
    """One transition for each decision, in time order. A row is one agent in one copy of the env."""

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        self.batcher = make_batcher(observation_space)
        self._observations_are_lists = not isinstance(self.batcher, (ArrayBatcher, NestedBatcher))
        self._actions_are_arrays = isinstance(action_space, _ARRAYS)
        self._action_batcher = make_batcher(action_space)
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.rewards: list[float] = []  # what each decision earned so far
        self._observations: list[Any] = []  # one by one where a batch is a list, else a batch for each step
        self._actions: list[Any] = []  # likewise, where actions are arrays
        self._extras: dict[str, list[Any]] = {}
        self._runs: list[list[Any]] = []  # numbers of the rows that decided, and in how many steps
        self._numbers: NDArray[np.int64] | None = None
        self._following: list[Any] = []
        self._num_following = 0
        self._ends: list[tuple[Any, ...]] = []
        self.skipped: list[int] = []  # decisions in a step in which their copy was only reset

    def add_decisions(
        self, numbers: NDArray[np.int64], observations: Any, actions: Any, extras: Mapping[str, Any]
    ) -> None:
        """Add what rows saw and decided in a step; their rewards are added after it.

        `numbers` is the same array in the next step if the rows are the same; arrays of observations are
        not changed any more.
        """
        if (extras or self._extras) and extras.keys() != self._extras.keys():
            if self._observations:
                raise ConfigError(
                    f"sample_actions() returned the extras {listing(extras)}, but {listing(self._extras)} "
                    "before. Return the same names every time."
                )
            self._extras = {name: [] for name in extras}
        if type(observations) is list:
            self._observations += observations
        else:
            self._observations.append(observations)
        if self._actions_are_arrays:
            self._actions.append(np.array(actions))
        else:
            self._actions.extend(actions)  # `+=` would make an array of it, if that is one
        for name, values in extras.items():
            found = np.array(values)
            if found.shape[:1] != numbers.shape:
                raise ConfigError(
                    f"sample_actions() returned the extra {name!r} of shape {found.shape} for "
                    f"{len(numbers)} observations. Return one value for each."
                )
            self._extras[name].append(found)
        if numbers is self._numbers:
            self._runs[-1][1] += 1
        else:
            self._numbers = numbers
            self._runs.append([numbers, 1])

    def end(
        self,
        ends: Sequence[tuple[int, AgentID, int, int]],
        following: Sequence[Observation],
        *,
        terminated: bool = False,
        truncated: bool = False,
    ) -> None:
        """End trajectories, of which last transition, agent id, env index and episode are given.

        `following` is what was observed then, one for each; empty: nothing was.
        """
        first = -1
        if len(following):
            first = self._num_following
            self._following.append(self.batcher.checked(following))
            self._num_following += len(ends)
        self._ends.append((ends, first, terminated, truncated))

    def take(self, pending: Mapping[int, tuple[int, AgentID, int, int]]) -> Batch:
        """Hand over every transition whose outcome is known; those pending become indices 0, 1, ....

        `pending` tells, by index, the number of the row, agent id, env index and episode.
        """
        parts = self._joined()
        taken = None
        if pending:
            self._end_before(pending, parts[0])
        if pending or self.skipped:
            is_taken = np.ones(len(self.rewards), dtype=np.bool_)
            is_taken[[*pending, *self.skipped]] = False
            taken = np.flatnonzero(is_taken)
        seen, done, paid, extras = parts if taken is None else take_rows(parts, taken)
        batch = Batch(seen, done, paid, extras, self._runs, taken, self._ends, self.batcher, self._following)
        self.clear()
        if pending:
            self._put(take_rows(parts, np.array(list(pending))), [number for number, *_ in pending.values()])
        return batch

    def _joined(self) -> tuple[Any, Any, NDArray[np.float64], dict[str, Any]]:
        """Return observations, actions, rewards and extras, each as one batch."""
        observations, actions = self._observations, self._actions
        if self._observations_are_lists and observations:
            observations = [observations]
        if not self._actions_are_arrays and actions:
            actions = [self._action_batcher.batch(actions)]
        extras = {name: np.concatenate(values) for name, values in self._extras.items()}
        rewards = np.array(self.rewards, np.float64)
        return self.batcher.joined(observations), self._action_batcher.joined(actions), rewards, extras

    def _put(self, parts: tuple[Any, ...], numbers: Sequence[int]) -> None:
        """Add decisions of rows, one for each."""
        observations, actions, rewards, extras = parts
        seen = self.batcher.batch(rows_of(observations))
        actions = actions if self._actions_are_arrays else rows_of(actions)
        self.add_decisions(np.array(numbers, np.int64), seen, actions, extras)
        self.rewards += rewards.tolist()

    def _end_before(self, pending: Mapping[int, tuple[int, AgentID, int, int]], observations: Any) -> None:
        """End the trajectories that a pending decision goes on: its observation followed them."""
        owners = owners_of(self._runs)
        order = np.argsort(owners, kind="stable")
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        ended = {end[0] for ends, *_ in self._ends for end in ends}.union(self.skipped)
        for index, (number, agent_id, env_index, episode) in pending.items():
            before = int(order[place[index] - 1]) if place[index] else -1
            if before >= 0 and owners[before] == number and before not in ended:
                following = rows_of(take_rows(observations, np.array([index])))
                self.end([(before, agent_id, env_index, episode)], following)

    def state_dict(self) -> dict[str, Any]:
        """Return what is pending."""
        observations, actions, rewards, extras = self._joined()
        return {
            "observations": encode_batch(observations),
            "actions": encode_batch(actions),
            "rewards": rewards,
            "extras": extras,
        }

    def load_state_dict(self, state: Mapping[str, Any], numbers: Sequence[int]) -> None:
        """Take over what `state_dict` returned, with the numbers of the rows it belongs to."""
        self.clear()
        if numbers:
            observations = decode_batch(self.batcher.space, state["observations"])
            actions = decode_batch(self._action_batcher.space, state["actions"])
            self._put((observations, actions, state["rewards"], state["extras"]), numbers)
