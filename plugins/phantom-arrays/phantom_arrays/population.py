"""`Population`: like agents as arrays; `StrategicPopulation`: those that observe, act and are rewarded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_arrays.declared_state import Field, fields_of_class, parameter_rows, state
from phantom_arrays.draws import Clock, Draws
from phantom_arrays.links import Edges
from phantom_arrays.members import Member, member_class, member_id
from phantom_arrays.message_batch import Mask, Messages, Sent, fields_of, in_columns, taken
from phantom_arrays.payload_handlers import handlers_of


class Population:
    """Agents of one kind: N members in each copy of an env, as arrays with one row for each member.

    All methods act on all members in all copies at once. A row is a member: with B copies of N members, row
    `b N + i` is member i of copy b. So write no `if` on values of rows: use masks and `np.where`.

    Subclasses declare `state` and each `parameter`, and override methods.

    Attributes:
        name: what it is called, in links and in the ids of its members.
        size: N; of a population that was made without a size, 1. In a batch of copies of several sizes, that
        of the first.
        is_single: whether it was made without a size: one agent, whose id is the name.
        draw: random draws by row.
        acting: bool array [rows]; who acts in this step, as `is_acting` told; None: everybody.
        alive: bool array [rows]; whether the member takes part. Members that do not are in no message, do not
            act and are not rewarded. Declare it anew to begin with others: `alive = pa.state(np.bool_, lambda
            self: self.member < 100)`.
    """

    fields: ClassVar[Mapping[str, Field]] = {}
    handlers: ClassVar[Mapping[type, str]] = {}
    is_bound = False
    is_in_network = False  # of objects, whose agents have no members

    alive: Any = state(np.bool_, first=True)
    draw: Draws
    acting: Mask | None

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Collect what is declared and the handlers, once per class."""
        super().__init_subclass__(**kwargs)
        cls.fields, cls.handlers = fields_of_class(cls), handlers_of(cls)

    def __init__(self, name: str, size: int | None = None) -> None:
        """Make the members of one copy of an env.

        Args:
            name: what it is called.
            size: how many members there are; None: one agent, whose id is the name. With a size, the id of
                member i is `(name, i)`.

        Raises:
            phantom_core.errors.ConfigError: if the name is no text, or the size no positive integer.
        """
        if not isinstance(name, str) or not name:
            raise ph.errors.ConfigError(
                f"{type(self).__name__} got the name {name!r}. Expected a text, such as 'shops'."
            )
        is_whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
        if size is not None and not (is_whole and size > 0):
            raise ph.errors.ConfigError(
                f"{type(self).__name__} {name!r} got the size {size!r}. Expected the number of its members, "
                "a positive integer, or None for one agent."
            )
        self.name, self.is_single = name, size is None
        self.size = 1 if size is None else int(size)

    # ------------------------------------------------------------------ what subclasses override

    def generate_messages(self) -> Sent:
        """Return what the members send; called once in each step, in the order of the populations."""
        return None

    def pre_message_resolution(self) -> None:
        """Called after all populations acted, before messages are delivered."""

    def post_message_resolution(self) -> None:
        """Called after all messages were delivered."""

    def is_acting(self) -> Mask | None:
        """Return which members act in the next step, as a bool array [rows]; None: all of them.

        Called after each reset and each step. Messages of the others are not sent; use `self.acting` to leave
        their state as it is.
        """
        return None

    # ------------------------------------------------------------------ what subclasses call

    def send(
        self,
        to: str,
        payload: Any,
        where: Any = None,
        *,
        per_edge: bool = False,
        edges: NDArray[np.int64] | None = None,
    ) -> Messages:
        """Return messages along the link to another population, to be returned by the method that sends.

        Args:
            to: the name of the population.
            payload: the content, an object of a class decorated with `ph.msg_payload`. Its fields are one
                value for each row of this population, which all its edges carry, or one value for all.
            where: bool array, by row as the fields are; who sends. None: everybody.
            per_edge: whether fields and `where` are by edge, as `self.edges(to)` orders them, instead of by
            row.
            edges: the indices of some of these edges, increasing: only those carry a message, and the fields
                and `where` are by them. For a few messages over a link of many edges.

        Raises:
            phantom_core.errors.EnvError: if there is no link, or an array has another shape.
        """
        link = self.edges(to)
        if edges is not None:
            link, per_edge = link.selected(np.asarray(edges)), True
        rows = link.size if per_edge else self.num_rows
        content = in_columns(payload, rows, link if per_edge else self)
        mask = None if where is None else self._who_sends(where, "send", rows if per_edge else None)
        if not per_edge and not link.is_by_sender:
            content = taken(content, link.senders)
            mask = None if mask is None else mask[link.senders]
        return Messages(link, content, mask)

    def send_to(self, to: str, receiver: Any, payload: Any, where: Any = None) -> Messages:
        """Return one message of each member to a member of its choice, in its own copy.

        The populations are linked everybody with everybody: `pa.Link(name, to)`; no array of all edges is
        made for that.

        Args:
            to: the name of the population.
            receiver: int array [rows]; the number of the chosen member in the copy.
            payload: the content, as in `send`.
            where: bool array [rows]; who sends. None: everybody.

        Raises:
            phantom_core.errors.EnvError: if the populations are not linked everybody with everybody, or a
                receiver does not exist.
        """
        target, index = self._complete_link(to)
        given = np.asarray(receiver)
        senders = np.arange(self.num_rows)
        if where is not None:
            senders = np.flatnonzero(self._who_sends(where, "send_to"))
        copies: Any = self.copy[senders] if len(self.sizes) > 1 else 0
        is_there = given.shape == (self.num_rows,) and given.dtype.kind in "iu"
        if is_there:
            chosen = given[senders].astype(np.int64, copy=False)
            is_there = not ((chosen < 0) | (chosen >= target.sizes[copies])).any()
        if not is_there:
            raise ph.errors.EnvError(
                f"{type(self).__name__}.send_to: receiver is {given!r}. Expected the number of a member of "
                f"{to!r}, from 0, for each of the {self.num_rows} rows of {self.name!r}."
            )
        content = in_columns(payload, self.num_rows, self)
        rows = senders, chosen + target.starts[copies]
        link = Edges((self.name, to), rows, (self.num_rows, target.num_rows), index, is_grouped=False)
        return Messages(link, taken(content, link.senders) if fields_of(content) else content)

    def edges(self, to: str) -> Edges:
        """Return who may send to whom in another population; raise `EnvError` if there is no such link."""
        found = self._edges.get(to)
        if found is None:
            if to not in self.link_makers:
                raise ph.errors.EnvError(
                    f"{type(self).__name__} {self.name!r} sends to {to!r}, but they are not "
                    f"linked.{ph.tools.did_you_mean(to, self.link_makers)} Give the env "
                    f"links=[pa.Link({self.name!r}, {to!r})]."
                )
            found = self._edges[to] = self.link_makers[to]()
        return found

    def view(self, of: str) -> View:
        """Return what a linked population shows: what it declared with `is_public=True`, as read-only arrays.

        While members act and handle messages, it is as it was at the start of the step; while they observe
        and are rewarded, as it is after all messages. `self.edges(of).of_receiver(x)` makes it one value for
        each edge.

        Raises:
            phantom_core.errors.EnvError: if the populations are not linked.
        """
        if of not in self.link_makers:
            self.edges(of)
        return self._views[of]

    def join(self, where: Mask) -> None:
        """Let members take part that did not; what they have begins anew.

        Args:
            where: bool array [rows]; who joins. Those that take part already are not touched.
        """
        self._check_mask(where, "join")
        new = where & ~self.alive
        if new.any():
            with self.draw.elsewhere():
                self.begin(new)
            self._set_alive(new, value=True)

    def leave(self, where: Mask) -> None:
        """Let members no longer take part, from the next round of messages on.

        Args:
            where: bool array [rows]; who leaves.
        """
        self._check_mask(where, "leave")
        self._set_alive(where, value=False)

    def by_row(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return an array with one value for each copy as one with a value for each row."""
        return values[self.copy]

    def total(self, values: Any) -> NDArray[Any]:
        """Return the sum of values [rows] over the living members of each copy, [copies]."""
        found = np.asarray(values)
        found = found.astype(np.int64) if found.dtype == np.bool_ else found
        if self.has_dead:
            found = np.where(self.alive, found, found.dtype.type(0))
        return np.asarray(np.add.reduceat(found, self.starts))

    @cached_property
    def copy(self) -> NDArray[np.int64]:
        """The number of the copy of each row."""
        found = np.repeat(np.arange(len(self.sizes)), self.sizes)
        found.flags.writeable = False
        return found

    @cached_property
    def member(self) -> NDArray[np.int64]:
        """The number of each row in its copy."""
        found = np.arange(self.num_rows) - self.starts[self.copy]
        found.flags.writeable = False
        return found

    @property
    def current_step(self) -> NDArray[np.int64]:
        """The step of the episode of each row, from 1; 0 at reset."""
        return self._steps[self.copy]

    # ------------------------------------------------------------------ what worlds call

    def bind(
        self, models: list[Population], steps: NDArray[np.int64], views: Mapping[str, View], clock: Clock
    ) -> None:
        """Become the population of B copies, those of `models`."""
        self._check_alike(models)
        sizes = np.array([model.size for model in models], np.int64)
        self.sizes, self.starts = sizes, np.cumsum(sizes) - sizes
        self.num_rows = int(sizes.sum())
        self.draw = Draws(self.name, sizes, clock)
        self._edges: dict[str, Edges] = {}  # made when they are first asked for
        self.link_makers: dict[str, Callable[[], Edges]] = {}
        self.complete_links: dict[
            str, tuple[Population, int]
        ] = {}  # where everybody is linked with everybody
        self.acting: Mask | None = None
        self.has_dead = False
        self._ids: dict[int, list[ph.AgentID]] = {}
        self._steps, self._views = steps, views
        self.extra_state: list[NDArray[Any]] = []  # what a world keeps of each row
        values = self.__dict__
        parameters = {
            name: np.concatenate([parameter_rows(one, field, one.size) for one in models])
            for name, field in self.fields.items()
            if field.is_fixed
        }
        for name, field in self.fields.items():
            rows = parameters.get(name)
            values[name] = np.zeros((self.num_rows, *field.shape), field.dtype) if rows is None else rows
            if field.is_fixed:
                values[name].flags.writeable = False
        self._alive = values["alive"]
        values["alive"] = self._alive.view()
        values["alive"].flags.writeable = False
        for kept in (self.sizes, self.starts):
            kept.flags.writeable = False
        self.known = frozenset((*values, "known", "is_bound", "copy", "member"))
        self.is_bound = True

    def begin(self, rows: Any) -> None:
        """Give rows, a slice or a mask, their first values."""
        self.draw.enter(("reset",))
        for name, field in self.fields.items():
            if field.is_fixed:
                continue
            own = self._alive if name == "alive" else self.__dict__[name]
            first = field.first
            if not callable(first):
                own[rows] = first
                continue
            made = np.asarray(first(self))
            if made.shape not in (own.shape, field.shape):
                raise ph.errors.EnvError(
                    f"{type(self).__name__}.{name} begins with an array of shape {made.shape}. Expected "
                    f"{own.shape}, a row for each member in each copy, or {field.shape} for all."
                )
            own[rows] = made[rows] if made.shape == own.shape and own.ndim else made

    def outgoing(self, sent: Sent, mask: Mask | None = None) -> Iterator[Messages]:
        """Yield what a method returned to be sent, but for members that are dead or left out by a mask.

        Raises:
            phantom_core.errors.EnvError: if it is nothing that can be sent.
        """
        for messages in (sent,) if isinstance(sent, Messages) else sent or ():
            if not isinstance(messages, Messages):
                raise ph.errors.EnvError(
                    f"{type(self).__name__} {self.name!r} returned {messages!r} to be sent. Expected "
                    "what self.send(), self.send_to() or messages.reply() returns, a list of those, or None."
                )
            if mask is not None:
                messages.leave_out(mask[messages.edges.senders])
            if self.has_dead:
                messages.leave_out(self.alive[messages.edges.senders])
            yield messages

    def handler_of(self, kind: type, source: object) -> Callable[[Messages], Sent]:
        """Return the method that handles a payload class; raise `EnvError` if there is none."""
        for ancestor in kind.__mro__:
            if ancestor in self.handlers:
                found: Callable[[Messages], Sent] = getattr(self, self.handlers[ancestor])
                return found
        raise ph.errors.EnvError(
            f"{type(self).__name__} {self.name!r} received {kind.__name__} from {source!r}, but has no "
            f"handler for it. Write one: @pa.handler({kind.__name__})."
        )

    def choose_who_acts(self) -> None:
        """Called after each reset and step: ask who acts in the next step."""
        self.draw.enter(("turn",))
        asked = self.is_acting()
        if asked is not None:
            asked = np.asarray(asked)
            if asked.shape != (self.num_rows,) or asked.dtype != np.bool_:
                raise self.wrong_shape("is_acting", asked, "bools")
        self.acting = None if asked is None else asked.copy()

    def check_state(self) -> None:
        """Raise if it keeps an array that resets do not know."""
        for name, value in vars(self).items():
            if name not in self.known and isinstance(value, np.ndarray):
                raise ph.errors.EnvError(
                    f"{type(self).__name__}.{name} is an array of shape {value.shape} that is not "
                    "declared, so it would be carried from one episode into the next. Declare it: "
                    f"{name} = pa.state(np.{value.dtype})."
                )

    def wrong_shape(self, method: str, found: Any, what: str) -> ph.errors.EnvError:
        """Return the error for a method that returned something else than an array by row."""
        shape = getattr(found, "shape", None)
        got = f"{found!r}" if shape is None else f"an array of shape {shape} and dtype {found.dtype}"
        return ph.errors.EnvError(
            f"{type(self).__name__}.{method}() returned {got}. Expected {what} for all {self.num_rows} rows "
            f"of {self.name!r}: an array whose first axis is that long."
        )

    def begin_episode(self, rows: Any) -> None:
        """Begin an episode in these rows."""
        self.begin(rows)
        self.has_dead = not bool(self._alive.all())

    def end_members(self, where: Mask) -> None:
        """Members ended: they take no further part in the episode."""
        self._set_alive(where, value=False)

    def rows_of(self, b: int) -> slice:
        """Return the rows of copy b."""
        start = int(self.starts[b])
        return slice(start, start + int(self.sizes[b]))

    def ids(self, size: int) -> list[ph.AgentID]:
        """Return the ids of the members of a copy of this size."""
        found = self._ids.get(size)
        if found is None:
            found = self._ids[size] = [member_id(self, number) for number in range(size)]
        return found

    def saved(self, rows: Any) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Return what changes in an episode: each array, and a copy of some of its rows."""
        arrays = [
            self._alive if n == "alive" else self.__dict__[n]
            for n, f in self.fields.items()
            if not f.is_fixed
        ]
        return [(own, own[rows].copy()) for own in (*arrays, *self.extra_state)]

    def restore(self, rows: Any, saved: list[tuple[NDArray[Any], NDArray[Any]]]) -> None:
        """Write back what `saved` returned."""
        for own, values in saved:
            own[rows] = values
        self.has_dead = not bool(self._alive.all())

    def _set_alive(self, where: Mask, *, value: bool) -> None:
        self._alive[where] = value
        self.has_dead = not bool(self._alive.all())

    def _check_mask(self, where: Any, method: str) -> None:
        if getattr(where, "shape", None) != (self.num_rows,) or where.dtype != np.bool_:
            raise ph.errors.EnvError(
                f"{type(self).__name__}.{method}() got {where!r}. Expected a bool array with one element for "
                f"each of the {self.num_rows} rows."
            )

    def _who_sends(self, where: Any, method: str, num_edges: int | None = None) -> Mask:
        """Return a mask of who sends, by row or by edge; raise if it is none."""
        mask: Mask = np.asarray(where)
        number = self.num_rows if num_edges is None else num_edges
        if mask.shape != (number,) or mask.dtype != np.bool_:
            per = f"rows of {self.name!r}" if num_edges is None else "edges"
            raise ph.errors.EnvError(
                f"{type(self).__name__}.{method}: where has shape {mask.shape} and dtype {mask.dtype}. "
                f"Expected bools, one for each of the {number} {per}."
            )
        return mask

    def _complete_link(self, to: str) -> tuple[Population, int]:
        if self.is_in_network:
            raise ph.errors.EnvError(
                f"{type(self).__name__} {self.name!r} chooses among the members of {to!r}, which is an agent "
                f"of a network and has none. Send to each agent: self.send({to!r}, payload, where=...)."
            )
        if to not in self.complete_links:
            if to not in self.link_makers:
                self.edges(to)
            raise ph.errors.EnvError(
                f"{type(self).__name__} {self.name!r} chooses among all of {to!r}, but the link connects "
                f"only some of them. Link everybody: pa.Link({self.name!r}, {to!r}), or use send(..., "
                "edges=...)."
            )
        return self.complete_links[to]

    def _check_alike(self, models: list[Population]) -> None:
        """Raise if copies differ in anything but their sizes and parameters."""
        own = {name for name in vars(self) if name not in self.fields and name != "size"}
        for number, other in enumerate(models[1:], 1):
            theirs = {name for name in vars(other) if name not in self.fields and name != "size"}
            wrong = [
                n
                for n in sorted(own | theirs)
                if not _is_same(getattr(self, n, None), getattr(other, n, None))
            ]
            if type(other) is not type(self) or wrong:
                what = f"{wrong[0]} = {getattr(self, wrong[0], None)!r}" if wrong else type(self).__name__
                theirs_is = f"{getattr(other, wrong[0], None)!r}" if wrong else type(other).__name__
                raise ph.errors.ConfigError(
                    f"Population {self.name!r} has {what} in copy 0, but {theirs_is} in copy {number}. What "
                    "differs between copies is declared: pa.parameter(dtype)."
                )


Population.fields = fields_of_class(Population)


class StrategicPopulation(Population):
    """Members that observe, act through a policy and are rewarded.

    Set `observation_space` and `action_space`, those of one member, and override `encode_observations`,
    `decode_actions` and `compute_rewards`. `Shops.Member` selects its members for a policy:
    `policies={"shops": Shops.Member}`.
    """

    observation_space: gym.Space[Any] | None = None
    action_space: gym.Space[Any] | None = None
    Member: ClassVar[type[Member]] = Member

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Make the class of its members."""
        super().__init_subclass__(**kwargs)
        bases = [base.Member for base in cls.__bases__ if issubclass(base, StrategicPopulation)]
        cls.Member = member_class(cls, bases)

    def decode_actions(self, actions: Any) -> Sent:
        """Return what the members send for their actions.

        Args:
            actions: an array [rows, ...] for Box, Discrete, MultiDiscrete and MultiBinary spaces, one action
                for each row; of rows that do not act, any element. It is valid during the call.
        """
        raise self._missing("decode_actions")

    def encode_observations(self) -> Any:
        """Return an array [rows, ...] of elements of the observation space."""
        raise self._missing("encode_observations")

    def compute_rewards(self) -> Any:
        """Return an array [rows] of the rewards for the current step."""
        raise self._missing("compute_rewards")

    def is_terminated(self) -> Mask | None:
        """Return which members reached a terminal state, as a bool array [rows]; None: nobody."""
        return None

    def is_truncated(self) -> Mask | None:
        """Return for which members the episode is cut off, as a bool array [rows]; None: for nobody."""
        return None

    def _missing(self, method: str) -> ph.errors.EnvError:
        return ph.errors.EnvError(
            f"{type(self).__name__} {self.name!r} has no {method}(). Override it; it acts on all rows at "
            "once."
        )


class View:
    """What a population shows to those that are linked with it, as read-only arrays."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._names = [name for name, field in population.fields.items() if field.is_public]
        self._seen: dict[str, NDArray[Any]] = {}

    def look(self) -> None:
        """Copy what the population shows now."""
        for name in self._names:
            current = self._population.__dict__[name]
            seen = self._seen.get(name)
            if seen is None:
                seen = self._seen[name] = np.empty_like(current)
            seen.flags.writeable = True
            seen[...] = current
            seen.flags.writeable = False

    def __getattr__(self, name: str) -> NDArray[Any]:
        if name in self.__dict__.get("_seen", ()):
            return self._seen[name]
        population = self.__dict__.get("_population")
        if population is None or name.startswith("__"):
            raise AttributeError(name)
        raise not_shown(population.name, type(population).__name__, name, self._names)


def not_shown(name: str, class_name: str, asked: str, names: list[str]) -> ph.errors.EnvError:
    """Return the error for something that a population does not show."""
    return ph.errors.EnvError(
        f"A view of {name!r} has no {asked}.{ph.tools.did_you_mean(asked, names)} It shows what {class_name} "
        f"declares with is_public=True: {ph.tools.listing(names)}."
    )


def is_overridden(population: Population, method: str, base: type[Population] = Population) -> bool:
    """Return whether the class of a population overrides a method of a base."""
    return getattr(type(population), method) is not getattr(base, method)


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.array_equal(one, other))
    try:
        return bool(one == other) or (type(one) is type(other) and not isinstance(one, (int, float, str)))
    except Exception:  # whatever a user's object raises
        return False
