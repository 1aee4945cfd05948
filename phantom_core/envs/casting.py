"""Tables of who takes part: built when agents or connections change, read in every step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

from phantom_core.envs.turns import Turn
from phantom_core.types import AgentID
from phantom_core.world.agents import Agent, MessageList, StrategicAgent
from phantom_core.world.context import AgentView, Context, EnvView, ViewFrame
from phantom_core.world.network import Network


class Actor(NamedTuple):
    """An agent that may send messages when its turn comes."""

    agent_id: AgentID
    decode_action: Callable[[Context, Any], MessageList | None] | None
    generate_messages: Callable[[Context], MessageList | None]
    context: Context


class Player(NamedTuple):
    """A strategic agent that is still in the episode."""

    agent_id: AgentID
    agent: StrategicAgent
    context: Context


class Cast:
    """The agents that are in the episode now, with all that a step asks about them.

    Methods that a class does not override are left out here once, so that a step never calls them.
    """

    def __init__(self, network: Network, ended: Collection[AgentID], env_view: EnvView) -> None:
        self.version = network.version
        self.frame = ViewFrame(env_view)
        agents = {i: agent for i, agent in network.agents.items() if i not in ended}
        self.contexts: dict[AgentID, Context] = {}
        self._shown: list[tuple[dict[AgentID, AgentView | None], Agent, AgentID]] = []
        for agent_id, agent in agents.items():
            self.contexts[agent_id] = self._make_context(network, agent, agents)
        self.publishers = [agent for agent in agents.values() if _overrides(agent, "view")]
        self.has_views = bool(self.publishers)
        self.players = [
            Player(agent_id, agent, self.contexts[agent_id])
            for agent_id, agent in agents.items()
            if isinstance(agent, StrategicAgent)
        ]
        self._actors = {a.agent_id: a for a in map(self._make_actor, agents.values()) if a is not None}
        self._everyone = tuple(self._actors.values())
        self.pre_resolution = self._bound("pre_message_resolution")
        self.post_resolution = self._bound("post_message_resolution")

    def acting(self, turn: Turn) -> Iterable[Actor]:
        """Return who may send messages in a turn, in the order in which they act."""
        if turn.acting is None:
            return self._everyone
        return [self._actors[agent_id] for agent_id in turn.acting if agent_id in self._actors]

    def refresh_agent_views(self) -> None:
        """Ask every agent that publishes a view for what it shows to each neighbour now."""
        for views, neighbour, agent_id in self._shown:
            views[neighbour.id] = neighbour.view(agent_id)

    def public_views(self) -> dict[AgentID, AgentView | None]:
        """Ask every agent that publishes a view for what it shows to the env now."""
        return {agent.id: agent.view(None) for agent in self.publishers}

    def _make_context(self, network: Network, agent: Agent, agents: dict[AgentID, Agent]) -> Context:
        views: dict[AgentID, AgentView | None] = {}
        for neighbour_id in network.neighbours_of(agent.id):
            if neighbour_id not in agents:
                continue
            views[neighbour_id] = None
            if _overrides(agents[neighbour_id], "view"):
                self._shown.append((views, agents[neighbour_id], agent.id))
        return Context(agent, views, self.frame)

    def _make_actor(self, agent: Agent) -> Actor | None:
        decode = agent.decode_action if isinstance(agent, StrategicAgent) else None
        if decode is None and not _overrides(agent, "generate_messages"):
            return None
        return Actor(agent.id, decode, agent.generate_messages, self.contexts[agent.id])

    def _bound(self, method: str) -> list[tuple[Callable[[Context], None], Context]]:
        return [
            (getattr(ctx.agent, method), ctx)
            for ctx in self.contexts.values()
            if _overrides(ctx.agent, method)
        ]


def _overrides(agent: Agent, method: str) -> bool:
    return getattr(type(agent), method) is not getattr(Agent, method)
