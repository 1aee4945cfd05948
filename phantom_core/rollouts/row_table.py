"""`RowTable`: who acts in a step, as rows; a row is one agent in one copy of the env."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from operator import add, itemgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phantom_core.envs.step_result import StepResult
from phantom_core.policies.batching import rows_of
from phantom_core.rollouts.actor import Actor
from phantom_core.rollouts.space_batcher import is_integer_array
from phantom_core.rollouts.step_transitions import Owners
from phantom_core.seeding import RowStreams, UniformStream
from phantom_core.types import AgentID, Observation
from phantom_core.world.agents import ALL

Rewards: TypeAlias = list[float] | NDArray[np.float64]
"""One for each row."""

ListsOfRows: TypeAlias = tuple[list[Observation], list[float], list[tuple[int, StepResult]]]
"""What becomes a `StepRows`."""


@dataclass(slots=True, eq=False)
class AgentRow:
    """One agent in one copy of the env."""

    env_index: int
    agent_id: AgentID
    actor: Actor
    stream: UniformStream  # what its policy's draws come from
    number: int = 0  # among the rows of that policy
    observation: Observation = None  # the newest
    episode_return: float = 0.0
    last: int = -1  # the index of its last decision in the buffer; -1: none in this episode, or handed over


@dataclass(slots=True, eq=False)
class CopyRows:
    """The rows of one copy of the env in a step, and what is expected of that step.

    After the first time, the copy is expected to do what it did then: the same agents observe and are
    paid, nobody ends, joins or leaves, and the same may act next. Whatever else it does is looked at agent
    by agent.
    """

    env_index: int
    rows: tuple[AgentRow, ...]  # of those who act
    waiting: tuple[AgentRow, ...]  # with an observation that they may not act on yet
    live: frozenset[AgentID]  # who has flags in a step in which nobody joins or leaves, `ALL` too
    acting: frozenset[AgentRow] = field(init=False)  # likewise
    agent_ids: tuple[AgentID, ...] = field(init=False)  # theirs
    unended: dict[AgentID, bool] = field(init=False)  # the flags of a step in which nobody ends
    observers: tuple[AgentID, ...] | None = None  # None: nothing is expected yet
    observing: tuple[AgentRow, ...] = ()
    payees: tuple[AgentID, ...] = ()
    paid: tuple[AgentRow, ...] = ()
    acting_next: Container[AgentID] | None = None
    next: CopyRows = field(init=False)
    repeats: bool = False  # whether the same rows observe, are paid and act next, step after step

    def __post_init__(self) -> None:
        self.acting = frozenset(self.rows)
        self.agent_ids = tuple(row.agent_id for row in self.rows)
        self.unended = dict.fromkeys(self.live, False)
        self.next = self

    def without_rows(self) -> CopyRows:
        """Return what is expected alone, for another process."""
        found = CopyRows(self.env_index, (), (), self.live)
        found.agent_ids, found.observers = self.agent_ids, self.observers
        found.payees, found.acting_next = self.payees, self.acting_next
        return found

    def is_expected(self, result: StepResult, acting_next: Container[AgentID] | None) -> bool:
        """Tell whether a copy did what is expected."""
        observations, rewards, terminations, truncations, _ = result
        return (
            tuple(observations) == self.observers
            and tuple(rewards) == self.payees
            and terminations == self.unended
            and (truncations == self.unended or True not in truncations.values())
            and (acting_next is self.acting_next or acting_next == self.acting_next)
        )

    def set_apart(self, found: ListsOfRows, place: int, result: StepResult) -> None:
        """Add what the copy at this place of a table returned, which is not what is expected."""
        observations, rewards, others = found
        others.append((place, result))
        observations += [None] * len(self.observing)
        rewards += [0.0] * len(self.paid)


class StepRows(NamedTuple):
    """What one step of the copies in a table returned, by row.

    Attributes:
        observations: what was observed: of each copy in turn, what its expected observers did, in order.
            A list or an array; the caller's own. For a copy in `others` anything, one for each observer.
        rewards: the rewards of the expected payees, as a list of floats or, while the table repeats itself,
            a float64 array, the caller's own; for a copy in `others` 0.0.
        others: copies that did not do what was expected, by their place in the table: all that they
            returned.
    """

    observations: Any
    rewards: Rewards
    others: Sequence[tuple[int, StepResult]] = ()


class Block:
    """The rows of a table that ask one policy, and their places in it."""

    def __init__(self, actor: Actor, places: Sequence[int], rows: Sequence[AgentRow]) -> None:
        self.actor = actor
        self.places = places
        self.rows = [rows[place] for place in places]
        self.agent_ids = [row.agent_id for row in self.rows]
        self.numbers = np.array([row.number for row in self.rows], dtype=np.int64)
        self.env_indices = np.array([row.env_index for row in self.rows], dtype=np.int64)
        self.draws = RowStreams([row.stream for row in self.rows])
        self.is_whole = len(places) == len(rows)  # whether it is the whole table
        self.has_decided = False  # in the current table, since its decisions were last taken
        self.where = _slice_or_array(places)
        self.pick = _picker(places, len(rows), self.where)  # picks the rows' values from those of the table
        self.source: Any = None  # the observations of the table that `batch` was made of
        self.batch: Any = None  # the rows' own of these, checked
        self.owners: Owners | None = None  # whose decisions they are; None: to be looked up

    def observe(self, observations: Any) -> Any:
        """Make `batch` of what the rows of the table observe, and return it; that need not be called twice.

        Raises:
            OutsideSpaceError: if one is not in the space.
        """
        picked = observations if self.is_whole else self.pick(observations)
        self.batch = self.actor.buffer.batcher.checked(picked)
        self.source = observations
        return self.batch

    def begin_transitions(self) -> None:
        """Begin what each row earns with the decision that it just made, where nobody does so at once."""
        rewards = self.actor.buffer.rewards
        for index, row in enumerate(self.rows, len(rewards)):
            row.last = index
        rewards += [0.0] * len(self.rows)


class RowTable:
    """Who acts in a step, in all copies that are played.

    Attributes:
        copies: the rows of each copy.
        bounds: of each copy its rows, and where they begin and end in the table.
        env_indices: the index of each copy.
        places: the place of each copy in the table, by its index.
        rows: all rows, copy by copy.
        blocks: the rows by policy.
        offsets: the block of each row, and its place in it.
        unpick: puts values that stand block by block in the order of the rows.
        repeats: whether every copy's rows observe, are paid and act next, step after step.
    """

    def __init__(self, copies: Sequence[CopyRows]) -> None:
        self.copies = tuple(copies)
        self.rows = [row for copy in copies for row in copy.rows]
        ends = list(accumulate(len(copy.rows) for copy in copies))
        self.bounds = list(zip(self.copies, [0, *ends], ends))  # noqa: B905  no copy begins at the last end
        self.env_indices = [copy.env_index for copy in copies]
        self.places = {index: place for place, index in enumerate(self.env_indices)}
        self.repeats = False
        places: dict[Actor, list[int]] = {}
        for place, row in enumerate(self.rows):
            places.setdefault(row.actor, []).append(place)
        self.blocks = [Block(actor, own, self.rows) for actor, own in places.items()]
        of = {place: (block, n) for block in self.blocks for n, place in enumerate(block.places)}
        self.offsets = [of[place] for place in range(len(self.rows))]
        self.unpick = _unpicker(self.blocks)

    @property
    def agent_ids(self) -> list[tuple[AgentID, ...]]:
        """The agents that act in each copy of `env_indices`, in the order of the rows."""
        return [copy.agent_ids for copy in self.copies]

    def sort(
        self, results: Sequence[StepResult], acting_next: Sequence[Container[AgentID] | None]
    ) -> StepRows:
        """Return what the copies returned, by row: for a `VectorEnv` that has it as dicts.

        `acting_next` tells who may act in each of them in the next step; None: everybody.
        """
        found: ListsOfRows = ([], [], [])
        observations, rewards, _ = found
        for place, (copy, result, acting) in enumerate(zip(self.copies, results, acting_next, strict=True)):
            if copy.is_expected(result, acting):
                observations += result.observations.values()
                rewards += result.rewards.values()
            else:
                copy.set_apart(found, place, result)
        return StepRows(*found)

    def step(
        self, observations: Any, rewards: Rewards, others: Sequence[tuple[int, StepResult]] = ()
    ) -> StepRows:
        """Return what a step returned, by row: for a `VectorEnv` that has it as arrays.

        Args:
            observations: of each copy in turn, what its expected observers observed: a list or an array,
                the caller's own.
            rewards: the rewards of the expected payees, as a list of floats or, while the table repeats
                itself, a float64 array; 0.0 for those of copies in `others`.
            others: copies that did not do what was expected, by their place: all that they returned.
        """
        return StepRows(observations, rewards, others)

    def together(self, actions: Sequence[Sequence[Any]]) -> Sequence[Any]:
        """Return the actions of all blocks in the order of the rows; of arrays of integers an array."""
        are_arrays = [is_integer_array(own) for own in actions]
        if False in are_arrays or not actions:
            if True in are_arrays:
                actions = [rows_of(own) if is_integer_array(own) else own for own in actions]
            return self.unpick([*chain.from_iterable(actions)])
        found = np.empty(len(self.rows), np.int64)
        for block, own in zip(self.blocks, actions, strict=True):
            found[block.where] = own
        return found  # type: ignore[return-value]  # an array is as good as a list

    def alone(
        self,
        place: int,
        observation: Observation,
        reward: float,
        terminated: bool,  # noqa: FBT001  as Gymnasium orders them
        truncated: bool,  # noqa: FBT001
    ) -> StepResult:
        """Return what a copy with one agent returned, as every copy returns it."""
        (agent_id,) = self.copies[place].agent_ids
        return StepResult(
            {agent_id: observation},
            {agent_id: reward},
            {agent_id: terminated, ALL: terminated},
            {agent_id: truncated, ALL: truncated},
            {},
        )


def _slice_or_array(places: Sequence[int]) -> Any:
    """Return rising places as what an array is indexed by: a slice if they are equally far apart."""
    step = places[1] - places[0] if len(places) > 1 else 1
    evenly = range(places[0], places[-1] + 1, step)
    return slice(evenly.start, evenly.stop, step) if list(places) == list(evenly) else np.array(places)


def _picker(places: Sequence[int], size: int, where: Any) -> Callable[[Any], Any]:
    """Return what picks the values at these places from so many: a list, or of an array an array."""
    if len(places) == size:
        return lambda values: values
    first = places[0]
    get = itemgetter(*places)

    def pick(values: Any) -> Any:
        return values[where] if isinstance(values, np.ndarray) else list(get(values))

    def pick_one(values: Any) -> Any:
        return values[where] if isinstance(values, np.ndarray) else [values[first]]

    return pick if len(places) > 1 else pick_one


def _unpicker(blocks: Sequence[Block]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return what puts values that stand block by block in the order of the rows."""
    places = [place for block in blocks for place in block.places]
    order = sorted(range(len(places)), key=places.__getitem__)
    if order == list(range(len(places))):
        return lambda values: values
    return itemgetter(*order)


