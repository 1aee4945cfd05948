"""`Batch`: what one policy's agents went through since its trainer was last asked, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeAlias, overload

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.errors import ConfigError
from phantom_core.policies.batching import join_rows, num_rows, rows_of, slice_rows, take_rows
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
        steps: how many env steps of the episode were made before each decision; length T.
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
    steps: list[int] = field(default_factory=list)

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


class Transition(NamedTuple):
    """One transition, as plain values: what iterating over `Transitions` yields.

    Attributes:
        observation: what the agent saw: an int for a Discrete space, an array for Box.
        action: what it did, likewise.
        reward: all that was paid until the agent's next decision.
        next_observation: what it then saw; where nothing followed, some element of the space.
        has_next: whether an observation followed.
        terminated: whether the agent ended with this transition by the rules of the world.
        truncated: whether it was cut off with this transition: its future has a value.
        agent_id: whose it is.
        env_index: the index of the copy of the env.
        episode: the number of the episode in that copy.
        step: how many env steps of that episode were made before the decision.
        extras: by name, what `sample_actions` said about the decision.
        state: the global state when the decision was made; None unless the plan needs `"state"`.
        next_state: the global state when what followed was observed.
    """

    observation: Any
    action: Any
    reward: float
    next_observation: Any
    has_next: bool
    terminated: bool
    truncated: bool
    agent_id: AgentID
    env_index: int
    episode: int
    step: int
    extras: Mapping[str, Any]
    state: Any = None
    next_state: Any = None


Outcome: TypeAlias = tuple[Any, Any, float, Any, bool, bool]
"""What a `Transition` begins with: observation, action, reward, next_observation, has_next, terminated."""


@dataclass(eq=False, slots=True)
class Transitions:
    """B transitions in time order: all that happened in a step, of all agents, then the next step.

    Iterating over them yields each as a `Transition` of plain values, `outcomes` just what was seen, done and
    earned, which is faster.

    In transition b an agent saw `observations[b]`, did `actions[b]`, earned `rewards[b]` and then saw
    `next_observations[b]`. Arrays belong to whoever gets them: keep or change them.

    Attributes:
        observations: B elements of the observation space: an array [B, ...] for Box, Discrete,
            MultiDiscrete and MultiBinary; a dict or tuple of these for Dict and Tuple; else a list.
        actions: B actions, likewise, as `sample_actions` returned them.
        rewards: float64 array [B]; all that was paid until the agent's next decision.
        next_observations: B elements of the observation space: the agent's next observation that it acted
            on, or the true final observation where it ended. Where nothing followed, some element.
        has_next: bool array [B]; whether an observation followed. It may be missing where an agent ended.
        terminated: bool array [B]; whether the agent ended with this transition by the rules of the world.
        truncated: bool array [B]; whether it was cut off with this transition: its future has a value.
        extras: by name, what `sample_actions` said about each decision; arrays [B, ...].
        agent_ids: the agent of each transition; length B.
        env_indices: int64 array [B]; the index of the copy of the env.
        episodes: int64 array [B]; the number of the episode in that copy.
        steps: int64 array [B]; how many env steps of that episode were made before the decision.
        states: B elements of the env's `state_space`, when each decision was made; None unless the plan
            needs `"state"`.
        next_states: B elements of it, when what followed was observed, as `next_observations`.
    """

    observations: Any
    actions: Any
    rewards: NDArray[np.float64]
    next_observations: Any
    has_next: NDArray[np.bool_]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    extras: Mapping[str, NDArray[Any]]
    agent_ids: Sequence[AgentID]
    env_indices: NDArray[np.int64]
    episodes: NDArray[np.int64]
    steps: NDArray[np.int64]
    states: Any = None
    next_states: Any = None

    def __len__(self) -> int:
        """Return B."""
        return len(self.rewards)

    def __iter__(self) -> Iterator[Transition]:
        """Yield each transition."""
        columns = (
            *self._outcome_columns(),
            self.truncated,
            self.agent_ids,
            self.env_indices,
            self.episodes,
            self.steps,
        )
        nothing = [None] * len(self)
        extras = [dict(zip(self.extras, row, strict=True)) for row in zip(*self.extras.values(), strict=True)]
        states = (nothing, nothing) if self.states is None else (self.states, self.next_states)
        rest = (extras or [{}] * len(self), *states)
        return map(Transition, *map(rows_of, columns), *map(rows_of, rest))

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what one-step learning needs of each transition, as plain values.

        for observation, action, reward, next_observation, has_next, terminated in rows.outcomes():
        """
        return zip(*map(rows_of, self._outcome_columns()), strict=True)

    def _outcome_columns(self) -> tuple[Any, ...]:
        return (
            self.observations,
            self.actions,
            self.rewards,
            self.next_observations,
            self.has_next,
            self.terminated,
        )


