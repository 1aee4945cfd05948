"""Who is connected to whom: `Network` checks each message and hands it to the resolver."""

from __future__ import annotations

from collections.abc import Callable, Iterable, KeysView, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from phantom_core.errors import ConfigError, NetworkError, did_you_mean, listing
from phantom_core.types import AgentID
from phantom_core.world.agents import Agent
from phantom_core.world.context import Context
from phantom_core.world.messages import AgentType, Message, is_allowed, payload_rule
from phantom_core.world.resolvers import BatchResolver, Resolver
from phantom_core.world.samplers import SampledValues

AgentT = TypeVar("AgentT", bound=Agent)


class Network:
    """The agents of an env and the connections over which they may send messages.

    Attributes:
        resolver: decides in what order messages are delivered.
        ignore_connection_errors: whether a message between unconnected agents is dropped in silence
            instead of being an error.
        enforce_msg_payload_checks: whether the rules of `msg_payload` are checked.
        version: counts the changes of agents and connections; whoever builds tables from the network
            builds them again when it changed.
    """

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
            ConfigError: for a duplicate or unknown agent id.
        """
        self.resolver = BatchResolver() if resolver is None else resolver
        self.ignore_connection_errors = ignore_connection_errors
        self.enforce_msg_payload_checks = enforce_msg_payload_checks
        self.version = 0
        self._agents: dict[AgentID, Agent] = {}
        self._neighbours: dict[AgentID, dict[AgentID, None]] = {}
        self._allowed: set[tuple[AgentID, AgentID, type]] = set()
        self._episode_seed: int | None = None
        self._sampled: SampledValues | None = None
        self.add_agents(agents)
        self.add_connections_from(connections)

    @property
    def agents(self) -> Mapping[AgentID, Agent]:
        """Agent by id, in the order in which they were added (read-only)."""
        return MappingProxyType(self._agents)

    @property
    def agent_ids(self) -> KeysView[AgentID]:
        """The ids of all agents, in the order in which they were added."""
        return self._agents.keys()

    def add_agent(self, agent: Agent) -> None:
        """Add an agent without connections. During an episode it draws from the episode's seed.

        Raises:
            ConfigError: if the network already has an agent with this id.
        """
        if agent.id in self._agents:
            msg = (
                f"The network already has an agent {agent.id!r} ({self._agents[agent.id]!r}). "
                f"Give {agent!r} another id."
            )
            raise ConfigError(msg)
        self._agents[agent.id] = agent
        self._neighbours[agent.id] = {}
        if self._episode_seed is not None:
            agent.begin_episode(self._episode_seed, self._sampled)
        self._changed()

    def add_agents(self, agents: Iterable[Agent]) -> None:
        """Add several agents without connections."""
        for agent in agents:
            self.add_agent(agent)

    def add_connection(self, u: AgentID, v: AgentID) -> None:
        """Connect two agents in both directions.

        Raises:
            ConfigError: if the network has no agent with one of the ids.
        """
        for agent_id in (u, v):
            self._require(agent_id)
        self._neighbours[u][v] = None
        self._neighbours[v][u] = None
        self._changed()

    def add_connections_from(self, connections: Iterable[tuple[AgentID, AgentID]]) -> None:
        """Connect each pair of ids in both directions."""
        for u, v in connections:
            self.add_connection(u, v)

    def add_connections_between(self, us: Iterable[AgentID], vs: Iterable[AgentID]) -> None:
        """Connect each agent of the first group with each of the second, in both directions."""
        others = list(vs)
        for u in us:
            for v in others:
                self.add_connection(u, v)

    def has_edge(self, sender_id: AgentID, receiver_id: AgentID) -> bool:
        """Tell whether one agent may send to another."""
        return receiver_id in self._neighbours.get(sender_id, ())

    def neighbours_of(self, agent_id: AgentID) -> list[AgentID]:
        """Return the ids that an agent may send to, in the order in which they were connected."""
        self._require(agent_id)
        return list(self._neighbours[agent_id])

    def get_agents_where(self, predicate: Callable[[Agent], bool]) -> dict[AgentID, Agent]:
        """Return the agents for which the predicate holds, by id."""
        return {agent_id: agent for agent_id, agent in self._agents.items() if predicate(agent)}

    def get_agents_with_type(self, agent_class: type[AgentT]) -> dict[AgentID, AgentT]:
        """Return the agents of a class (or of a subclass), by id."""
        return {i: agent for i, agent in self._agents.items() if isinstance(agent, agent_class)}

    def get_agents_without_type(self, agent_class: type[Agent]) -> dict[AgentID, Agent]:
        """Return the agents that are not of a class, by id."""
        return self.get_agents_where(lambda agent: not isinstance(agent, agent_class))

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
        allowed, push = self._allowed, self.resolver.push
        try:
            for receiver_id, payload in messages:
                if (sender_id, receiver_id, payload.__class__) in allowed or self._check(
                    sender_id, receiver_id, payload.__class__
                ):
                    push(Message(sender_id, receiver_id, payload))
        except (TypeError, ValueError) as error:
            if _are_pairs(messages):
                raise
            raise NetworkError(
                f"Agent {sender_id!r} returned {messages!r} as messages. Expected a list of pairs "
                "(receiver_id, payload), such as [('SHOP', Order(3))]."
            ) from error

    def resolve(self, contexts: Mapping[AgentID, Context]) -> None:
        """Deliver all messages to the agents that have a context."""
        try:
            self.resolver.resolve(self, contexts)
        finally:
            self.resolver.reset()

    def begin_episode(self, episode_seed: int, values: SampledValues | None = None) -> None:
        """Called by the env at each reset: seed the resolver and every agent, drop old messages.

        Args:
            episode_seed: what all random streams of the episode follow from.
            values: the values of the env's samplers in this episode; None: none was drawn yet.
        """
        self._episode_seed = episode_seed
        self._sampled = SampledValues(episode_seed) if values is None else values
        self.resolver.begin_episode(episode_seed)
        for agent in self._agents.values():
            agent.begin_episode(episode_seed, self._sampled)

    def reset(self) -> None:
        """Called by the env at each reset, when all is seeded: reset every agent in order."""
        for agent in list(self._agents.values()):
            agent.reset()

    def _changed(self) -> None:
        self.version += 1
        self._allowed.clear()

    def _require(self, agent_id: AgentID) -> None:
        if agent_id not in self._agents:
            msg = (
                f"The network has no agent {agent_id!r}.{did_you_mean(agent_id, self._agents)} "
                f"Its agents: {listing(self._agents)}. Add it with network.add_agent first."
            )
            raise ConfigError(msg)

    def _check(self, sender_id: AgentID, receiver_id: AgentID, payload_class: type) -> bool:
        """Check a route that is not known to be allowed; False: drop the message in silence."""
        if not self.has_edge(sender_id, receiver_id):
            if self.ignore_connection_errors:
                return False
            raise NetworkError(self._not_connected(sender_id, receiver_id, payload_class))
        if self.enforce_msg_payload_checks:
            self._check_payload(sender_id, receiver_id, payload_class)
        self._allowed.add((sender_id, receiver_id, payload_class))
        return True

    def _not_connected(self, sender_id: AgentID, receiver_id: AgentID, payload_class: type) -> str:
        sent = f"Agent {sender_id!r} sent {payload_class.__name__} to {receiver_id!r}, but "
        if sender_id not in self._agents:
            return (
                f"{sent}the network has no agent {sender_id!r}.{did_you_mean(sender_id, self._agents)} "
                f"Its agents: {listing(self._agents)}."
            )
        if receiver_id not in self._agents:
            return (
                f"{sent}there is no such agent.{did_you_mean(receiver_id, self._agents)} "
                f"{sender_id!r} is connected to: {listing(self._neighbours[sender_id])}."
            )
        return f"{sent}they are not connected. Call network.add_connection({sender_id!r}, {receiver_id!r})."

    def _check_payload(self, sender_id: AgentID, receiver_id: AgentID, payload_class: type) -> None:
        name = payload_class.__name__
        rule = payload_rule(payload_class)
        if rule is None:
            msg = (
                f"Agent {sender_id!r} sent {name} to {receiver_id!r}, but {name} is not a message payload. "
                f"Decorate the class {name} with @msg_payload()."
            )
            raise NetworkError(msg)
        for role, agent_id, allowed in (
            ("sender", sender_id, rule.senders),
            ("receiver", receiver_id, rule.receivers),
        ):
            agent_class = type(self._agents[agent_id])
            if not is_allowed(agent_class, allowed):
                msg = (
                    f"Agent {sender_id!r} sent {name} to {receiver_id!r}, but {name} allows as {role} only "
                    f"{_names(allowed)}; {agent_id!r} is a {agent_class.__name__}. Change the {role}_type of "
                    f"{name}, or send another payload."
                )
                raise NetworkError(msg)

    def __getitem__(self, agent_id: AgentID) -> Agent:
        """Return the agent with this id.

        Raises:
            KeyError: if there is none.
        """
        return self._agents[agent_id]

    def __contains__(self, agent_id: object) -> bool:
        """Tell whether the network has an agent with this id."""
        return agent_id in self._agents

    def __len__(self) -> int:
        """Return the number of agents."""
        return len(self._agents)


def _names(allowed: tuple[AgentType, ...] | None) -> str:
    return ", ".join(kind if isinstance(kind, str) else kind.__name__ for kind in allowed or ())


def _are_pairs(messages: object) -> bool:
    """Tell whether messages look right, so that an error came from elsewhere (as from a generator)."""
    if not isinstance(messages, (list, tuple)):
        return isinstance(messages, Iterable)
    return all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in messages)  # noqa: PLR2004