def _fits(seen: list[Observation], array: NDArray[Any]) -> bool:
    """Return whether observations can be written into an array as they are."""
    try:
        found = np.array(seen)
    except ValueError:  # of several shapes
        return False
    return found.shape[1:] == array.shape[1:] and np.can_cast(found.dtype, array.dtype, "same_kind")


class CurrentRows:
    """The table of the next step, and where its rows stand.

    While a table repeats itself its rows stand in lists or arrays, one value for each, and `AgentRow` is
    written to only when somebody asks for it; in any other table each step writes to its rows.
    """

    def __init__(self) -> None:
        self.table: RowTable | None = None  # None: it has to be found
        self.is_flat = False  # whether the rows stand in lists or arrays
        self.observations: Any = []
        self._own: Any = None  # those that were copied, and may be written into
        self._returns: Any = []
        self.learners: dict[Actor, Block] = {}  # the blocks of learners
        self.is_complete = False  # whether it is flat, and all agents of all copies act in it
        self.apart: set[int] = set()  # copies that stand in their rows, by place: as told by `AgentRow`
        self._begun: set[int] = set()  # copies that began since the last step

    def enter(self, table: RowTable) -> None:
        """Begin with a table."""
        self.table = table
        self.is_flat = table.repeats = False not in [copy.repeats for copy in table.copies]
        self.observations = [row.observation for row in table.rows]
        if self.is_flat:
            self._returns = [row.episode_return for row in table.rows]
            self.learners = {block.actor: block for block in table.blocks if block.actor.is_learning}
            for block in self.learners.values():
                block.has_decided, block.owners = False, None
            self.apart, self._begun = set(), set()

    def leave(self) -> None:
        """End with the table, if there is one."""
        self.settle()
        self.table, self.is_complete = None, False

    def settle(self) -> None:
        """Write to every row where it stands."""
        if self.table is not None and self.is_flat:
            for place in range(len(self.table.copies)):
                self.settle_copy(place)
            for block in self.learners.values():
                block.has_decided = False

    def settle_copy(self, place: int) -> None:
        """Write to the rows of a copy where they stand."""
        table = self.table
        if table is None or not self.is_flat or place in self.apart:
            return
        _, first, end = table.bounds[place]
        for index in range(first, end):
            row, seen = table.rows[index], self.observations[index]
            row.observation = int(seen) if isinstance(seen, np.integer) else seen
            row.episode_return = float(self._returns[index])
            if row.actor.is_learning and place not in self._begun and table.offsets[index][0].has_decided:
                row.last = _last_of(table, index)

    def go_on(self, place: int, rows: CopyRows, *, has_begun: bool = False) -> None:
        """Take over where a copy stands now, which was told by `AgentRow`."""
        table = self.table
        if table is None:
            return
        if not self.is_flat or rows is not table.copies[place] or not rows.repeats:
            self.apart.add(place)
            self.leave()
            return
        _, first, end = table.bounds[place]
        self.apart.discard(place)
        self.write(first, end, [row.observation for row in rows.rows])
        self._returns[first:end] = [row.episode_return for row in rows.rows]
        for block in self.learners.values():
            block.owners = None
        if has_begun:
            self._begun.add(place)

    def write(self, first: int, end: int, seen: list[Observation]) -> None:
        """Put other observations in the place of some, for the next batch that is made of them."""
        assert self.table is not None
        if self._own is not self.observations or any(b.source is self._own for b in self.table.blocks):
            self.observations = self._own = self.observations.copy()
        now = self.observations
        if isinstance(now, np.ndarray) and not _fits(seen, now):
            self.observations = self._own = now = list(now)  # the batch finds out what is wrong
        now[first:end] = seen

    def skip(self, table: RowTable, place: int) -> None:
        """Leave out what the one row of a copy decided in the last step, in which it was only reset."""
        index = table.bounds[place][1]
        row = table.rows[index]
        if row.actor.is_learning:
            row.actor.buffer.skipped.append(_last_of(table, index) if self.is_flat else row.last)

    def just_decided(self, actor: Actor) -> Block | None:
        """Return a learner's block, if the table is flat and everybody decided in the last step.

        Its decisions are taken then.
        """
        block = self.learners.get(actor)
        if block is None or not block.has_decided or not self.is_complete or self.apart or self._begun:
            return None
        block.has_decided = False
        return block

    def advance(self, observations: Any, rewards: Rewards) -> None:
        """Take in what a step of a flat table returned."""
        if observations is self.observations:  # the env wrote into what it returned before
            observations = observations.copy()
        self.observations = observations
        if isinstance(rewards, np.ndarray):
            self._returns = np.add(self._returns, rewards)
        else:
            self._returns = list(map(add, self._returns, rewards))
        if self._begun:
            self._begun.clear()
        for actor, block in self.learners.items():
            block.has_decided = True
            earned = rewards if block.is_whole else block.pick(rewards)
            if actor.defers:
                actor.earned = earned
            else:
                actor.buffer.add_rewards(earned)


def _last_of(table: RowTable, index: int) -> int:
    """Return the index of the last decision of a learner's row, in a table whose rows all decided."""
    block, offset = table.offsets[index]
    return len(block.actor.rewards) - len(block.rows) + offset
