"""`Batch`: what one policy's agents went through since its trainer was last asked, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phantom_core.policies.batching import join_rows, rows_of, slice_rows, take_rows
from phantom_core.rollouts.columns import SpaceColumn
from phantom_core.types import Action, AgentID, Observation


@dataclass(slots=True)
class Trajectory:
    """A stretch of one agent's life in one episode: T decisions and what followed from each.

    Decision t saw `observations[t]`, took `actions[t]` and earned `rewards[t]`: all that was paid until
    the agent's next decision. What came after the last decision is `next_observation`.

    Attributes:
        agent_id: whose it is.
        env_index: the index of the copy of the env.
        episode: the number of the episode in that copy.
        observations: length T.
        actions: length T.
        rewards: length T.
        extras: by name, what the policy's `sample_actions` said about each decision; length T.
        next_observation: what followed the last decision: the final observation, or the one that the
            agent acts on next. None if there was none; then the last decision has no known outcome.
        terminated: whether the agent ended here by the rules of the world: nothing comes after.
        truncated: whether it was cut off here from outside: its future has a value, that of
            `next_observation`. Never true together with `terminated`. Both false: the episode
            goes on in a later trajectory.
    """

    agent_id: AgentID
    env_index: int
    episode: int
    observations: list[Observation] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    extras: dict[str, list[Any]] = field(default_factory=dict)
    next_observation: Observation | None = None
    terminated: bool = False
    truncated: bool = False

    def __len__(self) -> int:
        """Return T."""
        return len(self.actions)


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """One episode in numbers.

    Attributes:
        env_index: the index of the copy of the env.
        episode: the number of the episode in that copy.
        seed: the seed of the episode: `env.reset(seed=...)` starts it again.
        length: its env steps.
        episode_returns: sum of rewards, undiscounted, by id of the agents that took part in it.
        terminated: whether it ended by the rules of the world.
        metrics: reduced value by metric name.
    """

    env_index: int
    episode: int
    seed: int
    length: int
    episode_returns: Mapping[AgentID, float]
    terminated: bool
    metrics: Mapping[str, Any]


class TrajectoryEnd(NamedTuple):
    """The end of a trajectory in a rollout buffer.

    Attributes:
        last: the index of its last transition.
        agent_id: whose it is.
        env_index: the index of the copy of the env.
        episode: the number of the episode in that copy.
        following: the place of the observation that followed, among those that followed; -1: none did.
        terminated: whether the agent ended by the rules of the world.
        truncated: whether it was cut off.
    """

    last: int
    agent_id: AgentID
    env_index: int
    episode: int
    following: int
    terminated: bool
    truncated: bool


def owners_of(runs: Sequence[Sequence[Any]]) -> NDArray[np.int64]:
    """Return the row's number of each transition, from the rows that decided and in how many steps."""
    if not runs:
        return np.zeros(0, dtype=np.int64)
    return np.concatenate([numbers if steps == 1 else np.tile(numbers, steps) for numbers, steps in runs])


class Transitions:
    """Which transition belongs to which trajectory; worked out when it is first asked for.

    Attributes:
        size: B, the number of transitions.
    """

    def __init__(
        self,
        size: int,
        runs: Sequence[Sequence[Any]],
        taken: NDArray[np.int64] | None,
        ends: Sequence[TrajectoryEnd],
        following: SpaceColumn,
    ) -> None:
        """Keep what a buffer knows.

        Args:
            size: B.
            runs: numbers of the rows that decided, and in how many steps, in time order.
            taken: the indices that were handed over, of all that the runs tell of; None: all.
            ends: the trajectories that ended, in any order.
            following: the observations that followed the ends.
        """
        self.size = size
        self._runs = runs
        self._taken = taken
        self._ends = ends
        self._following = following

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The transitions, one trajectory after the other."""
        if len(self._runs) == 1 and self._taken is None:
            numbers, steps = self._runs[0]
            in_time = np.arange(self.size).reshape(steps, len(numbers))
            return in_time.T[np.argsort(numbers, kind="stable")].ravel()
        owners = owners_of(self._runs)
        return np.argsort(owners if self._taken is None else owners[self._taken], kind="stable")

    @cached_property
    def ends(self) -> Sequence[TrajectoryEnd]:
        """The end of each trajectory, in the order of `order`."""
        places = self._places
        return [self._ends[number] for number in np.argsort(places, kind="stable").tolist()]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where trajectories begin in `order`, and B."""
        starts = np.zeros(len(self._ends) + 1, dtype=np.int64)
        starts[1:] = np.sort(self._places) + 1
        return starts

    @cached_property
    def following(self) -> Any:
        """What followed each trajectory's last transition; where nothing did, an element of the space."""
        column = self._following
        places = np.array([end.following for end in self.ends], dtype=np.int64)
        if len(places) and places.min() < 0:
            places[places < 0] = column.size
            column.add_filler()
        return column.take(places)

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """The place of each trajectory's last transition in `order`."""
        indices = np.array([end.last for end in self._ends], dtype=np.int64)
        if self._taken is not None:
            indices = np.searchsorted(self._taken, indices)
        place = np.empty(self.size, dtype=np.int64)
        place[self.order] = np.arange(self.size)
        return place[indices]


