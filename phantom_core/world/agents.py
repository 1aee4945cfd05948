"""`Agent`, which handles and sends messages, and what an agent can see: views, in its `Context`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np

from phantom_core.errors import ConfigError, NeighbourError, NetworkError, did_you_mean, listing
from phantom_core.seeding import fresh_seed, make_random, make_rng
from phantom_core.types import AgentID
from phantom_core.world.messages import Message, MessageList
from phantom_core.world.samplers import SampledValues
from phantom_core.world.supertypes import Supertype, check_has_supertype, checked_supertype, default_supertype

Handler: TypeAlias = "Callable[[Any, Context, Message[Any]], Iterable[tuple[AgentID, Any]] | None]"
HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])

ALL = "__all__"
"""The key of the whole env in terminations and truncations; it cannot be an agent id."""

_HANDLED = "__phantom_handles__"


def msg_handler(payload_class: type) -> Callable[[HandlerT], HandlerT]:
    """Decorate a method of an agent as the handler of messages with payloads of this class.

    The method gets `(ctx, message)` and returns pairs `(receiver_id, payload)` to send, or None.
    Decorate it twice to handle two classes. A payload class without a handler is handled by the handlers
    of its nearest base class. If there are several handlers for one class, all run: those of base
    classes first, then in order of definition. A method that overrides a handler replaces it, with or
    without the decorator.

    Raises:
        ConfigError: if `payload_class` is not a class, for example because the brackets were left out.
    """
    if not isinstance(payload_class, type):
        raise ConfigError(
            f"msg_handler got {payload_class!r}. Expected the class of the payloads: @msg_handler(Order). "
            "For several classes decorate several times."
        )

    def decorate(method: HandlerT) -> HandlerT:
        setattr(method, _HANDLED, (payload_class, *getattr(method, _HANDLED, ())))
        return method

    return decorate


def _collect_handlers(cls: type[Agent]) -> dict[type, tuple[Handler, ...]]:
    """Return the handler methods by payload class."""
    payloads_by_method: dict[str, tuple[type, ...]] = {}
    for ancestor in reversed(cls.__mro__):
        for name, value in vars(ancestor).items():
            payloads = getattr(value, _HANDLED, ())
            if payloads and callable(value):
                payloads_by_method[name] = payloads
    table: dict[type, list[Handler]] = {}
    for name in cls.order_handlers(list(payloads_by_method)):
        for payload_class in payloads_by_method[name]:
            table.setdefault(payload_class, []).append(getattr(cls, name))
    return {payload_class: tuple(methods) for payload_class, methods in table.items()}


class Agent:
    """A member of the world that handles messages, and may send its own.

    Subclasses override its methods, each of which gets a `Context`. Set parameters in `__init__`, and
    state that changes during an episode in `reset`.
    """

    _handlers: ClassVar[dict[type, tuple[Handler, ...]]] = {}
    direct_handlers: ClassVar[Mapping[type, Handler] | None] = {}
    """For resolvers: the handler of each payload class with exactly one handler. None if `handle_batch` or
    `handle_message` is overridden and must be called."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Collect the message handlers once per class instead of once per agent."""
        super().__init_subclass__(**kwargs)
        cls._handlers = _collect_handlers(cls)
        cls.direct_handlers = None
        if cls.handle_batch is Agent.handle_batch and cls.handle_message is Agent.handle_message:
            cls.direct_handlers = {kind: f[0] for kind, f in cls._handlers.items() if len(f) == 1}

    @classmethod
    def order_handlers(cls, names: Sequence[str]) -> Sequence[str]:
        """Return the names of the handler methods in the order in which handlers of one payload class run.

        Args:
            names: the names in the default order: base classes first, then in order of definition.
        """
        return names

    def __init__(self, agent_id: AgentID, supertype: Supertype | Mapping[str, Any] | None = None) -> None:
        """Create an agent.

        Args:
            agent_id: any hashable except `"__all__"`; its `repr` seeds the agent's random generators.
            supertype: the agent's parameters, or a dict of the fields of its inner class `Supertype`.
                None for that class with its defaults, if there is one.

        Raises:
            ConfigError: if the id is reserved or not hashable, or the supertype has the wrong type.
        """
        try:
            hash(agent_id)
        except TypeError:
            advice = "Use a str, an int, a tuple or an Enum."
            raise ConfigError(f"Agent id {agent_id!r} is not hashable. {advice}") from None
        if agent_id == ALL:
            reason = "that key stands for the whole env. Choose another id."
            raise ConfigError(f"An agent may not be named {ALL!r}: {reason}")
        self._id = agent_id
        self._episode_seed: int | None = None
        self.supertype: Supertype | None = None
        self.type: Any = None
        if supertype is None:
            self.supertype = default_supertype(type(self))
        else:
            self.set_supertype(supertype)

    @property
    def id(self) -> AgentID:
        """The id of the agent, unique in its network."""
        return self._id

    @cached_property
    def random(self) -> random.Random:
        """The agent's random generator for scalars, seeded at each reset from the episode's seed.

        A draw takes about a sixth of the time of a draw from `rng`.
        """
        return make_random(self._stream_seed(), "agent.random", self._id)

    @cached_property
    def rng(self) -> np.random.Generator:
        """The agent's NumPy random generator, seeded at each reset from the episode's seed."""
        return make_rng(self._stream_seed(), "agent.rng", self._id)

    def set_supertype(self, supertype: Supertype | Mapping[str, Any]) -> None:
        """Set the supertype, from which `type` is sampled at the next reset; a dict gives its fields.

        Raises ConfigError if it has the wrong type.
        """
        self.supertype = checked_supertype(type(self), self._name, supertype)

    def begin_episode(self, episode_seed: int, values: SampledValues | None = None) -> None:
        """Called before `reset`: discard the generators of the last episode, and sample the type.

        `values` are those of the env's samplers in this episode; None for an agent without an env. Raises
        ConfigError if the agent has no supertype, and that of its class has required fields.
        """
        self._episode_seed = episode_seed
        own = self.__dict__
        own.pop("random", None)
        own.pop("rng", None)
        if self.supertype is not None:
            self.type = self.supertype.sample_in(values or SampledValues(episode_seed), ("agent", self._id))
        elif hasattr(type(self), "Supertype"):
            check_has_supertype(type(self), self._name)

    def reset(self) -> None:
        """Called at the start of each episode: set the initial state."""

    def view(self, neighbour_id: AgentID | None = None) -> AgentView | None:
        """Return the agent's view for a neighbour (for the env if `neighbour_id` is None), or None."""
        return None

    def generate_messages(self, ctx: Context) -> MessageList | None:
        """Called on the agent's turn if it takes no action: return messages to send."""
        return None

    def pre_message_resolution(self, ctx: Context) -> None:
        """Called after all agents acted, before the messages are delivered."""

    def post_message_resolution(self, ctx: Context) -> None:
        """Called after all messages were delivered."""

    def handle_batch(self, ctx: Context, batch: Sequence[Message[Any]]) -> MessageList:
        """Handle all messages of one round; the default handles one after the other.

        Args:
            ctx: the context of the agent.
            batch: the messages in the order in which they were sent, at least one.

        Returns:
            Pairs `(receiver_id, payload)` to send in the next round.
        """
        responses: list[tuple[AgentID, Any]] = []
        for message in batch:
            responses += self.handle_message(ctx, message) or ()
        return responses

    def handle_message(self, ctx: Context, message: Message[Any]) -> Iterable[tuple[AgentID, Any]] | None:
        """Handle a message with the handlers of its payload class, or raise NetworkError if there is none."""
        handlers = self._handlers.get(message.payload.__class__)
        if handlers is None:
            handlers = self._find_handlers(message)
        if len(handlers) == 1:
            return handlers[0](self, ctx, message)
        return [pair for handler in handlers for pair in handler(self, ctx, message) or ()]

    def _find_handlers(self, message: Message[Any]) -> tuple[Handler, ...]:
        """Return the handlers of the nearest base class, and cache them for the agent class."""
        table = self._handlers
        for base in type(message.payload).__mro__:
            if base in table:
                table[type(message.payload)] = table[base]
                return table[base]
        payload, cls = type(message.payload).__name__, type(self).__name__
        handled = ", ".join(known.__name__ for known in table) or "none"
        raise NetworkError(
            f"{cls} {self._id!r} has no handler for {payload}, sent by {message.sender_id!r}. It handles: "
            f"{handled}. Write a method decorated with @msg_handler({payload})."
        )

    @property
    def _name(self) -> str:
        return f"{type(self).__name__} {self._id!r}"

    def _stream_seed(self) -> int:
        if self._episode_seed is None:  # without an env, as in a unit test of the agent
            self._episode_seed = fresh_seed()
        return self._episode_seed

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._id!r})"


