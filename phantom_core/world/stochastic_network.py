"""`StochasticNetwork`: a network whose connections are sampled at each reset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from phantom_core.errors import ConfigError, NetworkError
from phantom_core.seeding import unit_draw
from phantom_core.types import AgentID
from phantom_core.world.agents import Agent
from phantom_core.world.network import Network, Resolver
from phantom_core.world.samplers import SampledValues, Sampler
from phantom_core.world.topology import check_connection

Rate: TypeAlias = float | Sampler[float]
"""The probability that a connection exists in an episode, or a sampler of it."""

Connection: TypeAlias = tuple[AgentID, AgentID] | tuple[AgentID, AgentID, Rate]


class Link(NamedTuple):
    """A possible connection."""

    rate: Rate
    directed: bool


class StochasticNetwork(Network):
    """A network in which each connection exists with a probability, its rate.

    All connections are sampled at each reset, from the episode's seed and the ids of the two agents, so that
    a connection does not depend on the others. Both directions of a connection exist, or neither. Before the
    first reset only connections with rate 1 exist.
    """

    def __init__(
        self,
        agents: Iterable[Agent] = (),
        resolver: Resolver | None = None,
        connections: Iterable[Connection] = (),
        *,
        ignore_connection_errors: bool = False,
        enforce_msg_payload_checks: bool = True,
    ) -> None:
        """Build a network as `Network` does, except that a connection is `(id, id)` or `(id, id, rate)`.

        Raises ConfigError if an agent id is duplicate or unknown, or a rate is not a probability.
        """
        self._links: dict[tuple[AgentID, AgentID], Link] = {}
        super().__init__(
            agents,
            resolver,
            ignore_connection_errors=ignore_connection_errors,
            enforce_msg_payload_checks=enforce_msg_payload_checks,
        )
        self.add_connections_from(connections)

    def add_connection(self, u: AgentID, v: AgentID, rate: Rate = 1.0, *, directed: bool = False) -> None:
        """Add a connection with a probability from 0 to 1; adding it again changes the rate.

        A sampler of the rate has one value per episode. If `directed`, only `u` may send to `v`. During an
        episode the connection is sampled immediately, and removed at the next reset. Raises ConfigError if an
        agent is not in the network, or the rate is not a probability.
        """
        for agent_id in (u, v):
            self._require(agent_id)
        if not isinstance(rate, Sampler):
            _check_rate(rate, u, v)
        link = Link(rate, directed)
        if self._is_running:
            if self._is_drawn((u, v), link):
                super().add_connection(u, v, directed=directed)
            return
        for pair in ((u, v),) if directed else ((u, v), (v, u)):
            self._links.pop(pair, None)
        self._links[u, v] = link
        is_certain = not isinstance(rate, Sampler) and rate == 1
        if is_certain or self._is_drawn((u, v), link):  # drawn in on_reset, after the other connections were
            super().add_connection(u, v, directed=directed)
        elif self.has_edge(u, v):  # it had another rate before
            super().remove_connection(u, v, directed=directed)

    def add_connections_from(self, connections: Iterable[Connection], *, directed: bool = False) -> None:
        """Add connections, each `(id, id)` or `(id, id, rate)`; raise ConfigError for another shape."""
        for connection in connections:
            check_connection(connection, "(id, id)", "(id, id, rate)")
            self.add_connection(*connection, directed=directed)

    def add_connections_between(
        self, us: Iterable[AgentID], vs: Iterable[AgentID], rate: Rate = 1.0, *, directed: bool = False
    ) -> None:
        """Connect each agent of the first group with each of the second."""
        others = list(vs)
        for u in us:
            for v in others:
                self.add_connection(u, v, rate, directed=directed)

    def remove_connection(self, u: AgentID, v: AgentID, *, directed: bool = False) -> None:
        """Disconnect two agents: for this episode, or permanently if none is running.

        Raises ConfigError if there is no such connection, or an agent is not in the network.
        """
        is_known = not self._is_running and any(pair in self._links for pair in ((u, v), (v, u)))
        if is_known:
            for pair in ((u, v), (v, u)):
                self._links.pop(pair, None)
        if not is_known or self.has_edge(u, v) or self.has_edge(v, u):
            super().remove_connection(u, v, directed=directed)

    def remove_agent(self, agent_id: AgentID) -> Agent:
        """Remove an agent and its connections: for this episode, or permanently if none is running."""
        agent = super().remove_agent(agent_id)
        if not self._is_running:
            self._links = {pair: link for pair, link in self._links.items() if agent_id not in pair}
        return agent

    def begin_episode(self, episode_seed: int, values: SampledValues | None = None) -> None:
        """Called by the env at each reset: seed all agents, then sample the connections."""
        super().begin_episode(episode_seed, values)
        drawn: list[tuple[AgentID, AgentID]] = []
        for (u, v), link in self._links.items():
            if self._is_drawn((u, v), link):
                drawn += [(u, v)] if link.directed else [(u, v), (v, u)]
        self._rebuild(list(self._agents.values()), drawn)

    def check_message(self, sender_id: AgentID, receiver_id: AgentID, payload_class: type) -> bool:
        """As in `Network`; the NetworkError says so if the connection is missing in this episode only."""
        try:
            return super().check_message(sender_id, receiver_id, payload_class)
        except NetworkError as error:
            rate = self._rate_not_drawn(sender_id, receiver_id)
            if rate is None:
                raise
            raise NetworkError(
                f"Agent {sender_id!r} sent {payload_class.__name__} to {receiver_id!r}, but they are not "
                f"connected in this episode: their connection has rate {rate!r}. Send only if "
                f"{receiver_id!r} in ctx, or set ignore_connection_errors=True."
            ) from error

    def _rate_not_drawn(self, sender_id: AgentID, receiver_id: AgentID) -> Rate | None:
        """Return the rate of a possible connection that does not exist in this episode, or None."""
        if self._episode_seed is None:
            return None
        for pair in ((sender_id, receiver_id), (receiver_id, sender_id)):
            link = self._links.get(pair)
            if link is not None and (pair[0] == sender_id or not link.directed):
                return None if self._is_drawn(pair, link) else link.rate
        return None

    def _is_drawn(self, pair: tuple[AgentID, AgentID], link: Link) -> bool:
        """Return whether a connection exists in this episode; False before the first."""
        if self._episode_seed is None or self._sampled is None:
            return False
        rate: Any = link.rate
        if isinstance(rate, Sampler):
            rate = self._sampled.value_of(rate, "connection", *pair)
            _check_rate(rate, *pair)
        return bool(unit_draw(self._episode_seed, "connection", *pair) < rate)


def _check_rate(rate: Any, u: AgentID, v: AgentID) -> None:
    try:
        is_probability = bool(0.0 <= rate <= 1.0)
    except TypeError:
        is_probability = False
    if not is_probability:
        expected = "Expected a probability from 0 to 1, or a sampler of one."
        raise ConfigError(f"The connection of {u!r} and {v!r} has rate={rate!r}. {expected}")