class _SortedTransitions(NamedTuple):
    """What `Transitions` works out, of transitions that are sorted by trajectory."""

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: Sequence[TrajectoryEnd]
    following: Any


@dataclass(frozen=True)
class Batch:
    """B transitions in time order: all that happened in a step, of all agents, then the next step.

    In transition b an agent saw `observations[b]`, did `actions[b]` and earned `rewards[b]`. What is not
    listed under the attributes of the constructor is worked out when it is first asked for. Arrays are
    the batch's own: a trainer may keep and change them.

    Attributes:
        observations: B elements of the observation space: an array [B, ...] for Box, Discrete,
            MultiDiscrete and MultiBinary; a dict or tuple of these for Dict and Tuple; else a list.
        actions: B actions, likewise, as `sample_actions` returned them.
        rewards: float64 array [B]; all that was paid until the agent's next decision.
        extras: by name, what `sample_actions` said about each decision; arrays [B, ...].
    """

    observations: Any
    actions: Any
    rewards: NDArray[np.float64]
    extras: Mapping[str, NDArray[Any]]
    _transitions: Transitions | _SortedTransitions = field(repr=False)

    @classmethod
    def of(cls, sorted_batch: TrajectoryBatch) -> Batch:
        """Return a batch of transitions that are sorted by trajectory, in their order: to test a trainer."""
        of, last = sorted_batch, (sorted_batch.starts[1:] - 1).tolist()
        ends = [
            TrajectoryEnd(*end)
            for end in zip(
                last,
                of.agent_ids,
                of.env_indices,
                of.episodes,
                np.where(of.has_next, np.arange(len(last)), -1).tolist(),
                of.terminated.tolist(),
                of.truncated.tolist(),
                strict=True,
            )
        ]
        transitions = _SortedTransitions(np.arange(len(of)), of.starts, ends, of.next_observations)
        return cls(of.observations, of.actions, of.rewards, of.extras, transitions)

    def __len__(self) -> int:
        """Return B, the number of transitions."""
        return len(self.rewards)

    @cached_property
    def by_trajectory(self) -> TrajectoryBatch:
        """The same transitions, one trajectory after the other, for returns and advantages."""
        of, order = self._transitions, self._transitions.order
        ends = of.ends
        return TrajectoryBatch(
            take_rows(self.observations, order),
            take_rows(self.actions, order),
            self.rewards[order],
            {name: values[order] for name, values in self.extras.items()},
            of.starts,
            of.following,
            np.array([end.following >= 0 for end in ends], dtype=np.bool_),
            np.array([end.terminated for end in ends], dtype=np.bool_),
            np.array([end.truncated for end in ends], dtype=np.bool_),
            [end.agent_id for end in ends],
            [end.env_index for end in ends],
            [end.episode for end in ends],
        )

    @property
    def trajectories(self) -> Sequence[Trajectory]:
        """The trajectories as lists, for readable code."""
        return self.by_trajectory.trajectories

    @cached_property
    def next_observations(self) -> Any:
        """B elements of the observation space: what followed each transition.

        That is the agent's next observation that it acted on, or the true final observation where it
        ended. Where nothing followed (`has_next` is False), some element of the space.
        """
        of, size = self._transitions, len(self)
        following = np.empty(size, dtype=np.int64)
        following[of.order[:-1]] = of.order[1:]
        following[of.order[of.starts[1:] - 1]] = size + np.arange(len(of.ends))
        return take_rows(join_rows(self.observations, of.following), following)

    @cached_property
    def has_next(self) -> NDArray[np.bool_]:
        """Bool array [B]: whether an observation followed. It may be missing where an agent ended."""
        return self._at_ends([end.following >= 0 for end in self._transitions.ends], elsewhere=True)

    @cached_property
    def terminated(self) -> NDArray[np.bool_]:
        """Bool array [B]: whether the agent ended with this transition by the rules of the world."""
        return self._at_ends([end.terminated for end in self._transitions.ends])

    @cached_property
    def truncated(self) -> NDArray[np.bool_]:
        """Bool array [B]: whether the agent was cut off with this transition: its future has a value."""
        return self._at_ends([end.truncated for end in self._transitions.ends])

    @cached_property
    def agent_ids(self) -> Sequence[AgentID]:
        """The agent of each transition; length B."""
        return self._spread([end.agent_id for end in self._transitions.ends])

    @cached_property
    def env_indices(self) -> NDArray[np.int64]:
        """Int64 array [B]: the index of the copy of the env."""
        return np.array(self._spread([end.env_index for end in self._transitions.ends]), dtype=np.int64)

    @cached_property
    def episodes(self) -> NDArray[np.int64]:
        """Int64 array [B]: the number of the episode in that copy."""
        return np.array(self._spread([end.episode for end in self._transitions.ends]), dtype=np.int64)

    def _at_ends(self, values: Sequence[bool], *, elsewhere: bool = False) -> NDArray[np.bool_]:
        of = self._transitions
        found = np.full(len(self), elsewhere, dtype=np.bool_)
        found[of.order[of.starts[1:] - 1]] = values
        return found

    def _spread(self, values: Sequence[Any]) -> list[Any]:
        of = self._transitions
        found: list[Any] = [None] * len(self)
        starts = of.starts.tolist()
        order = of.order.tolist()
        for k, value in enumerate(values):
            for index in order[starts[k] : starts[k + 1]]:
                found[index] = value
        return found


