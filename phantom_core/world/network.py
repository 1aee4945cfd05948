"""`Network`, over which agents send messages, and `Resolver`, which decides the order of delivery."""

from __future__ import annotations

import copy
import random
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

from phantom_core.errors import ConfigError, NetworkError, ResolverError, did_you_mean, listing
from phantom_core.seeding import make_random
from phantom_core.types import AgentID
from phantom_core.world.agents import Agent, Context
from phantom_core.world.messages import AgentType, Message, is_allowed, payload_rule
from phantom_core.world.samplers import SampledValues
from phantom_core.world.topology import Topology

MAX_ROUNDS = 1000
"""The number of rounds after which an exchange of messages is considered endless."""


class Network(Topology):
    """The agents of an env and the connections over which they may send messages.

    Agents and connections may be added and removed at any time, also during an episode. An agent that
    joins during an episode is reset immediately and takes part from then on. An agent that is removed no
    longer takes part, and pending messages to it are counted in `resolver.undelivered`. Changes made during
    an episode are undone at the next reset.

    Attributes:
        message_class: the class of messages; called with sender id, receiver id and payload.
        payload_classes: the classes of the payloads sent so far.
        recorder: called with each round of messages before it is delivered; set by the env's recorder.
    """

    message_class: ClassVar[type[Any]] = Message

    def __init__(
        self,
        agents: Iterable[Agent] = (),
        resolver: Resolver | None = None,
        connections: Iterable[tuple[AgentID, AgentID]] = (),
        *,
        ignore_connection_errors: bool = False,
        enforce_msg_payload_checks: bool = True,
    ) -> None:
        """Build a network.

        Args:
            agents: the initial agents, in the order in which they act.
            resolver: determines the order in which messages are delivered; default `BatchResolver()`.
            connections: pairs of ids, each connected in both directions.
            ignore_connection_errors: whether to drop messages between unconnected agents silently.
            enforce_msg_payload_checks: whether to check the rules of `msg_payload`.

        Raises:
            ConfigError: if an agent id is duplicate or unknown, or an argument has the wrong type.
        """
        super().__init__()
        if resolver is not None:
            _check_resolver(resolver)
        self.resolver = BatchResolver() if resolver is None else resolver
        self.recorder: MessageRecorder | None = None
        self.ignore_connection_errors = ignore_connection_errors
        self.payload_classes: set[type] = set()
        self._enforce_msg_payload_checks = enforce_msg_payload_checks
        # Sender, receiver and payload class of messages found allowed since the last change of the network,
        # and the classes of the three, which stay allowed.
        self._allowed: set[tuple[AgentID, AgentID, type]] = set()
        self._allowed_classes: set[tuple[type, type, type]] = set()
        self._episode_seed: int | None = None
        self._sampled: SampledValues | None = None
        self._is_running = False
        self._before: tuple[list[Agent], list[tuple[AgentID, AgentID]]] | None = None
        self.add_agents(agents)
        self.add_connections_from(connections)

    def add_agent(self, agent: Agent) -> None:
        """Add an agent without connections. During an episode it is seeded and reset immediately.

        Raises ConfigError if it is not an initialised agent, or its id is already in the network.
        """
        super().add_agent(agent)
        if self._episode_seed is not None:
            agent.begin_episode(self._episode_seed, self._sampled)
        if self._is_running:
            agent.reset()

    @property
    def enforce_msg_payload_checks(self) -> bool:
        """Whether the rules of `msg_payload` are checked."""
        return self._enforce_msg_payload_checks

    @enforce_msg_payload_checks.setter
    def enforce_msg_payload_checks(self, enforce: bool) -> None:
        self._enforce_msg_payload_checks = enforce
        self._allowed.clear()

    def subnet_for(self, agent_id: AgentID) -> Self:
        """Return a network of an agent, its neighbours and the connections among them.

        It shares the agent objects, and has a copy of the resolver without messages. Raises ConfigError if
        there is no agent with this id.
        """
        members = {agent_id, *self.neighbours_of(agent_id)}
        part = copy.copy(self)
        Network.__init__(
            part,
            [agent for member, agent in self._agents.items() if member in members],
            copy.deepcopy(self.resolver),
            ignore_connection_errors=self.ignore_connection_errors,
            enforce_msg_payload_checks=self.enforce_msg_payload_checks,
        )
        inner = [pair for pair in self.connections() if members.issuperset(pair)]
        part.add_connections_from(inner, directed=True)
        part.resolver.reset()
        return part

    # ------------------------------------------------------------------ messages

    def send(self, sender_id: AgentID, receiver_id: AgentID, payload: Any) -> None:
        """Check a message and pass it to the resolver, which delivers it in the step's message resolution.

        Raises:
            NetworkError: if the agents are not connected, the payload's class is not decorated with
                `msg_payload`, or its rule forbids this sender or receiver.
        """
        self.send_all(sender_id, ((receiver_id, payload),))

    def send_all(self, sender_id: AgentID, messages: Iterable[tuple[AgentID, Any]]) -> None:
        """Check the messages that an agent returned, pairs `(receiver_id, payload)`, and pass them on.

        Raises NetworkError as `send` does, or if `messages` are not pairs.
        """
        self.send_each(((sender_id, messages),))

    def send_each(self, outgoing: Iterable[tuple[AgentID, Iterable[tuple[AgentID, Any]] | None]]) -> None:
        """As `send_all`, for the messages of several agents, each with the sender's id."""
        make, allowed, check = self.message_class, self._allowed, self.check_message
        inboxes = self.resolver.inboxes
        for sender_id, messages in outgoing:
            if not messages:
                continue
            try:
                for receiver_id, payload in messages:
                    kind = payload.__class__
                    if (sender_id, receiver_id, kind) in allowed or check(sender_id, receiver_id, kind):
                        inboxes[receiver_id].append(make(sender_id, receiver_id, payload))
            except (TypeError, ValueError, NetworkError) as error:
                _raise_if_not_pairs(sender_id, messages, error)
                raise

    def deliver(self, batches: Iterable[tuple[AgentID, Sequence[Message[Any]]]]) -> int:
        """For resolvers: deliver each batch to its receiver, in order, and send the receivers' responses.

        Return the number of messages whose receiver is not in the episode; they are not delivered. Raises
        NetworkError as `send_all` does, or if an agent has no handler for a message, and ResolverError if
        `batches` are not pairs of an id and messages.
        """
        contexts, make = self.contexts, self.message_class
        allowed, check = self._allowed, self.check_message
        inboxes = self.resolver.inboxes
        undelivered, sender_id, answers = 0, None, None
        try:
            if self.recorder is not None:
                batches = list(batches)
                self.recorder.on_round(batches)
            for sender_id, batch in batches:  # the receiver is the sender of the responses
                ctx = contexts.get(sender_id)
                if ctx is None:
                    undelivered += len(batch)
                    continue
                agent, handlers = ctx.agent, ctx.agent.direct_handlers
                if handlers is None:
                    self.send_all(sender_id, agent.handle_batch(ctx, batch))
                    continue
                for message in batch:
                    handler = handlers.get(message.payload.__class__)
                    answers = handler(agent, ctx, message) if handler else agent.handle_message(ctx, message)
                    if not answers:
                        continue
                    for receiver_id, payload in answers:
                        kind = payload.__class__
                        if (sender_id, receiver_id, kind) in allowed or check(sender_id, receiver_id, kind):
                            inboxes[receiver_id].append(make(sender_id, receiver_id, payload))
        except (TypeError, ValueError, AttributeError, NetworkError) as error:
            _raise_if_not_pairs(sender_id, answers or None, error)
            _raise_if_not_batches(batches, error)
            raise
        return undelivered

    def check_message(self, sender_id: AgentID, receiver_id: AgentID, payload_class: type) -> bool:
        """Check whether a message is allowed, or raise NetworkError; return False to drop it silently.

        Called for the first message of each sender, receiver and payload class. Allowed combinations are
        cached until agents or connections change. A subclass may allow more.
        """
        if not self.has_edge(sender_id, receiver_id):
            if self.ignore_connection_errors:
                return False
            raise NetworkError(_not_connected(self, sender_id, receiver_id, payload_class))
        if self._enforce_msg_payload_checks:
            sender, receiver = self._agents[sender_id], self._agents[receiver_id]
            classes = (type(sender), type(receiver), payload_class)
            if classes not in self._allowed_classes:
                _check_payload(sender, receiver, payload_class)
                self._allowed_classes.add(classes)
        self._allowed.add((sender_id, receiver_id, payload_class))
        self.payload_classes.add(payload_class)
        return True

    def resolve(self) -> None:
        """Deliver all messages to the agents that are in the episode."""
        try:
            self.resolver.resolve(self, self.contexts)
        finally:
            self.resolver.reset()

    # ------------------------------------------------------------------ episodes

    def begin_episode(self, episode_seed: int, values: SampledValues | None = None) -> None:
        """Called by the env at each reset: undo the changes of the last episode, and seed all agents.

        `values` are those of the env's samplers in this episode; None if none was drawn yet.
        """
        self._is_running = False
        self._undo()
        self._episode_seed = episode_seed
        self._sampled = SampledValues(episode_seed) if values is None else values
        self.bring_back()
        _check_resolver(self.resolver)  # it may have been replaced
        self.resolver.begin_episode(episode_seed)
        for agent in self._agents.values():
            agent.begin_episode(episode_seed, self._sampled)

    def reset(self) -> None:
        """Called by the env at each reset, after seeding: reset every agent in order."""
        agents, version = list(self._agents.values()), self.version
        for agent in agents:
            agent.reset()
        while version != self.version:  # an agent added another one
            known, version = {agent.id for agent in agents}, self.version
            joined = [agent for agent_id, agent in self._agents.items() if agent_id not in known]
            agents += joined
            for agent in joined:
                agent.reset()
        self._is_running = True

    def end_episode(self) -> None:
        """Called by the env at the end of an episode: later changes are not undone."""
        self._is_running = False

    def _before_change(self) -> None:
        if not self._is_running:
            self._undo()  # a change between episodes applies to the state before the last one
        elif self._before is None:
            self._before = list(self._agents.values()), self.connections()

    def _undo(self) -> None:
        """Restore the agents and connections from before the episode."""
        if self._before is not None:
            agents, connections = self._before
            self._before = None
            self._rebuild(agents, connections)

    def _changed(self) -> None:
        super()._changed()
        self._allowed.clear()