@dataclass(frozen=True)
class AgentView:
    """The state that an agent shows to a neighbour. Subclass it as a frozen dataclass with fields."""


@dataclass(frozen=True)
class EnvView:
    """The state of the env that all agents can see. Subclass it as a frozen dataclass with more fields.

    Attributes:
        current_step: the number of the current step, from 1; 0 at reset.
        proportion_time_elapsed: `current_step / num_steps`; 0.0 in an env without a time limit.
    """

    current_step: int
    proportion_time_elapsed: float


class ViewFrame:
    """The current env view, shared by the contexts of all agents of a network.

    `make` makes it on first access, since most agents never read it; until then `view` is None.
    """

    __slots__ = ("make", "view")

    def __init__(self) -> None:
        self.view: EnvView | None = None
        self.make: Callable[[], EnvView] = partial(EnvView, 0, 0.0)  # without an env

    def look(self) -> EnvView:
        """Return the view; make it on first access."""
        view = self.view
        if view is None:
            view = self.view = self.make()
        return view


class Context:
    """What one agent can see when it observes, acts, handles a message or is rewarded.

    A context is read-only and always current: the same object is passed again in the next step, so copy
    what you want to keep. While agents act and handle messages, it holds the views of the start of the
    step; while they observe and are rewarded, the views after message resolution.

    Attributes:
        agent: the agent that this context belongs to.
        agent_views: view by neighbour id, in the order in which connections were added; None for a
            neighbour without a view.
    """

    __slots__ = ("_frame", "_views", "agent", "agent_views")

    def __init__(self, agent: Agent, views: dict[AgentID, AgentView | None], frame: ViewFrame) -> None:
        self.agent = agent
        self.agent_views: Mapping[AgentID, AgentView | None] = MappingProxyType(views)
        self._views = views
        self._frame = frame

    def __getstate__(self) -> tuple[Agent, dict[AgentID, AgentView | None], ViewFrame]:
        """Return the state without the read-only mapping, which cannot be copied or pickled."""
        return self.agent, self._views, self._frame

    def __setstate__(self, state: tuple[Agent, dict[AgentID, AgentView | None], ViewFrame]) -> None:
        """Restore the state, and make the read-only mapping again."""
        self.agent, self._views, self._frame = state
        self.agent_views = MappingProxyType(self._views)

    @property
    def env_view(self) -> EnvView:
        """The view of the env, which is the same for all agents."""
        return self._frame.look()

    @property
    def neighbour_ids(self) -> list[AgentID]:
        """The ids of the agents that this agent can send to."""
        return list(self._views)

    def __getitem__(self, neighbour_id: AgentID) -> AgentView | None:
        """Return the view of a neighbour; None if it has no view.

        Raises NeighbourError, also a KeyError, if it is not a neighbour or has left the episode.
        """
        try:
            return self._views[neighbour_id]
        except KeyError:
            me = self.agent.id
            raise NeighbourError(
                f"{me!r} looked at {neighbour_id!r}, which is none of its neighbours in the episode."
                f"{did_you_mean(neighbour_id, self._views)} They are: {listing(self._views)}. Connect "
                f"the two with network.add_connection({me!r}, {neighbour_id!r}), or look only if "
                f"{neighbour_id!r} in ctx."
            ) from None

    def __contains__(self, neighbour_id: object) -> bool:
        return neighbour_id in self._views


def check_agent(agent: object) -> None:
    """Raise ConfigError if an object is not an `Agent`, or `Agent.__init__` was not called."""
    if not isinstance(agent, Agent):
        made = f" Make one of it: {agent.__name__}('ID')." if isinstance(agent, type) else ""
        raise ConfigError(f"The network got {agent!r} as an agent. Expected an object of a ph.Agent.{made}")
    if not hasattr(agent, "id"):
        cls = type(agent).__name__
        raise ConfigError(f"{cls} was not initialised. Call super().__init__(agent_id) in {cls}.__init__.")