@dataclass(frozen=True)
class TrajectoryBatch:
    """B transitions in K trajectories, one trajectory after the other.

    A trajectory is a part of one agent's episode: transitions that followed each other. Trajectory k is
    rows `starts[k]:starts[k + 1]`; none is empty. Transition b saw `observations[b]`, did `actions[b]` and
    earned `rewards[b]`.

    Attributes:
        observations: B elements of the observation space, as in `Batch`.
        actions: B actions, as `sample_actions` returned them.
        rewards: float64 array [B]; all that was paid until the agent's next decision.
        extras: by name, what `sample_actions` said about each decision; arrays [B, ...].
        starts: int64 array [K + 1]; where trajectories begin, and B.
        next_observations: K elements of the observation space: what followed each trajectory's last
            transition, the true final observation where the agent ended. Where nothing followed, some
            element of the space.
        has_next: bool array [K]; whether something followed. Where an agent did not terminate and nothing
            did, its last transition has no known outcome.
        terminated: bool array [K]; whether the agent ended here by the rules of the world.
        truncated: bool array [K]; whether it was cut off here: its future has a value, that of the next
            observation. Never true together with `terminated`. Both false: the episode goes on in a
            later batch.
        agent_ids: the agent of each trajectory; length K.
        env_indices: the index of its copy of the env; length K.
        episodes: the number of its episode in that copy; length K.
    """

    observations: Any
    actions: Any
    rewards: NDArray[np.float64]
    extras: Mapping[str, NDArray[Any]]
    starts: NDArray[np.int64]
    next_observations: Any
    has_next: NDArray[np.bool_]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    agent_ids: Sequence[AgentID]
    env_indices: Sequence[int]
    episodes: Sequence[int]

    def __len__(self) -> int:
        """Return B, the number of transitions."""
        return len(self.rewards)

    @cached_property
    def trajectories(self) -> Sequence[Trajectory]:
        """The K trajectories as lists, made when they are first asked for."""
        rewards, starts = self.rewards.tolist(), self.starts.tolist()
        following = rows_of(self.next_observations)
        terminated, truncated = self.terminated.tolist(), self.truncated.tolist()
        found = []
        for k, has_next in enumerate(self.has_next.tolist()):
            first, end = starts[k], starts[k + 1]
            found.append(
                Trajectory(
                    self.agent_ids[k],
                    self.env_indices[k],
                    self.episodes[k],
                    rows_of(slice_rows(self.observations, first, end)),
                    rows_of(slice_rows(self.actions, first, end)),
                    rewards[first:end],
                    {name: rows_of(values[first:end]) for name, values in self.extras.items()},
                    following[k] if has_next else None,
                    terminated=terminated[k],
                    truncated=truncated[k],
                )
            )
        return tuple(found)
