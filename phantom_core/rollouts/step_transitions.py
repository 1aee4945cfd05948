"""`StepTransitions`: what an online learner gets in each env step, without arrays where nobody wants any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from operator import itemgetter
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phantom_core.policies.batching import rows_of
from phantom_core.rollouts.batch import Outcome, Transition, Transitions
from phantom_core.rollouts.space_batcher import SpaceBatcher, is_integer_array
from phantom_core.types import AgentID

Owner: TypeAlias = tuple[AgentID, int, int, int]
"""Whose decision it is: agent, index of the copy, episode, the collector's step before which that began."""

_MANY: Final = 64
"""So many rows are arrays at once; fewer are faster as plain values."""
_YES, _NO = map(repeat, (True, False))
_new: Final = tuple.__new__  # of a Transition: half the time of Transition(...)
_outcome: Final = itemgetter(slice(6))  # of a Transition


class Owners:
    """Whose decisions those of some rows are, which stays the same while nobody ends.

    Attributes:
        rows: of each row.
        agent_ids: the agent of each row.
    """

    def __init__(self, rows: Sequence[Owner]) -> None:
        self.rows = rows
        self.agent_ids = [agent_id for agent_id, _, _, _ in rows]

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """The copy, the episode and the step before which it began of each row: [3, B], read-only."""
        return _read_only(np.array([numbers for _, *numbers in self.rows], np.int64).T.copy())

    @cached_property
    def going_on(self) -> tuple[NDArray[np.bool_], ...]:
        """Flags of rows that all go on: something follows, terminated, truncated: each [B], read-only."""
        no = _read_only(np.zeros(len(self.rows), np.bool_))
        return _read_only(np.ones(len(self.rows), np.bool_)), no, no


class Batchers(Protocol):
    """What makes batches of observations, actions and, if there are any, global states."""

    batcher: SpaceBatcher
    action_batcher: SpaceBatcher
    state_batcher: SpaceBatcher | None


class StepTransitions(Transitions):
    """Transitions as plain values; their arrays are made when the first of them is asked for."""

    __slots__ = ("_batchers", "_rows")

    def __init__(self, rows: Sequence[Transition], batchers: Batchers) -> None:
        """Take over transitions, none of which has the same agent and copy as another."""
        self._rows, self._batchers = rows, batchers

    def __len__(self) -> int:
        """Return B."""
        return len(self._rows)

    def __iter__(self) -> Iterator[Transition]:
        """Yield each transition."""
        return iter(self._rows)

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what was seen, done and earned in each."""
        return map(_outcome, self._rows)

    def __getattr__(self, name: str) -> Any:
        """Make the arrays, one of which was asked for: Python calls this for what is not there yet."""
        if name.startswith("_"):
            raise AttributeError(name)
        of: Any = Transition(*zip(*self, strict=True))  # type: ignore[arg-type]  # all values of each
        of_all = self._batchers
        observations, actions, states = of_all.batcher, of_all.action_batcher, of_all.state_batcher

        def joined(batcher: SpaceBatcher, values: Any) -> Any:
            return batcher.joined([batcher.batch(values)])

        super().__init__(
            joined(observations, of.observation),
            joined(actions, of.action),
            np.array(of.reward, np.float64),
            joined(observations, of.next_observation),
            np.array(of.has_next),
            np.array(of.terminated),
            np.array(of.truncated),
            {extra: np.array([own[extra] for own in of.extras]) for extra in of.extras[0]},
            list(of.agent_id),
            np.array(of.env_index),
            np.array(of.episode),
            np.array(of.step),
            None if states is None else joined(states, of.state),
            None if states is None else joined(states, of.next_state),
        )
        return object.__getattribute__(self, name)


class NewestTransitions(StepTransitions):
    """Those of one step, after which every row goes on or its episode is over; rows are made on demand."""

    __slots__ = ("_columns", "_ended", "_extras", "_owners", "_step")

    def __init__(
        self,
        step: int,
        owners: Sequence[Owner],
        columns: tuple[Sequence[Any], Sequence[Any], Sequence[float], Sequence[Any]],
        extras: Mapping[str, NDArray[Any]],
        ended: Mapping[int, tuple[bool, bool]],
        batchers: Batchers,
    ) -> None:
        """Take over what was observed, done, earned and observed then; the rest as `transitions_of_step`."""
        self._step, self._owners, self._columns = step, owners, columns
        self._extras, self._ended, self._batchers = extras, ended, batchers

    def __len__(self) -> int:
        """Return B."""
        return len(self._owners)

    def __iter__(self) -> Iterator[Transition]:
        """Yield each transition."""
        step, rows = self._step, []
        each = zip(self._owners, *self._columns)  # noqa: B905  as many
        for (agent_id, env_index, episode, began), observation, action, reward, after in each:
            row: Any = (
                observation, action, reward, after, True, False, False,
                agent_id, env_index, episode, step - began, {}, None, None,
            )  # fmt: skip
            rows.append(_new(Transition, row))  # something follows, and nothing ended
        if self._extras:
            said = zip(*map(rows_of, self._extras.values()), strict=True)
            for n, values in enumerate(said):
                rows[n] = rows[n]._replace(extras=dict(zip(self._extras, values, strict=True)))
        for n, (has_next, terminated) in self._ended.items():
            rows[n] = rows[n]._replace(has_next=has_next, terminated=terminated, truncated=not terminated)
        return iter(rows)

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what was seen, done and earned in each."""
        if self._ended:
            return map(_outcome, self)
        return zip(*self._columns, _YES, _NO)  # noqa: B905  these two are endless


