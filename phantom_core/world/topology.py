"""`Topology`: agents and their connections, the part of a network without messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from phantom_core.errors import ConfigError, did_you_mean, listing
from phantom_core.types import AgentID
from phantom_core.world.agents import Agent, AgentView, Context, ViewFrame, check_agent

if TYPE_CHECKING:
    import networkx as nx

AgentT = TypeVar("AgentT", bound=Agent)


class Topology:
    """The agents of an env, their connections, and their contexts.

    Attributes:
        version: incremented when agents or connections change, to invalidate caches derived from them.
        frame: holds the env view that all contexts share.
        contexts: context by id of each agent in the episode; always up to date.
        has_withdrawn: whether agents were withdrawn from the episode.
        context_class: the class of contexts; called with an agent, a dict of views by neighbour id that is
            kept up to date, and the frame.
    """

    context_class: ClassVar[type[Any]] = Context

    def __init__(self) -> None:
        self.version = 0
        self.frame = ViewFrame()
        self.contexts: dict[AgentID, Context] = {}
        self.has_withdrawn = False
        self._agents: dict[AgentID, Agent] = {}
        # Whom each agent may send to, and who may send to it. Dicts serve as ordered sets, so that neighbours
        # keep the order in which they were connected.
        self._receivers: dict[AgentID, dict[AgentID, None]] = {}
        self._senders: dict[AgentID, dict[AgentID, None]] = {}
        self._views: dict[AgentID, dict[AgentID, AgentView | None]] = {}

    # ------------------------------------------------------------------ agents

    @property
    def agents(self) -> Mapping[AgentID, Agent]:
        """Agent by id, in the order in which they were added (read-only)."""
        return MappingProxyType(self._agents)

    @property
    def agent_ids(self) -> KeysView[AgentID]:
        """The ids of all agents, in the order in which they were added."""
        return self._agents.keys()

    def add_agent(self, agent: Agent) -> None:
        """Add an agent without connections; raise ConfigError if its id is taken or it is not initialised."""
        check_agent(agent)
        if agent.id in self._agents:
            raise ConfigError(
                f"The network already has an agent {agent.id!r} ({self._agents[agent.id]!r}). "
                f"Give {agent!r} another id."
            )
        self._before_change()
        self._enter(agent)
        self._changed()

    def add_agents(self, agents: Iterable[Agent]) -> None:
        """Add several agents without connections, as `add_agent` does."""
        if isinstance(agents, Agent):
            raise ConfigError(f"The network got {agents!r} as agents. Expected a list: [{agents!r}].")
        for agent in agents:
            self.add_agent(agent)

    def remove_agent(self, agent_id: AgentID) -> Agent:
        """Remove an agent with all its connections, and return it; raise ConfigError if there is none."""
        self._require(agent_id)
        self._before_change()
        self._leave(agent_id)
        for receiver_id in self._receivers.pop(agent_id):
            self._senders[receiver_id].pop(agent_id)
        for sender_id in self._senders.pop(agent_id):
            self._receivers[sender_id].pop(agent_id)
        self._changed()
        return self._agents.pop(agent_id)

    def get_agents_where(self, predicate: Callable[[Agent], bool]) -> dict[AgentID, Agent]:
        """Return the agents for which the predicate holds, by id."""
        return {agent_id: agent for agent_id, agent in self._agents.items() if predicate(agent)}

    def get_agents_with_type(self, agent_class: type[AgentT]) -> dict[AgentID, AgentT]:
        """Return the agents of a class (including subclasses), by id."""
        return {i: agent for i, agent in self._agents.items() if isinstance(agent, agent_class)}

    def get_agents_without_type(self, agent_class: type[Agent]) -> dict[AgentID, Agent]:
        """Return the agents that are not of a class, by id."""
        return self.get_agents_where(lambda agent: not isinstance(agent, agent_class))

    # ------------------------------------------------------------------ connections

    def add_connection(self, u: AgentID, v: AgentID, *, directed: bool = False) -> None:
        """Connect two agents, or an agent with itself; if `directed`, only `u` may send to `v`.

        Raises ConfigError if an agent is not in the network.
        """
        for agent_id in (u, v):
            self._require(agent_id)
        self._before_change()
        self._connect(u, v)
        if not directed:
            self._connect(v, u)
        self._changed()

    def add_connections_from(
        self, connections: Iterable[tuple[AgentID, AgentID]], *, directed: bool = False
    ) -> None:
        """Connect each pair of ids, in both directions unless `directed`.

        Raises ConfigError if an element is not a pair, or an agent is not in the network.
        """
        for connection in connections:
            check_connection(connection, "(id, id)")
            u, v = connection
            self.add_connection(u, v, directed=directed)

    def add_connections_between(
        self, us: Iterable[AgentID], vs: Iterable[AgentID], *, directed: bool = False
    ) -> None:
        """Connect each agent of the first group with each of the second, both ways unless `directed`."""
        others = list(vs)
        for u in us:
            for v in others:
                self.add_connection(u, v, directed=directed)

    def add_connections_with_adjmat(
        self, agent_ids: Sequence[AgentID], adjacency_matrix: Any, *, directed: bool = False
    ) -> None:
        """Connect agents according to an adjacency matrix.

        Args:
            agent_ids: the ids of the rows and columns.
            adjacency_matrix: array [N, N]; a positive entry in row i and column j connects the i-th
                agent with the j-th. It must be symmetric unless `directed`, and zero on its diagonal.
            directed: whether an entry in row i and column j only lets the i-th agent send to the j-th.

        Raises:
            ConfigError: if the matrix is invalid, or an agent is not in the network.
        """
        pairs = _pairs_of_matrix(agent_ids, adjacency_matrix, directed=directed)
        self.add_connections_from(pairs, directed=directed)

    def remove_connection(self, u: AgentID, v: AgentID, *, directed: bool = False) -> None:
        """Disconnect two agents; if `directed`, only `u` may no longer send to `v`.

        Raises ConfigError if they are not connected, or an agent is not in the network.
        """
        for agent_id in (u, v):
            self._require(agent_id)
        ways = [(u, v)] if directed else [(u, v), (v, u)]
        if not any(self.has_edge(*way) for way in ways):
            others = listing(self.neighbours_of(u))
            raise ConfigError(f"{u!r} and {v!r} are not connected. {u!r} may send to: {others}.")
        self._before_change()
        for sender_id, receiver_id in ways:
            self._receivers[sender_id].pop(receiver_id, None)
            self._senders[receiver_id].pop(sender_id, None)
            self._views.get(sender_id, {}).pop(receiver_id, None)
        self._changed()

    def has_edge(self, sender_id: AgentID, receiver_id: AgentID) -> bool:
        """Return whether one agent may send to another."""
        return receiver_id in self._receivers.get(sender_id, ())

    def neighbours_of(self, agent_id: AgentID) -> list[AgentID]:
        """Return the ids that an agent may send to, in the order in which they were connected."""
        self._require(agent_id)
        return list(self._receivers[agent_id])

    def connections(self) -> list[tuple[AgentID, AgentID]]:
        """Return every directed connection as `(sender id, receiver id)`."""
        return [(sender_id, receiver_id) for sender_id, ids in self._receivers.items() for receiver_id in ids]

    def to_networkx(self) -> nx.DiGraph[AgentID]:
        """Return the agents and connections as a networkx `DiGraph`; raise ConfigError without networkx."""
        try:
            import networkx as nx
        except ImportError as error:
            raise ConfigError("to_networkx() needs networkx. Run: pip install networkx") from error
        graph: nx.DiGraph[AgentID] = nx.DiGraph()
        graph.add_nodes_from(self._agents)
        graph.add_edges_from(self.connections())
        return graph

    # ------------------------------------------------------------------ participation

    def withdraw(self, agent_ids: Iterable[AgentID]) -> None:
        """Called by the env for agents that ended: they stay connected, but are inactive until a reset."""
        for agent_id in agent_ids:
            self._leave(agent_id)
        self.has_withdrawn = True
        self.version += 1

    def bring_back(self) -> None:
        """Called by the env at each reset: activate withdrawn agents again."""
        if self.has_withdrawn:
            self._rebuild(list(self._agents.values()), self.connections())

    def sightings(self) -> Iterator[tuple[dict[AgentID, AgentView | None], Agent, AgentID]]:
        """Yield the observer's views, the agent and the observer's id for each agent that another can see."""
        for observer_id, views in self._views.items():
            for agent_id in views:
                yield views, self._agents[agent_id], observer_id

    def _rebuild(self, agents: Iterable[Agent], connections: Iterable[tuple[AgentID, AgentID]]) -> None:
        """Replace all agents and directed connections, in this order; all agents are active."""
        for table in (self._agents, self._receivers, self._senders, self.contexts, self._views):
            table.clear()
        self.has_withdrawn = False
        for agent in agents:
            self._enter(agent)
        for sender_id, receiver_id in connections:
            self._connect(sender_id, receiver_id)
        self._changed()

    def _enter(self, agent: Agent) -> None:
        self._agents[agent.id] = agent
        self._receivers[agent.id], self._senders[agent.id] = {}, {}
        views: dict[AgentID, AgentView | None] = {}
        self._views[agent.id] = views
        self.contexts[agent.id] = self.context_class(agent, views, self.frame)

    def _leave(self, agent_id: AgentID) -> None:
        self.contexts.pop(agent_id, None)
        self._views.pop(agent_id, None)
        for sender_id in self._senders[agent_id]:
            if sender_id in self._views:
                self._views[sender_id].pop(agent_id, None)

    def _connect(self, sender_id: AgentID, receiver_id: AgentID) -> None:
        self._receivers[sender_id][receiver_id] = None
        self._senders[receiver_id][sender_id] = None
        if sender_id in self._views and receiver_id in self._views:  # both are active
            self._views[sender_id].setdefault(receiver_id, None)

    def _before_change(self) -> None:
        """Called before agents or connections change."""

    def _changed(self) -> None:
        """Called after agents or connections changed: caches derived from them are invalid."""
        self.version += 1

    def _require(self, agent_id: AgentID) -> None:
        if agent_id not in self._agents:
            raise ConfigError(
                f"The network has no agent {agent_id!r}.{did_you_mean(agent_id, self._agents)} "
                f"Its agents: {listing(self._agents)}. Add it with network.add_agent first."
            )

    def __getitem__(self, agent_id: AgentID) -> Agent:
        """Return the agent with this id, or raise KeyError."""
        return self._agents[agent_id]

    def __contains__(self, agent_id: object) -> bool:
        return agent_id in self._agents

    def __len__(self) -> int:
        return len(self._agents)


def check_connection(connection: Any, *shapes: str) -> None:
    """Raise ConfigError if a connection does not have one of the shapes, such as `(id, id)`."""
    lengths = [shape.count(",") + 1 for shape in shapes]
    is_sequence = hasattr(connection, "__len__") and not isinstance(connection, (str, bytes))
    if not is_sequence or len(connection) not in lengths:
        raise ConfigError(
            f"The connection {connection!r} is not written as {' or '.join(shapes)}. Expected a list of "
            "those, such as [('SHOP', 'FACTORY')]."
        )


def _pairs_of_matrix(
    agent_ids: Sequence[AgentID], matrix: Any, *, directed: bool
) -> list[tuple[AgentID, AgentID]]:
    """Return the pairs of ids that an adjacency matrix connects; each once unless `directed`."""
    entries = np.asarray(matrix)
    number = len(agent_ids)
    if entries.shape != (number, number):
        raise ConfigError(
            f"The adjacency matrix has shape {entries.shape}, but there are {number} agent ids. "
            f"Expected shape ({number}, {number})."
        )
    is_connected = entries > 0
    loops = [agent_ids[i] for i in range(number) if is_connected[i, i]]
    if loops:
        what = f"The adjacency matrix connects {loops[0]!r} with itself"
        raise ConfigError(f"{what}. Expected zeros on its diagonal.")
    if not directed:
        uneven = np.argwhere(is_connected != is_connected.T)
        if len(uneven):
            i, j = uneven[0]
            raise ConfigError(
                f"The adjacency matrix is not symmetric: it has {entries[i, j]} from {agent_ids[i]!r} to "
                f"{agent_ids[j]!r}, but {entries[j, i]} back. Mend it, or pass directed=True."
            )
        is_connected = np.triu(is_connected)
    return [(agent_ids[i], agent_ids[j]) for i, j in np.argwhere(is_connected)]