@dataclass(eq=False)
class Trajectories(Sequence[Trajectory]):
    """K trajectories, as arrays of their B transitions, one trajectory after the other.

    A trajectory is a part of one agent's episode: transitions that followed each other. Trajectory k is
    rows `starts[k]:starts[k + 1]`; none is empty. As a sequence it has K `Trajectory` objects, of lists.

    Attributes:
        observations: B elements of the observation space, as in `Transitions`.
        actions: B actions, as in `Transitions`.
        rewards: float64 array [B], as in `Transitions`.
        extras: by name, arrays [B, ...], as in `Transitions`.
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
        steps: int64 array [B], as in `Transitions`.
        states: B elements of the env's `state_space`, as in `Transitions`; None unless the plan needs them.
        next_states: K elements of it: those that go with `next_observations`.
        initial_states: the state of a `RecurrentPolicy` before the first decision of each trajectory: arrays
            [K, ...], nested as `initial_state` nests them. None for any other policy.
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
    steps: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    states: Any = None
    next_states: Any = None
    initial_states: Any = None

    def __post_init__(self) -> None:
        """Count the steps of each trajectory from 0, if none are given."""
        if not len(self.steps) and len(self.rewards):
            self.steps = np.arange(len(self.rewards)) - np.repeat(
                self.starts[:-1], np.diff(self.starts).astype(np.int64)
            )

    def __len__(self) -> int:
        """Return K, the number of trajectories."""
        return len(self.agent_ids)

    @overload
    def __getitem__(self, index: int) -> Trajectory: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Trajectory]: ...
    def __getitem__(self, index: int | slice) -> Trajectory | Sequence[Trajectory]:
        """Return a trajectory, or some of them, as lists."""
        return self._as_lists[index]

    def __iter__(self) -> Iterator[Trajectory]:
        """Yield each trajectory as lists."""
        return iter(self._as_lists)

    @cached_property
    def _as_lists(self) -> Sequence[Trajectory]:
        rewards, steps, following = (
            self.rewards.tolist(),
            self.steps.tolist(),
            rows_of(self.next_observations),
        )
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
                    steps[first:end],
                )
            )
        return tuple(found)


TRAJECTORY_END: Final = np.dtype(
    [
        ("last", np.int64),  # the index of its last transition
        ("agent_id", np.object_),
        ("env_index", np.int64),
        ("episode", np.int64),
        ("began", np.int64),  # the step of the collector before which the episode began
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


def steps_of(runs: Sequence[Sequence[Any]], steps: Sequence[int]) -> NDArray[np.int64]:
    """Return the collector's step of each transition, from the same and the steps of those decisions."""
    widths = [len(numbers) for numbers, times in runs for _ in range(times)]
    return np.repeat(np.asarray(steps, np.int64), np.asarray(widths, np.int64))


def ends_of(groups: Sequence[tuple[Any, ...]]) -> NDArray[Any]:
    """Return the ends of trajectories from groups (ends, first that followed, terminated, truncated)."""
    found = [
        (*end, first + n if first >= 0 else -1, terminated, truncated)
        for group, first, terminated, truncated in groups
        for n, end in enumerate(group)
    ]
    return np.array(found, dtype=TRAJECTORY_END)


