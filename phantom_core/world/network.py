"""Who is connected to whom: `Network` checks each message and hands it to the resolver."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, Self

from phantom_core.types import AgentID
from phantom_core.world.agents import Agent
from phantom_core.world.messages import Message
from phantom_core.world.resolvers import BatchResolver, Resolver, check_resolver
from phantom_core.world.round_watch import RoundWatch
from phantom_core.world.routes import Routes, raise_if_not_batches, raise_if_not_pairs
from phantom_core.world.samplers import SampledValues
from phantom_core.world.topology import Topology


class Network(Topology):
    """The agents of an env and the connections over which they may send messages.

    Agents and connections may be added and removed at any time, also during an episode. An agent that
    joins in an episode is reset at once and takes part from then on; one that is removed is not asked
    again, and messages that are on their way to it are counted in `resolver.undelivered`. What changed
    in an episode is undone at the next reset.

    Attributes:
        message_class: what a message is; called with sender id, receiver id and payload.
        resolver: decides in what order messages are delivered.
        recorder: is told of each round of messages before it is delivered; set by the env's recorder.
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
            agents: the first agents; their order is the order in which they act.
            resolver: decides in what order messages are delivered; default `BatchResolver()`.
            connections: pairs of ids, each connected in both directions.
            ignore_connection_errors: drop messages between unconnected agents in silence.
            enforce_msg_payload_checks: check the rules of `msg_payload`.

        Raises:
            ConfigError: for a duplicate or unknown agent id, and for what is no agent, resolver or pair.
        """
        super().__init__()
        if resolver is not None:
            check_resolver(resolver)
        self.resolver = BatchResolver() if resolver is None else resolver
        self.recorder: RoundWatch | None = None
        self._routes = Routes(
            self._agents,
            self._connections,
            ignore_connection_errors=ignore_connection_errors,
            enforce_msg_payload_checks=enforce_msg_payload_checks,
        )
        self._episode_seed: int | None = None
        self._sampled: SampledValues | None = None
        self._is_running = False
        self._before: tuple[list[Agent], list[tuple[AgentID, AgentID]]] | None = None
        self.add_agents(agents)
        self.add_connections_from(connections)

    def add_agent(self, agent: Agent) -> None:
        """Add an agent without connections. In an episode it is seeded and reset at once.

        Raises:
            ConfigError: if it is no agent, was not initialised, or the network already has one with its id.
        """
        super().add_agent(agent)
        if self._episode_seed is not None:
            agent.begin_episode(self._episode_seed, self._sampled)
        if self._is_running:
            agent.reset()

    @property
    def ignore_connection_errors(self) -> bool:
        """Whether a message between unconnected agents is dropped in silence instead of an error."""
        return self._routes.ignore_connection_errors

    @ignore_connection_errors.setter
    def ignore_connection_errors(self, ignore: bool) -> None:
        self._routes.ignore_connection_errors = ignore

    @property
    def enforce_msg_payload_checks(self) -> bool:
        """Whether the rules of `msg_payload` are checked."""
        return self._routes.enforce_msg_payload_checks

    @enforce_msg_payload_checks.setter
    def enforce_msg_payload_checks(self, enforce: bool) -> None:
        self._routes.enforce_msg_payload_checks = enforce
        self._routes.forget()

    def subnet_for(self, agent_id: AgentID) -> Self:
        """Return a network of the agent, its neighbours and the connections among them.

        It has the same agents, and a resolver of its own with the same settings and no messages.

        Raises:
            ConfigError: if there is no agent with this id.
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
        inner = [pair for pair in self._connections.pairs() if members.issuperset(pair)]
        part.add_connections_from(inner, directed=True)
        part.resolver.reset()
        return part

    # ------------------------------------------------------------------ messages

    @property
    def payload_classes(self) -> AbstractSet[type]:
        """The classes of the payloads that were sent so far."""
        return self._routes.payload_classes

    def send(self, sender_id: AgentID, receiver_id: AgentID, payload: Any) -> None:
        """Check a message and hand it to the resolver, which delivers it when the step resolves.

        Raises:
            NetworkError: if the agents are not connected, the payload's class was not decorated with
                `msg_payload`, or its rule forbids this sender or receiver.
        """
        self.send_all(sender_id, ((receiver_id, payload),))

    def send_all(self, sender_id: AgentID, messages: Iterable[tuple[AgentID, Any]]) -> None:
        """Check what an agent returned as messages, and hand it to the resolver.

        Args:
            sender_id: the agent.
            messages: pairs `(receiver_id, payload)`.

        Raises:
            NetworkError: as in `send`, or if these are no pairs.
        """
        self.send_each(((sender_id, messages),))

    def send_each(self, outgoing: Iterable[tuple[AgentID, Iterable[tuple[AgentID, Any]] | None]]) -> None:
        """Check what several agents returned as messages, and hand it to the resolver.

        Args:
            outgoing: pairs of a sender's id and its pairs `(receiver_id, payload)`, or None for none.

        Raises:
            NetworkError: as in `send`, or if these are no pairs.
        """
        make, allowed, check = self.message_class, self._routes.allowed, self.check_message
        inboxes = self.resolver.inboxes
        for sender_id, messages in outgoing:
            if not messages:
                continue
            try:
                for receiver_id, payload in messages:
                    kind = payload.__class__
                    if (sender_id, receiver_id, kind) in allowed or check(sender_id, receiver_id, kind):
                        inboxes[receiver_id].append(make(sender_id, receiver_id, payload))
            except (TypeError, ValueError) as error:
                raise_if_not_pairs(sender_id, messages, error)
                raise

    def deliver(self, batches: Iterable[tuple[AgentID, Sequence[Message[Any]]]]) -> int:
        """For resolvers: hand each batch to its receiver, and send what the receivers answer.

        Args:
            batches: pairs of a receiver's id and its messages, in the order of delivery.

        Returns:
            The number of messages whose receiver is not in the episode; they are not delivered.

        Raises:
            NetworkError: as `send_all`, or if an agent has no handler for a message.
            ResolverError: if these are no pairs of an id and messages.
        """
        contexts, make = self.contexts, self.message_class
        allowed, check = self._routes.allowed, self.check_message
        inboxes = self.resolver.inboxes
        undelivered, sender_id, answers = 0, None, None
        try:
            if self.recorder is not None:
                batches = list(batches)
                self.recorder.on_round(batches)
            for sender_id, batch in batches:  # who receives now sends the answers
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
        except (TypeError, ValueError, AttributeError) as error:
            raise_if_not_pairs(sender_id, answers or None, error)
            raise_if_not_batches(batches, error)
            raise
        return undelivered

    def check_message(self, sender_id: AgentID, receiver_id: AgentID, payload_class: type) -> bool:
        """Called when a message is sent of which none was allowed before; False: drop it in silence.

        What is allowed is remembered until agents or connections change. A subclass may allow more.

        Raises:
            NetworkError: as in `send`.
        """
        return self._routes.check(sender_id, receiver_id, payload_class)

    def resolve(self) -> None:
        """Deliver all messages to the agents that are in the episode."""
        try:
            self.resolver.resolve(self, self.contexts)
        finally:
            self.resolver.reset()

    # ------------------------------------------------------------------ episodes

    def begin_episode(self, episode_seed: int, values: SampledValues | None = None) -> None:
        """Called by the env at each reset: undo what the last episode changed, and seed everybody.

        Args:
            episode_seed: what all random streams of the episode follow from.
            values: the values of the env's samplers in this episode; None: none was drawn yet.
        """
        self._is_running = False
        self._undo()
        self._episode_seed = episode_seed
        self._sampled = SampledValues(episode_seed) if values is None else values
        self.bring_back()
        check_resolver(self.resolver)  # somebody may have set another one
        self.resolver.begin_episode(episode_seed)
        for agent in self._agents.values():
            agent.begin_episode(episode_seed, self._sampled)

    def reset(self) -> None:
        """Called by the env at each reset, when all is seeded: reset every agent in order."""
        agents, version = list(self._agents.values()), self.version
        for agent in agents:
            agent.reset()
        while version != self.version:  # one of them added another
            known, version = {agent.id for agent in agents}, self.version
            joined = [agent for agent_id, agent in self._agents.items() if agent_id not in known]
            agents += joined
            for agent in joined:
                agent.reset()
        self._is_running = True

    def end_episode(self) -> None:
        """Called by the env at the end of an episode: what changes from now on is not undone."""
        self._is_running = False

    def _before_change(self) -> None:
        if not self._is_running:
            self._undo()  # what changes now is added to what was before the episode
        elif self._before is None:
            self._before = list(self._agents.values()), self.connections()

    def _undo(self) -> None:
        """Have the agents and connections again that there were before the episode changed them."""
        if self._before is not None:
            agents, connections = self._before
            self._before = None
            self._rebuild(agents, connections)

    def _changed(self) -> None:
        super()._changed()
        self._routes.forget()
