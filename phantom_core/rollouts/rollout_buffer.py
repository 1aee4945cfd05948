"""`RolloutBuffer`: the transitions of one policy's agents, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.errors import ConfigError, listing
from phantom_core.policies.batching import join_rows, rows_of, slice_rows, take_rows
from phantom_core.policies.policy_states import decode_states
from phantom_core.rollouts.batch import (
    TRAJECTORY_END,
    Batch,
    Transition,
    Transitions,
    ends_of,
    owners_of,
    steps_of,
)
from phantom_core.rollouts.copy_state import decode_batch, encode_batch
from phantom_core.rollouts.space_batcher import (
    ArrayBatcher,
    NestedBatcher,
    SpaceBatcher,
    filler,
    is_integer_array,
    make_batcher,
)
from phantom_core.rollouts.step_transitions import StepTransitions
from phantom_core.types import AgentID

_ARRAYS = (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)


class End(NamedTuple):
    """Where a trajectory ends in a buffer."""

    last: int  # the index of its last transition
    agent_id: AgentID
    env_index: int
    episode: int
    began: int  # the collector's step before which the episode began


class RolloutBuffer:
    """One transition for each decision, in time order. A row is one agent in one copy of the env.

    Attributes:
        batcher: of the observations.
        action_batcher: of the actions.
        state_batcher: of the global states, if they are kept.
        states: the global state of each copy of the env as it is now; None: they are not kept.
        rewards: what each decision earned so far.
        skipped: the indices of decisions in a step in which their copy was only reset.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        *,
        discrete_as_arrays: bool = False,
    ) -> None:
        """Begin without transitions; tell whether observations of a Discrete space are arrays, not lists."""
        self.batcher = make_batcher(observation_space, is_part=discrete_as_arrays)
        self.state_batcher: SpaceBatcher | None = None
        self.states: list[Any] = []
        self._observations_are_lists = not isinstance(self.batcher, (ArrayBatcher, NestedBatcher))
        self._actions_are_arrays = isinstance(action_space, _ARRAYS)
        self.action_batcher = make_batcher(action_space)
        self.clear()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it."""
        return not self._steps

    @property
    def has_ends(self) -> bool:
        """Whether a trajectory ended in it, so that the outcome of a decision is known."""
        return bool(self._ends)

    def clear(self) -> None:
        """Forget everything."""
        self.rewards: list[float] = []
        self._observations: list[Any] = []  # one by one where a batch is a list, else a batch for each step
        self._actions: list[Any] = []  # likewise, where actions are arrays
        self._extras: dict[str, list[Any]] = {}
        self._global_states: list[Any] = []  # one for each decision
        self._policy_states: list[Any] = []  # a batch for each step
        self._runs: list[list[Any]] = []  # numbers of the rows that decided, and in how many steps
        self._steps: list[int] = []  # the collector's steps in which they did
        self._numbers: NDArray[np.int64] | None = None
        self._following: list[Any] = []
        self._following_states: list[Any] = []
        self._num_following = 0
        self._ends: list[tuple[Any, ...]] = []
        self.skipped: list[int] = []

    def add_decisions(
        self,
        step: int,
        numbers: NDArray[np.int64],
        observations: Any,
        actions: Any,
        extras: Mapping[str, Any],
        policy_states: Any = None,
    ) -> None:
        """Add what rows saw and decided in a step; their rewards are added after it.

        `numbers` is the same array in the next step if the rows are the same; arrays of observations and of
        the policy's states are not changed any more.
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
        elif type(actions) is list:
            self._actions += actions
        else:
            self._actions.extend(rows_of(actions) if is_integer_array(actions) else actions)
        for name, values in extras.items() if extras else ():
            found = np.array(values)
            if found.shape[:1] != numbers.shape:
                raise ConfigError(
                    f"sample_actions() returned the extra {name!r} of shape {found.shape} for "
                    f"{len(numbers)} observations. Return one value for each."
                )
            self._extras[name].append(found)
        if policy_states is not None:
            self._policy_states.append(policy_states)
        self._steps.append(step)
        if numbers is self._numbers:
            self._runs[-1][1] += 1
        else:
            self._numbers = numbers
            self._runs.append([numbers, 1])

    def add_rewards(self, rewards: Sequence[float] | NDArray[np.float64]) -> None:
        """Add what the decisions that were just added earned."""
        self.rewards += rewards.tolist() if isinstance(rewards, np.ndarray) else rewards

    def add_states(self, env_indices: Sequence[int]) -> None:
        """Add the global states in which the decisions that were just added were made."""
        self._global_states += [self.states[index] for index in env_indices]

    def end(
        self,
        ends: Sequence[End],
        following: Any,
        *,
        terminated: bool = False,
        truncated: bool = False,
    ) -> None:
        """End trajectories; `following` is a batch of what was observed then, one for each; None: nothing."""
        first = -1
        if following is not None:
            first = self._num_following
            self._following.append(following)
            self._num_following += len(ends)
            if self.state_batcher is not None:
                self._following_states += [self.states[end.env_index] for end in ends]
        self._ends.append((ends, first, terminated, truncated))

    def take(
        self, going_on: Mapping[End, int], episodes: Mapping[int, range] | None = None
    ) -> tuple[Batch, list[int]]:
        """Hand over transitions; those that stay become indices 0, 1, ..., in the same order.

        Return with them the new index of the last decision of each trajectory that goes on; -1: it is gone.

        Args:
            going_on: the trajectories that have not ended, each with its last decision and with the number
                of its row.
            episodes: by copy, the episodes whose transitions are handed over. Those of earlier ones are
                dropped, those of later ones stay. None: all are handed over whose outcome is known: just
                the last decision of trajectories that go on stays.
        """
        if episodes is None and not going_on and not self.skipped:
            return self._handed_over(), []
        columns = self._joined()
        if going_on and episodes is None:
            self._end_before(going_on, columns["observations"])
        owners, steps, ends = owners_of(self._runs), steps_of(self._runs, self._steps), ends_of(self._ends)
        is_kept = np.zeros(len(owners), dtype=np.bool_)
        is_over = np.zeros(len(owners), dtype=np.bool_)
        is_over[self.skipped] = True
        if episodes is None:
            is_kept[[end.last for end in going_on]] = True
        else:
            self._sort_by_episode(owners, ends, going_on, episodes, is_kept, is_over)
        if not is_kept.any() and not is_over.any():
            return self._handed_over(), [-1] * len(going_on)
        following = self._what_followed()
        taken, kept = np.flatnonzero(~(is_kept | is_over)), np.flatnonzero(is_kept)
        handed = ends[np.isin(ends["last"], taken)]
        handed["last"] = np.searchsorted(taken, handed["last"])
        own, runs = take_rows(columns, taken), [[owners[taken], 1]]
        batch = Batch(len(taken), lambda: own, runs, steps[taken], lambda: handed, following)
        staying = ends[np.isin(ends["last"], kept)]
        staying["last"] = np.searchsorted(kept, staying["last"])
        seen = {
            name: rows_of(take_rows(batcher.joined(batches), staying["following"][staying["following"] >= 0]))
            for name, (batcher, batches) in following.items()
            if len(staying)
        }
        self.clear()
        self._put(take_rows(columns, kept), owners[kept], steps[kept])
        self._put_ends(staying, seen)
        indices = [int(np.searchsorted(kept, end.last)) if is_kept[end.last] else -1 for end in going_on]
        return batch, indices

    def take_step(self) -> Transitions:
        """Hand over everything, if it is one transition of each trajectory, as `take` does but faster."""
        observations, actions, following = self._observations, self._actions, self._following
        if not self._observations_are_lists:
            observations = rows_of(join_rows(observations))
        if self._actions_are_arrays:
            actions = rows_of(join_rows(actions))
        if following:
            following = rows_of(join_rows(following))
        extras = {name: rows_of(np.concatenate(values)) for name, values in self._extras.items()}
        widths = (len(numbers) for numbers, times in self._runs for _ in range(times))
        steps = [step for step, width in zip(self._steps, widths, strict=True) for _ in range(width)]
        states, next_states = self._global_states, self._following_states
        rows: list[Any] = [None] * len(self.rewards)
        for group, first, terminated, truncated in self._ends:
            for n, (last, agent_id, env_index, episode, began) in enumerate(group):
                place = first + n if first >= 0 else -1
                rows[last] = Transition(
                    observations[last],
                    actions[last],
                    self.rewards[last],
                    following[place] if place >= 0 else filler(self.batcher.space),
                    place >= 0,
                    terminated,
                    truncated,
                    agent_id,
                    env_index,
                    episode,
                    steps[last] - began,
                    {name: extras[name][last] for name in extras},
                )
                if states and self.state_batcher is not None:
                    after = next_states[place] if place >= 0 else filler(self.state_batcher.space)
                    rows[last] = rows[last]._replace(state=states[last], next_state=after)
        self.clear()
        return StepTransitions(rows, self)

    def _handed_over(self) -> Batch:
        """Hand over everything."""
        whole = object.__new__(RolloutBuffer)  # a copy that keeps the lists, which `clear` replaces here
        whole.__dict__ = self.__dict__.copy()
        self.clear()
        return Batch(
            len(whole.rewards),
            whole._joined,
            whole._runs,
            whole._steps,
            lambda: ends_of(whole._ends),
            whole._what_followed(),
        )

    def _what_followed(self) -> dict[str, tuple[SpaceBatcher, Sequence[Any]]]:
        """Return batches of what followed the ends, by name."""
        following: dict[str, tuple[SpaceBatcher, Sequence[Any]]] = {
            "observations": (self.batcher, self._following)
        }
        if self.state_batcher is not None:
            states = self.state_batcher.batch(self._following_states)
            following["states"] = (self.state_batcher, [states])
        return following

    def _sort_by_episode(
        self,
        owners: NDArray[np.int64],
        ends: NDArray[Any],
        going_on: Mapping[End, int],
        episodes: Mapping[int, range],
        is_kept: NDArray[np.bool_],
        is_over: NDArray[np.bool_],
    ) -> None:
        """Mark the transitions of later episodes as kept, and those of earlier ones as over."""
        order = np.argsort(owners, kind="stable")
        order = order[~is_over[order]]
        place = np.empty(len(owners), dtype=np.int64)
        place[order] = np.arange(len(order))
        where = [(int(end["last"]), int(end["env_index"]), int(end["episode"])) for end in ends]
        where += [(end.last, end.env_index, end.episode) for end in going_on]
        first = 0
        for last, env_index, episode in sorted(where, key=lambda found: place[found[0]]):
            own = order[first : place[last] + 1]
            first = place[last] + 1
            is_kept[own] = episode >= episodes[env_index].stop
            is_over[own] = episode < episodes[env_index].start

    def _joined(self) -> dict[str, Any]:
        """Return everything about decisions by name, each as one batch."""
        observations, actions = self._observations, self._actions
        if self._observations_are_lists and observations:
            observations = [observations]
        if not self._actions_are_arrays and actions:
            actions = [self.action_batcher.batch(actions)]
        found = {
            "observations": self.batcher.joined(observations),
            "actions": self.action_batcher.joined(actions),
            "rewards": np.array(self.rewards, np.float64),
            "extras": {name: np.concatenate(values) for name, values in self._extras.items()},
        }
        if self.state_batcher is not None:
            states = self.state_batcher.batch(self._global_states)
            found["states"] = self.state_batcher.joined([states])
        if self._policy_states:
            found["policy_states"] = join_rows(self._policy_states)
        return found

    def _put(self, columns: Mapping[str, Any], owners: NDArray[np.int64], steps: NDArray[np.int64]) -> None:
        """Add decisions in time order, with what they earned."""
        borders = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(steps)]
        for first, end in pairwise(borders if len(steps) else ()):
            part = slice_rows(columns, first, end)
            seen = self.batcher.batch(rows_of(part["observations"]))
            actions = part["actions"] if self._actions_are_arrays else rows_of(part["actions"])
            memory = part.get("policy_states")
            self.add_decisions(int(steps[first]), owners[first:end], seen, actions, part["extras"], memory)
            self._global_states += rows_of(part["states"]) if "states" in part else []
        self.rewards += columns["rewards"].tolist()

    def _put_ends(self, ends: NDArray[Any], seen: Mapping[str, list[Any]]) -> None:
        """Add ends of trajectories, and what followed them in the same order where something did."""
        followed = iter(seen.get("observations", ()))
        for *end, following, terminated, truncated in ends.tolist():
            seen_then = self.batcher.checked([next(followed)]) if following >= 0 else None
            self.end([End(*end)], seen_then, terminated=terminated, truncated=truncated)
        self._following_states = seen.get("states", [])

    def _end_before(self, going_on: Mapping[End, int], observations: Any) -> None:
        """End the trajectories that a pending decision goes on: its observation followed them."""
        owners = owners_of(self._runs)
        order = np.argsort(owners, kind="stable")
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        ended = {end[0] for ends, *_ in self._ends for end in ends}.union(self.skipped)
        for end, number in going_on.items():
            before = int(order[place[end.last] - 1]) if place[end.last] else -1
            if before >= 0 and owners[before] == number and before not in ended:
                following = rows_of(take_rows(observations, np.array([end.last])))
                self.end([end._replace(last=before)], self.batcher.checked(following))
                self._following_states[-1:] = self._global_states[end.last : end.last + 1]

    def postpone(self, numbers: Collection[int], env_index: int, began: int, steps: int) -> None:
        """The copy of these rows stood still for so many steps: shift the episode that `began` then."""
        owners, found = owners_of(self._runs), steps_of(self._runs, self._steps)
        found[np.isin(owners, np.array([*numbers], np.int64)) & (found >= began)] += steps
        shifted = {(env_index, began): began + steps}
        self._ends = [
            ([end._replace(began=shifted.get((end.env_index, end.began), end.began)) for end in ends], *rest)
            for ends, *rest in self._ends
        ]
        self._runs = [[owners[n : n + 1], 1] for n in range(len(owners))]
        self._steps, self._numbers = found.tolist(), None

    def state_dict(self, now: int) -> dict[str, Any]:
        """Return what is in it; steps are counted from `now`, the collector's number of steps."""
        ends, following = ends_of(self._ends), self.batcher.joined(self._following)
        names = ("last", "env_index", "episode", "began", "following", "terminated", "truncated")
        found = {
            "columns": encode_batch(self._joined()),
            "owners": owners_of(self._runs),
            "steps": steps_of(self._runs, self._steps) - now,
            "ends": {name: ends[name] - (now if name == "began" else 0) for name in names},
            "agents": list(map(repr, ends["agent_id"])),
            "following": encode_batch(take_rows(following, ends["following"][ends["following"] >= 0])),
        }
        if self.state_batcher is not None:
            found["following_states"] = encode_batch(self.state_batcher.batch(self._following_states))
        return found

    def load_state_dict(
        self, state: Mapping[str, Any], now: int, agent_ids: Mapping[str, AgentID], policy_state: Any = None
    ) -> None:
        """Take over what `state_dict` returned.

        `agent_ids` tells those of agents by their `repr`, `policy_state` how states of the policy are nested.
        """
        self.clear()
        saved = dict(state["columns"])
        spaces = {"observations": self.batcher.space, "actions": self.action_batcher.space}
        if self.state_batcher is not None:
            spaces["states"] = self.state_batcher.space
        columns = saved | {name: decode_batch(space, saved[name]) for name, space in spaces.items()}
        if "policy_states" in saved:
            columns["policy_states"] = decode_states(policy_state, saved["policy_states"])
        self._put(columns, state["owners"], state["steps"] + now)
        ends = np.zeros(len(state["agents"]), dtype=TRAJECTORY_END)
        for name, values in state["ends"].items():
            ends[name] = values
        ends["began"] += now
        ends["agent_id"] = [agent_ids.get(name, name) for name in state["agents"]]
        seen = {"observations": rows_of(decode_batch(self.batcher.space, state["following"]))}
        if self.state_batcher is not None:
            seen["states"] = rows_of(decode_batch(self.state_batcher.space, state["following_states"]))
        self._put_ends(ends, seen)