class Resolver(ABC):
    """Queues the messages that agents send, and delivers them in the step's message resolution.

    Attributes:
        undelivered: the number of messages of this episode whose receiver had left it.
        inboxes: where the network puts messages, with `inboxes[receiver_id].append(message)`; by default
            this calls `push`.
    """

    def __init__(self, *, enable_tracking: bool = False) -> None:
        self.undelivered = 0
        self.inboxes: Inboxes = PushEach(self)
        self._enable_tracking = enable_tracking
        self._tracked: list[Message[Any]] = []

    @property
    def enable_tracking(self) -> bool:
        """Whether all sent messages are kept in `tracked_messages`."""
        return self._enable_tracking

    @enable_tracking.setter
    def enable_tracking(self, enable: bool) -> None:
        self._enable_tracking = enable
        self._open_queue()

    @property
    def tracked_messages(self) -> list[Message[Any]]:
        """A copy of the messages sent since tracking was enabled or cleared, in order."""
        return list(self._tracked)

    def clear_tracked_messages(self) -> None:
        """Clear the tracked messages."""
        self._tracked.clear()

    def begin_episode(self, episode_seed: int) -> None:
        """Called at the start of each episode, before the agents reset."""
        self.undelivered = 0
        self.reset()

    def _open_queue(self) -> None:
        """Called when tracking is switched on or off."""

    @abstractmethod
    def push(self, message: Message[Any]) -> None:
        """Queue a message, which the network has checked."""

    @abstractmethod
    def resolve(self, network: Network, contexts: Mapping[AgentID, Context]) -> None:
        """Deliver all messages and the responses to them, until none is left.

        Args:
            network: the network; send responses with `network.send_all`.
            contexts: context by id of each agent in the episode. A message to any other agent is not
                delivered; count it in `undelivered`.
        """

    @abstractmethod
    def reset(self) -> None:
        """Drop the messages that were not delivered."""