class Batch:
    """B transitions, in time order or one trajectory after the other.

    Both views are made when they are first asked for; they share no memory.
    """

    def __init__(
        self,
        size: int,
        columns: Callable[[], Mapping[str, Any]],
        runs: Sequence[Sequence[Any]],
        steps: Sequence[int] | NDArray[np.int64],
        ends: Callable[[], NDArray[Any]],
        following: Mapping[str, tuple[SpaceBatcher, Sequence[Any]]],
    ) -> None:
        """Made by a rollout buffer.

        Args:
            size: B.
            columns: returns B rows of everything, by name.
            runs: the rows that decided, and in how many steps.
            steps: the collector's steps in which they did, one for each step or for each transition.
            ends: returns the ends of trajectories.
            following: batches of what followed the ends, by name.
        """
        self._size, self._make_columns, self._make_ends = size, columns, ends
        self._runs, self._steps, self._following = runs, steps, following

    @classmethod
    def of(
        cls,
        trajectories: Trajectories,
        observation_space: gym.Space[Any],
        state_space: gym.Space[Any] | None = None,
    ) -> Batch:
        """Return a batch of these trajectories, to test a trainer; time goes through one after the other.

        `state_space` is that of the env, if the trajectories have states. Raises `ConfigError` if lengths do
        not fit.
        """
        of, lengths = trajectories, np.diff(trajectories.starts).astype(np.int64)
        for size, names in (
            (of.starts[-1], ("observations", "actions", "rewards", "steps")),
            (len(lengths), ("next_observations", "has_next", "terminated", "truncated", "agent_ids")),
        ):
            for name in names:
                if num_rows(getattr(of, name)) != size:
                    raise ConfigError(
                        f"Trajectories have starts={of.starts.tolist()}, but {num_rows(getattr(of, name))} "
                        f"{name}. Expected {size}."
                    )
        columns = {"observations": of.observations, "actions": of.actions, "rewards": of.rewards}
        columns |= {"extras": of.extras} | ({} if state_space is None else {"states": of.states})
        ends = np.zeros(len(of), dtype=TRAJECTORY_END)
        ends["last"], ends["agent_id"] = of.starts[1:] - 1, of.agent_ids
        ends["env_index"], ends["episode"] = of.env_indices, of.episodes
        ends["following"] = np.where(of.has_next, np.arange(len(of)), -1)
        ends["terminated"], ends["truncated"] = of.terminated, of.truncated
        following = {"observations": (make_batcher(observation_space), [of.next_observations])}
        if state_space is not None:
            following["states"] = (make_batcher(state_space), [of.next_states])
        runs = [[np.repeat(np.arange(len(of)), lengths), 1]]
        batch = cls(len(of.rewards), lambda: columns, runs, of.steps, lambda: ends, following)
        batch.trajectories = trajectories
        return batch

    def __len__(self) -> int:
        """Return B, the number of transitions."""
        return self._size

    @cached_property
    def transitions(self) -> Transitions:
        """The transitions in time order."""
        order, ends, size = self._order, self._ends, len(self)
        last, lengths = order[ends["last"]], np.diff(ends["last"], prepend=-1)
        following = np.empty(size, dtype=np.int64)
        following[order[:-1]] = order[1:]
        following[last] = size + np.arange(len(ends))

        def nexts(name: str) -> Any:
            return take_rows(join_rows([self._columns[name], self._followed(name)]), following)

        def at_ends(values: NDArray[np.bool_], elsewhere: bool) -> NDArray[np.bool_]:  # noqa: FBT001
            found = np.full(size, elsewhere, dtype=np.bool_)
            found[last] = values
            return found

        def spread(name: str) -> NDArray[Any]:
            values = ends[name]
            found = np.empty(size, dtype=values.dtype)
            found[order] = np.repeat(values, lengths)
            return found

        columns = self._columns
        return Transitions(
            take_rows(columns["observations"], np.arange(size)),
            take_rows(columns["actions"], np.arange(size)),
            columns["rewards"].copy(),
            nexts("observations"),
            at_ends(ends["following"] >= 0, elsewhere=True),
            at_ends(ends["terminated"], elsewhere=False),
            at_ends(ends["truncated"], elsewhere=False),
            take_rows(columns["extras"], np.arange(size)),
            spread("agent_id").tolist(),
            spread("env_index"),
            spread("episode"),
            self._global_steps - spread("began"),
            take_rows(columns["states"], np.arange(size)) if "states" in columns else None,
            nexts("states") if "states" in columns else None,
        )

    @cached_property
    def trajectories(self) -> Trajectories:
        """The transitions one trajectory after the other, for returns and advantages."""
        order, ends = self._order, self._ends
        columns = take_rows(self._columns, order)
        starts = np.append(0, ends["last"] + 1)
        began = np.repeat(ends["began"], np.diff(starts))
        has_states, is_recurrent = "states" in columns, "policy_states" in columns
        return Trajectories(
            columns["observations"],
            columns["actions"],
            columns["rewards"],
            columns["extras"],
            starts,
            self._followed("observations"),
            ends["following"] >= 0,
            ends["terminated"].copy(),
            ends["truncated"].copy(),
            ends["agent_id"].tolist(),
            ends["env_index"].tolist(),
            ends["episode"].tolist(),
            self._global_steps[order] - began,
            columns["states"] if has_states else None,
            self._followed("states") if has_states else None,
            take_rows(columns["policy_states"], starts[:-1]) if is_recurrent else None,
        )

    @property
    def initial_states(self) -> Any:
        """The state of a `RecurrentPolicy` before the first decision of each trajectory, or None."""
        return self.trajectories.initial_states

    @cached_property
    def _columns(self) -> Mapping[str, Any]:
        return self._make_columns()

    @cached_property
    def _global_steps(self) -> NDArray[np.int64]:
        """The collector's step of each transition."""
        return self._steps if isinstance(self._steps, np.ndarray) else steps_of(self._runs, self._steps)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """The transitions, one trajectory after the other: by row, and in time order."""
        if len(self._runs) == 1:
            numbers, steps = self._runs[0]
            in_time = np.arange(len(self)).reshape(steps, len(numbers))
            return in_time.T[np.argsort(numbers, kind="stable")].ravel()
        return np.argsort(owners_of(self._runs), kind="stable")

    @cached_property
    def _ends(self) -> NDArray[Any]:
        """The end of each trajectory in that order, where `last` is the place in that order too."""
        ends = self._make_ends().copy()
        places = np.empty(len(self), dtype=np.int64)
        places[self._order] = np.arange(len(self))
        ends["last"] = places[ends["last"]]
        return ends[np.argsort(ends["last"])]

    def _followed(self, name: str) -> Any:
        """Return what followed each trajectory's last transition; where nothing did, some element."""
        batcher, batches = self._following[name]
        places, following = self._ends["following"].copy(), [*batches]
        if (places < 0).any():
            places[places < 0] = sum(map(num_rows, following))
            following.append(batcher.batch([filler(batcher.space)]))
        return take_rows(batcher.joined(following), places)
