"""Who is connected to whom, and which messages are allowed."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

import phantom_core as ph
from phantom._layer.live_context import LiveContext
from phantom.agents import Agent
from phantom.context import Context
from phantom.message import Message, MsgPayload
from phantom.resolvers import BatchResolver, Resolver
from phantom.telemetry import logger
from phantom.types import AgentID
from phantom.utils.samplers import ComparableSampler
from phantom.views import EnvView

if TYPE_CHECKING:
    import networkx as nx

NetworkError = ph.errors.NetworkError
_HOLLOW = 1e-5


class Network(ph.Network):
    """Agents and connections; each connection goes both ways.

    Attributes:
        is_special: whether a message may be on its way over a connection that never was, or each has to
            go through `send`, which a subclass overrides.
        everybody: the contexts of all agents in play, as the env knows them.
        resolved_version: the version of the network when messages were last resolved; while it is this
            one, no connection was removed under a message.
    """

    message_class: ClassVar[Any] = Message
    context_class: ClassVar[Any] = LiveContext
    is_special = False

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Let every message go through `send` where a subclass overrides it."""
        super().__init_subclass__(**kwargs)
        if "send" in vars(cls):
            cls.is_special = True
            cls.send_each = _send_one_by_one  # type: ignore[method-assign, assignment]  # the same, one by one

    def __init__(
        self,
        agents: Iterable[Agent] | None = None,
        resolver: Resolver | None = None,
        connections: Iterable[tuple[AgentID, AgentID]] | None = None,
        ignore_connection_errors: bool = False,
        enforce_msg_payload_checks: bool = True,
    ) -> None:
        self._graph: tuple[int, Any] | None = None
        self._has_warned = False
        self.resolved_version = 0
        self.everybody: Any = None
        super().__init__(
            resolver=BatchResolver() if resolver is None else resolver,
            ignore_connection_errors=ignore_connection_errors,
            enforce_msg_payload_checks=enforce_msg_payload_checks,
        )
        self.add_agents(agents or ())
        self.add_connections_from(connections or ())

    @property
    def graph(self) -> "nx.DiGraph[AgentID]":
        """The agents and connections as a directed graph of networkx, to read from; made when asked for."""
        if self._graph is None or self._graph[0] != self.version:
            import networkx as nx

            self._graph = self.version, nx.freeze(self.to_networkx())
        return self._graph[1]

    # ------------------------------------------------------------------ agents and connections

    def add_agent(self, agent: Any) -> None:
        """Add an agent.

        Raises:
            ValueError: if there is one with its id.
        """
        if agent.id in self.agents:
            raise ValueError(f"Agent with id '{agent.id}' already exists in the network. Give it another id.")
        super().add_agent(agent)

    def add_connection(self, u: AgentID, v: AgentID, *, directed: bool = False) -> None:
        """Connect two agents in both directions.

        Raises:
            ValueError: if the network has no agent with one of the ids.
        """
        for agent_id in (u, v):
            if agent_id not in self.agents:
                raise ValueError(f"Agent with id '{agent_id}' does not exist in the network. Add it first.")
        super().add_connection(u, v, directed=directed)

    def add_connections_with_adjmat(  # type: ignore[override]  # the predecessor has no directed connections
        self, agent_ids: Sequence[AgentID], adjacency_matrix: np.ndarray
    ) -> None:
        """Connect the agents whose entry in a symmetric matrix is positive.

        Raises:
            ValueError: if the ids do not fit the matrix, or it is not square, symmetric and hollow.
        """
        matrix = np.asarray(adjacency_matrix)
        if len(agent_ids) != matrix.shape[0]:
            raise ValueError("Number of agent IDs doesn't match adjacency matrix dimensions.")
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:  # noqa: PLR2004  rows and columns
            raise ValueError("Adjacency matrix must be square.")
        if not (matrix.transpose() == matrix).all():
            raise ValueError("Adjacency matrix must be symmetric.")
        if not (np.abs(np.diagonal(matrix)) < _HOLLOW).all():
            raise ValueError("Adjacency matrix must be hollow.")
        for row, agent_id in enumerate(agent_ids):
            for column in range(row + 1, len(agent_ids)):
                if matrix[row, column] > 0:
                    self.add_connection(agent_id, agent_ids[column])

    def withdraw(self, agent_ids: Iterable[AgentID]) -> None:
        """Called by the env for agents that ended: their neighbours go on seeing them."""
        for agent_id in agent_ids:
            self.contexts.pop(agent_id, None)
        self.has_withdrawn = True
        self.version += 1

    def subnet_for(self, agent_id: AgentID) -> Self:
        """Return a network of the agent and its neighbours, with a resolver of its own."""
        part = super().subnet_for(agent_id)
        part._graph = None
        return part

    # ------------------------------------------------------------------ episodes, contexts and messages

    def reset(self) -> None:
        """Reset the resolver, then every agent in order."""
        self.bring_back()
        self.resolver.reset()
        super().reset()
        self.end_episode()  # what programs change in an episode stays as it is

    def context_for(self, agent_id: AgentID, env_view: EnvView) -> Context:
        """Return what an agent sees now."""
        views = {i: self.agents[i].view(agent_id) for i in self.neighbours_of(agent_id)}
        return Context(self.agents[agent_id], views, env_view)

    def send(self, sender_id: AgentID, receiver_id: AgentID, payload: Any) -> None:
        """Check a message and hand it to the resolver.

        Raises:
            NetworkError: if there is no connection; or the payload's class is not decorated, or not
                allowed for the sender or the receiver.
        """
        ph.Network.send_each(self, ((sender_id, ((receiver_id, payload),)),))

    def resolve(self, contexts: Mapping[AgentID, Any] | None = None) -> None:
        """Deliver all messages to the agents that have a context; then drop what is left."""
        if logger.is_on:
            logger.log_start_resolving_msgs()
        resolver = self.resolver
        resolver.resolve(self, self.contexts if contexts is None else contexts)
        resolver.reset()
        self.resolved_version = self.version

    def check_message(self, sender_id: AgentID, receiver_id: AgentID, payload_class: type) -> bool:
        """Check a kind of message that was not sent before.

        Raises:
            NetworkError: if there is no connection; or the payload's class is not decorated, or not
                allowed for the sender or the receiver.
        """
        if issubclass(payload_class, MsgPayload) and not hasattr(payload_class, "_sender_types"):
            if not self.has_edge(sender_id, receiver_id):
                return super().check_message(sender_id, receiver_id, payload_class)
            if self.enforce_msg_payload_checks and not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"{payload_class.__name__} derives from MsgPayload. Decorate it with @msg_payload() "
                    "instead.",
                    DeprecationWarning,
                    stacklevel=2,
                )
            return True
        is_connected = super().check_message(sender_id, receiver_id, payload_class)
        if not is_connected and not self.is_special:
            self.is_special = True
            self.version += 1  # this very message is looked at too
        return True


