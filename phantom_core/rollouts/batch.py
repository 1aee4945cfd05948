"""What agents went through: `Batch` as arrays, `Trajectory` as lists, `EpisodeSummary` in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phantom_core.policies.policy import rows_of, slice_rows
from phantom_core.types import Action, AgentID, Observation


@dataclass(slots=True)
class Trajectory:
    """A stretch of one agent's life in one episode: T decisions and what followed from each.

    Decision t saw `observations[t]`, took `actions[t]` and earned `rewards[t]`: all that was paid until
    the agent's next decision. What came after the last decision is `next_observation`.

    Attributes:
        agent_id: whose it is.
        copy: the number of the copy of the env.
        episode: the number of the episode in that copy.
        observations: length T.
        actions: length T.
        rewards: length T.
        extras: by name, what the policy's `sample_actions` said about each decision; length T.
        next_observation: what followed the last decision: the final observation, or the one that the
            agent acts on next. None if there was none; then the last decision has no known outcome.
        is_terminated: whether the agent ended here by the rules of the world: nothing comes after.
        is_truncated: whether it was cut off here from outside: its future has a value, that of
            `next_observation`. Never true together with `is_terminated`. Both false: the episode
            goes on in a later trajectory.
    """

    agent_id: AgentID
    copy: int
    episode: int
    observations: list[Observation] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    extras: dict[str, list[Any]] = field(default_factory=dict)
    next_observation: Observation | None = None
    is_terminated: bool = False
    is_truncated: bool = False

    def __len__(self) -> int:
        """Return T."""
        return len(self.actions)


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """One episode in numbers.

    Attributes:
        copy: the number of the copy of the env.
        episode: the number of the episode in that copy.
        length: its env steps.
        episode_returns: sum of rewards, undiscounted, by id of the agents that took part in it.
        is_terminated: whether it ended by the rules of the world.
        metrics: reduced value by metric name.
    """

    copy: int
    episode: int
    length: int
    episode_returns: Mapping[AgentID, float]
    is_terminated: bool
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class Batch:
    """B decisions in K trajectories, one trajectory after the other.

    A trajectory is a stretch of one agent's life in one episode: decisions that followed each other.
    Trajectory k is rows `starts[k]:starts[k + 1]`; none is empty. Decision b saw `observations[b]`, took
    `actions[b]` and earned `rewards[b]`.

    Arrays are the batch's own: a trainer may keep and change them.

    Attributes:
        observations: B elements of the observation space: an array [B, ...] for Box, Discrete,
            MultiDiscrete and MultiBinary; a dict or tuple of these for Dict and Tuple; else a list.
        actions: B actions, likewise, as `sample_actions` returned them.
        rewards: float64 array [B]; all that was paid until the agent's next decision.
        extras: by name, what `sample_actions` said about each decision; arrays [B, ...].
        starts: int64 array [K + 1]; where trajectories begin, and B.
        next_observations: K elements of the observation space: what followed each trajectory's last
            decision, the true final observation where the agent ended. Zeros where there was none.
        has_next: bool array [K]; whether there was one. Where an agent did not terminate and there
            was none, its last decision has no known outcome.
        is_terminated: bool array [K]; whether the agent ended here by the rules of the world: nothing
            comes after.
        is_truncated: bool array [K]; whether it was cut off from outside: its future has a value, that
            of the next observation. Never true together with `is_terminated`. Both false: the episode
            goes on in a trajectory of a later batch.
        agent_ids: whose each trajectory is; length K.
        copies: the number of its copy of the env; length K.
        episodes: the number of its episode in that copy; length K.
    """

    observations: Any
    actions: Any
    rewards: NDArray[np.float64]
    extras: Mapping[str, NDArray[Any]]
    starts: NDArray[np.int64]
    next_observations: Any
    has_next: NDArray[np.bool_]
    is_terminated: NDArray[np.bool_]
    is_truncated: NDArray[np.bool_]
    agent_ids: Sequence[AgentID]
    copies: Sequence[int]
    episodes: Sequence[int]

    def __len__(self) -> int:
        """Return B, the number of decisions."""
        return len(self.rewards)

    @cached_property
    def trajectories(self) -> Sequence[Trajectory]:
        """The K trajectories as lists, made when they are first asked for."""
        rewards, starts = self.rewards.tolist(), self.starts.tolist()
        following = rows_of(self.next_observations)
        terminated, truncated = self.is_terminated.tolist(), self.is_truncated.tolist()
        found = []
        for k, has_next in enumerate(self.has_next.tolist()):
            first, end = starts[k], starts[k + 1]
            found.append(
                Trajectory(
                    self.agent_ids[k],
                    self.copies[k],
                    self.episodes[k],
                    rows_of(slice_rows(self.observations, first, end)),
                    rows_of(slice_rows(self.actions, first, end)),
                    rewards[first:end],
                    {name: rows_of(values[first:end]) for name, values in self.extras.items()},
                    following[k] if has_next else None,
                    is_terminated=terminated[k],
                    is_truncated=truncated[k],
                )
            )
        return tuple(found)
