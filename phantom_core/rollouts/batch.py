"""`Batch`: what one policy's agents went through since its trainer was last asked, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.policies.policy import join_rows, num_rows, rows_of, slice_rows, take_rows
from phantom_core.rollouts.space_batcher import SpaceBatcher, filler, make_batcher
from phantom_core.types import Action, AgentID, Observation


@dataclass(slots=True)
class Trajectory:
    """A part of one agent's episode: T decisions and what followed from each.

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


TRAJECTORY_END: Final = np.dtype(
    [
        ("last", np.int64),  # the index of its last transition
        ("agent_id", np.object_),
        ("env_index", np.int64),
        ("episode", np.int64),
        ("following", np.int64),  # the place of what followed, among all that followed; -1: nothing did
        ("terminated", np.bool_),
        ("truncated", np.bool_),
    ]
)
"""The end of a trajectory in a rollout buffer."""


def owners_of(runs: Sequence[Sequence[Any]]) -> NDArray[np.int64]:
    """Return the row's number of each transition, from the rows that decided and in how many steps."""
    if not runs:
        return np.zeros(0, dtype=np.int64)
    return np.concatenate([numbers if steps == 1 else np.tile(numbers, steps) for numbers, steps in runs])


@dataclass(eq=False)
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
    _runs: Sequence[Sequence[Any]] = field(repr=False)  # numbers of the rows that decided, and how often
    _taken: NDArray[np.int64] | None = field(repr=False)  # the transitions, of all in the runs; None: all
    _end_groups: Sequence[tuple[Any, ...]] = field(repr=False)  # of the trajectories, as `_ends` reads them
    _batcher: SpaceBatcher = field(repr=False)  # of the observations
    _following: Sequence[Any] = field(repr=False)  # batches of what followed the ends

    @classmethod
    def of(cls, by_trajectory: TrajectoryBatch, observation_space: gym.Space[Any]) -> Batch:
        """Return a batch of transitions that are sorted by trajectory, in their order: to test a trainer."""
        of, lengths = by_trajectory, np.diff(by_trajectory.starts)
        following = np.where(of.has_next, np.arange(len(lengths)), -1)
        ends = zip(of.starts[1:] - 1, of.agent_ids, of.env_indices, of.episodes, strict=True)
        groups = [
            ([end], *how) for end, *how in zip(ends, following, of.terminated, of.truncated, strict=True)
        ]
        runs = [[np.repeat(np.arange(len(lengths)), lengths.astype(np.int64)), 1]]
        own = of.observations, of.actions, of.rewards, of.extras
        return cls(*own, runs, None, groups, make_batcher(observation_space), [of.next_observations])

    def __len__(self) -> int:
        """Return B, the number of transitions."""
        return len(self.rewards)

    @cached_property
    def by_trajectory(self) -> TrajectoryBatch:
        """The same transitions, one trajectory after the other, for returns and advantages."""
        order, ends = self._order, self._ends
        return TrajectoryBatch(
            take_rows(self.observations, order),
            take_rows(self.actions, order),
            self.rewards[order],
            {name: values[order] for name, values in self.extras.items()},
            np.append(0, ends["last"] + 1),
            self._followed,
            ends["following"] >= 0,
            ends["terminated"].copy(),
            ends["truncated"].copy(),
            *(ends[name].tolist() for name in ("agent_id", "env_index", "episode")),
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
        order, size = self._order, len(self)
        following = np.empty(size, dtype=np.int64)
        following[order[:-1]] = order[1:]
        following[order[self._ends["last"]]] = size + np.arange(len(self._ends))
        return take_rows(join_rows([self.observations, self._followed]), following)

    @cached_property
    def has_next(self) -> NDArray[np.bool_]:
        """Bool array [B]: whether an observation followed. It may be missing where an agent ended."""
        return self._at_ends(self._ends["following"] >= 0, elsewhere=True)

    @cached_property
    def terminated(self) -> NDArray[np.bool_]:
        """Bool array [B]: whether the agent ended with this transition by the rules of the world."""
        return self._at_ends(self._ends["terminated"])

    @cached_property
    def truncated(self) -> NDArray[np.bool_]:
        """Bool array [B]: whether the agent was cut off with this transition: its future has a value."""
        return self._at_ends(self._ends["truncated"])

    @cached_property
    def agent_ids(self) -> Sequence[AgentID]:
        """The agent of each transition; length B."""
        found: list[AgentID] = self._of_trajectory("agent_id").tolist()
        return found

    @cached_property
    def env_indices(self) -> NDArray[np.int64]:
        """Int64 array [B]: the index of the copy of the env."""
        return self._of_trajectory("env_index")

    @cached_property
    def episodes(self) -> NDArray[np.int64]:
        """Int64 array [B]: the number of the episode in that copy."""
        return self._of_trajectory("episode")

    def _at_ends(self, values: NDArray[np.bool_], *, elsewhere: bool = False) -> NDArray[np.bool_]:
        found = np.full(len(self), elsewhere, dtype=np.bool_)
        found[self._order[self._ends["last"]]] = values
        return found

    def _of_trajectory(self, name: str) -> NDArray[Any]:
        """Return what the end of each transition's trajectory says."""
        values = self._ends[name]
        found = np.empty(len(self), dtype=values.dtype)
        found[self._order] = np.repeat(values, np.diff(self._ends["last"], prepend=-1))
        return found

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """The transitions, one trajectory after the other: by row, and in time order."""
        if len(self._runs) == 1 and self._taken is None:
            numbers, steps = self._runs[0]
            in_time = np.arange(len(self)).reshape(steps, len(numbers))
            return in_time.T[np.argsort(numbers, kind="stable")].ravel()
        owners = owners_of(self._runs)
        return np.argsort(owners if self._taken is None else owners[self._taken], kind="stable")

    @cached_property
    def _ends(self) -> NDArray[Any]:
        """The end of each trajectory in that order, where `last` is the place in that order too."""
        found = [
            (*end, first + n if first >= 0 else -1, terminated, truncated)
            for group, first, terminated, truncated in self._end_groups
            for n, end in enumerate(group)
        ]
        ends = np.array(found, dtype=TRAJECTORY_END)
        last = ends["last"] if self._taken is None else np.searchsorted(self._taken, ends["last"])
        places = np.empty(len(self), dtype=np.int64)
        places[self._order] = np.arange(len(self))
        ends["last"] = places[last]
        return ends[np.argsort(ends["last"])]

    @cached_property
    def _followed(self) -> Any:
        """What followed each trajectory's last transition; where nothing did, an element of the space."""
        places, following = self._ends["following"].copy(), [*self._following]
        if (places < 0).any():
            places[places < 0] = sum(map(num_rows, following))
            following.append(self._batcher.batch([filler(self._batcher.space)]))
        return take_rows(self._batcher.joined(following), places)


@dataclass(eq=False)
class TrajectoryBatch:
    """B transitions in K trajectories, one trajectory after the other.

    A trajectory is a part of one agent's episode: transitions that followed each other. Trajectory k is
    rows `starts[k]:starts[k + 1]`; none is empty.

    Attributes:
        observations: B elements of the observation space, as in `Batch`.
        actions: B actions, as in `Batch`.
        rewards: float64 array [B], as in `Batch`.
        extras: by name, arrays [B, ...], as in `Batch`.
        starts: int64 array [K + 1]; where trajectories begin, and B.
        next_observations: K elements of the observation space: what followed each trajectory's last
            transition, the true final observation where the agent ended. Where nothing followed, some
            element of the space.
        has_next: bool array [K]; whether something followed. Where an agent did not terminate and nothing
            did, its last transition has no known outcome.
        terminated: bool array [K]; whether the agent ended here by the rules of the world.
        truncated: bool array [K]; whether it was cut off here: its future has a value, that of the next
            observation. Never true together with `terminated`. Both false: it goes on in a later batch.
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
        rewards, following = self.rewards.tolist(), rows_of(self.next_observations)
        found = []
        for k, (first, end) in enumerate(pairwise(self.starts.tolist())):
            found.append(
                Trajectory(
                    self.agent_ids[k],
                    self.env_indices[k],
                    self.episodes[k],
                    rows_of(slice_rows(self.observations, first, end)),
                    rows_of(slice_rows(self.actions, first, end)),
                    rewards[first:end],
                    {name: rows_of(values[first:end]) for name, values in self.extras.items()},
                    following[k] if self.has_next[k] else None,
                    bool(self.terminated[k]),
                    bool(self.truncated[k]),
                )
            )
        return tuple(found)