class BatchResolver(Resolver):
    """Delivers messages in rounds: in each round, every receiver gets its messages as one batch.

    Receivers are ordered by when their first message was sent. Responses are delivered in the next round.
    """

    def __init__(
        self, *, enable_tracking: bool = False, round_limit: int | None = None, shuffle_batches: bool = False
    ) -> None:
        """Create a resolver.

        Args:
            enable_tracking: whether to keep all messages in `tracked_messages`.
            round_limit: the maximum number of rounds in a step. Messages left after it are an error. None
                for no limit, except that more than 1000 rounds are an error too.
            shuffle_batches: whether to shuffle each receiver's batch, seeded by the episode's seed.

        Raises:
            ConfigError: if `round_limit` is not positive.
        """
        super().__init__(enable_tracking=enable_tracking)
        if round_limit is not None and round_limit < 1:
            expected = "Expected a positive number, or None for no limit."
            raise ConfigError(f"BatchResolver got round_limit={round_limit}. {expected}")
        self.round_limit = round_limit
        self.shuffle_batches = shuffle_batches
        self._queue: defaultdict[AgentID, list[Message[Any]]] = defaultdict(list)
        self._open_queue()
        self._random = random.Random(0)  # noqa: S311  replaced in begin_episode

    def begin_episode(self, episode_seed: int) -> None:
        """Called at the start of each episode: seed the shuffling and drop old messages."""
        super().begin_episode(episode_seed)
        if self.shuffle_batches:
            self._random = make_random(episode_seed, "resolver")

    def push(self, message: Message[Any]) -> None:
        """Add the message to its receiver's batch of the next round."""
        if self.enable_tracking:
            self._tracked.append(message)
        self._queue[message.receiver_id].append(message)

    def resolve(self, network: Network, contexts: Mapping[AgentID, Context]) -> None:
        """Deliver rounds of messages until there are no responses, or raise ResolverError at the limit."""
        queue, rounds = self._queue, 0
        limit = MAX_ROUNDS if self.round_limit is None else self.round_limit
        while queue:
            if rounds == limit:
                self._give_up(rounds)
            rounds += 1
            batches = list(queue.items())
            queue.clear()
            if self.shuffle_batches:
                for _, batch in batches:
                    self._random.shuffle(batch)
            self.undelivered += network.deliver(batches)

    def reset(self) -> None:
        """Drop the messages that were not delivered."""
        self._queue.clear()

    def _open_queue(self) -> None:
        """Let the network append to the queue directly, unless `push` must see each message."""
        is_pushed = self._enable_tracking or type(self).push is not BatchResolver.push
        self.inboxes = PushEach(self) if is_pushed else self._queue

    def _give_up(self, rounds: int) -> None:
        left = [message for batch in self._queue.values() for message in batch]
        self._queue.clear()
        first = left[0]
        named = f"{first.sender_id!r} → {first.receiver_id!r} {type(first.payload).__name__}"
        if self.round_limit is None:
            raise ResolverError(
                f"Agents were still answering one another after {rounds} rounds: {len(left)} messages are "
                f"undelivered, first: {named}. Stop replying in one of the two agents, or set a round_limit."
            )
        raise ResolverError(
            f"{len(left)} messages are still undelivered after {rounds} rounds "
            f"(round_limit={self.round_limit}), first: {named}. Raise round_limit or stop replying."
        )