def transitions_of_step(
    step: int,
    owners: Owners,
    observations: Any,
    actions: Any,
    rewards: Any,
    following: Any,
    extras: Mapping[str, Any],
    ended: Mapping[int, tuple[bool, bool]],
    batchers: Batchers,
) -> Transitions:
    """Return the transitions of a step: a few as plain values first, many as arrays that may be read-only.

    Args:
        step: the collector's step.
        owners: whose they are.
        observations: a batch of what was observed before.
        actions: a batch of what was done.
        rewards: what was earned: a list or an array of floats.
        following: a batch of what was observed then; where nothing was, some element.
        extras: what the policy said about the decisions.
        ended: by place, those with which an agent ended: whether something followed, and whether it was
            terminated, else truncated. All others go on.
        batchers: make arrays of observations and actions.
    """
    if len(owners.rows) < _MANY:
        if type(observations) is not list:
            observations, following = rows_of(observations), rows_of(following)
        if type(rewards) is not list:
            rewards = rows_of(rewards)
        if extras:
            extras = {name: np.array(values) for name, values in extras.items()}
        own_actions = [*actions] if type(actions) is list else rows_of(actions)
        columns = observations, own_actions, rewards, following
        return NewestTransitions(step, owners.rows, columns, extras, ended, batchers)
    has_next, terminated, truncated = owners.going_on
    if ended:
        has_next, terminated, truncated = has_next.copy(), terminated.copy(), truncated.copy()
    for n, (something_follows, is_terminated) in ended.items():
        has_next[n], terminated[n], truncated[n] = something_follows, is_terminated, not is_terminated
    env_indices, episodes, began = owners.numbers
    return Transitions(
        _as_arrays(batchers.batcher, observations),
        np.array(actions, np.int64)
        if is_integer_array(actions)
        else batchers.action_batcher.joined([batchers.action_batcher.batch(actions)]),
        np.array(rewards, np.float64),
        _as_arrays(batchers.batcher, following),
        has_next,
        terminated,
        truncated,
        {name: np.array(values) for name, values in extras.items()},
        owners.agent_ids,  # shared: a copy of thousands of references costs as much as all the arrays
        env_indices,
        episodes,
        step - began,
    )


def _as_arrays(batcher: SpaceBatcher, observations: Any) -> Any:
    """Return a batch as transitions hold it; arrays of it cannot be written, and are not copied."""
    return observations if isinstance(observations, np.ndarray) else batcher.joined([observations])


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    values.setflags(write=False)
    return values