class StochasticNetwork(Network):
    """A network whose connections are drawn anew at each reset, from NumPy's global generator."""

    def __init__(
        self,
        agents: Iterable[Agent] | None = None,
        resolver: Resolver | None = None,
        connections: Iterable[Any] | None = None,
        ignore_connection_errors: bool = False,
        enforce_msg_payload_checks: bool = True,
    ) -> None:
        self._base_connections: list[tuple[AgentID, AgentID, Any]] = []
        super().__init__(agents, resolver, connections, ignore_connection_errors, enforce_msg_payload_checks)

    def add_connection(self, u: AgentID, v: AgentID, rate: Any = 1.0, *, directed: bool = False) -> None:
        """Connect two agents in both directions, with this probability at each reset.

        Raises:
            ValueError: if the network has no agent with one of the ids.
        """
        for agent_id in (u, v):
            if agent_id not in self.agents:
                raise ValueError(f"Agent with id '{agent_id}' does not exist in the network. Add it first.")
        if directed:  # a part of a network that was drawn
            super().add_connection(u, v, directed=True)
            return
        self._base_connections.append((u, v, rate))
        self._draw(u, v, rate)

    def add_connections_from(self, connections: Iterable[Any], *, directed: bool = False) -> None:
        """Add connections given as `(u, v)` or `(u, v, rate)`.

        Raises:
            ValueError: if one has another length.
        """
        for connection in connections:
            if len(connection) not in (2, 3):
                raise ValueError(f"Got the connection {connection!r}. Expected (u, v) or (u, v, rate).")
            self.add_connection(*connection, directed=directed)

    def add_connections_between(  # type: ignore[override]  # likewise
        self, us: Iterable[AgentID], vs: Iterable[AgentID], rate: float | ComparableSampler[Any] = 1.0
    ) -> None:
        """Connect each agent of the first group with each of the second."""
        others = list(vs)
        for u in us:
            for v in others:
                self.add_connection(u, v, rate)

    def subnet_for(self, agent_id: AgentID) -> Self:
        """Return a network of the agent and its neighbours, which draws their connections."""
        part = super().subnet_for(agent_id)
        known = part.agents
        part._base_connections = [c for c in self._base_connections if c[0] in known and c[1] in known]
        return part

    def resample_connectivity(self) -> None:
        """Draw all connections anew."""
        for u, v in self.connections():
            super().remove_connection(u, v, directed=True)
        for u, v, rate in self._base_connections:
            self._draw(u, v, rate)

    def reset(self) -> None:
        """Draw all connections, then reset the resolver and every agent."""
        self.resample_connectivity()
        super().reset()

    def _draw(self, u: AgentID, v: AgentID, rate: Any) -> None:
        draw = np.random.random()
        if isinstance(rate, ComparableSampler) and rate.value is None:
            return  # it is sampled before the first reset
        if draw < rate:
            super().add_connection(u, v)


def _send_one_by_one(self: Network, outgoing: Iterable[tuple[AgentID, Iterable[Any] | None]]) -> None:
    for sender_id, messages in outgoing:
        for receiver_id, payload in messages or ():
            self.send(sender_id, receiver_id, payload)