class Inboxes(Protocol):
    """The inboxes by receiver id."""

    def __getitem__(self, receiver_id: AgentID, /) -> Any:
        """Return the inbox of a receiver: what has `append(message)`, which queues a checked message."""


class PushEach:
    """Inboxes that pass each message to the resolver's `push`."""

    __slots__ = ("_resolver",)

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def __getitem__(self, receiver_id: AgentID) -> PushEach:
        return self

    def append(self, message: Message[Any]) -> None:
        """Pass a message to the resolver."""
        self._resolver.push(message)


class MessageRecorder(Protocol):
    """What is set as `network.recorder`: is given every round of messages, and must not change them."""

    def on_round(self, batches: Sequence[tuple[AgentID, Sequence[Message[Any]]]]) -> None:
        """Called with each round of messages just before it is delivered.

        A resolver delivers a round by `network.deliver`; the default one delivers the answers to the
        messages of a round in the next. An exception here is raised by `env.step`, and the round is not
        delivered.

        Args:
            batches: pairs of a receiver's id and its messages, in the order of delivery. Messages to
                agents that have left the episode are among them. The lists are the resolver's own, and
                handlers may change what a payload refers to: copy what is kept.
        """


def _check_resolver(resolver: object) -> None:
    """Raise ConfigError if an object is not a `Resolver`, or `Resolver.__init__` was not called."""
    if not isinstance(resolver, Resolver):
        expected = "Expected an object of a ph.Resolver, such as ph.BatchResolver()."
        raise ConfigError(f"The network got resolver={resolver!r}. {expected}")
    if not hasattr(resolver, "inboxes"):
        cls = type(resolver).__name__
        raise ConfigError(f"{cls} was not initialised. Call super().__init__() in {cls}.__init__.")


def _check_payload(sender: Agent, receiver: Agent, payload_class: type) -> None:
    """Raise NetworkError if the rule of a payload class forbids this sender or receiver, or it has none."""
    name = payload_class.__name__
    sent = f"Agent {sender.id!r} sent {name} to {receiver.id!r}, but {name}"
    rule = payload_rule(payload_class)
    if rule is None:
        cure = f"Decorate the class {name} with @msg_payload()."
        if payload_class.__module__ == "builtins":
            cure = "Send an object of a class decorated with @msg_payload()."
        raise NetworkError(f"{sent} is not a message payload. {cure}")
    for role, agent, allowed in (("sender", sender, rule.senders), ("receiver", receiver, rule.receivers)):
        if not is_allowed(type(agent), allowed):
            raise NetworkError(
                f"{sent} allows as {role} only {_names(allowed)}; {agent.id!r} is a {type(agent).__name__}. "
                f"Change the {role}_type of {name}, or send another payload."
            )


def _not_connected(topology: Topology, sender_id: AgentID, receiver_id: AgentID, payload_class: type) -> str:
    """Return the message of the error about a message between agents that are not connected."""
    agents = topology.agents
    sent = f"Agent {sender_id!r} sent {payload_class.__name__} to {receiver_id!r}, but "
    if sender_id not in agents:
        hint = f"{did_you_mean(sender_id, agents)} Its agents: {listing(agents)}."
        return f"{sent}the network has no agent {sender_id!r}.{hint}"
    if receiver_id not in agents:
        others = listing(topology.neighbours_of(sender_id))
        hint = f"{did_you_mean(receiver_id, agents)} {sender_id!r} is connected to: {others}."
        return f"{sent}there is no such agent.{hint}"
    if sender_id == receiver_id:
        cure = f"Call network.add_connection({sender_id!r}, {sender_id!r}) if it is to send to itself."
        return f"{sent}an agent is not connected to itself. {cure}"
    return f"{sent}they are not connected. Call network.add_connection({sender_id!r}, {receiver_id!r})."


def _raise_if_not_pairs(sender_id: AgentID, messages: object, error: Exception) -> None:
    """Raise NetworkError if messages caused an error because they are not pairs."""
    if isinstance(messages, (list, tuple)):
        are_pairs = all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in messages)  # noqa: PLR2004
    else:
        are_pairs = messages is None or (  # a generator may raise its own error
            isinstance(messages, Iterable) and not isinstance(messages, (Mapping, str, bytes))
        )
    if not are_pairs:
        expected = "Expected a list of pairs (receiver_id, payload), such as [('SHOP', Order(3))]."
        raise NetworkError(f"Agent {sender_id!r} returned {messages!r} as messages. {expected}") from error


def _raise_if_not_batches(batches: object, error: Exception) -> None:
    """Raise ResolverError if batches caused an error because they are no pairs of an id and messages."""
    items = batches if isinstance(batches, (list, tuple)) else ()
    for item in items:
        is_pair = isinstance(item, (list, tuple)) and len(item) == 2  # noqa: PLR2004
        if not is_pair or not isinstance(item[1], Sequence) or isinstance(item[1], (str, bytes)):
            raise ResolverError(
                f"The resolver called network.deliver with {item!r}. Expected pairs of a receiver's id and a "
                "list of its messages: network.deliver([(message.receiver_id, [message])])."
            ) from error


def _names(allowed: tuple[AgentType, ...] | None) -> str:
    return ", ".join(kind if isinstance(kind, str) else kind.__name__ for kind in allowed or ())
