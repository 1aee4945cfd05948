"""Who shows what to whom, in the predecessor's order; made anew when agents or connections change."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import phantom_core as ph
from phantom.types import AgentID


class _Onlooker(NamedTuple):
    """What an agent sees: where its views are kept, and the neighbours that have one."""

    views: dict[AgentID, Any]
    neighbours: list[Any]


class Lookout:
    """The contexts of a step, and the views of which they are made.

    Contexts keep the neighbours that their agents had when the lookout was made: a connection that is added
    or removed during a step shows in the next one.

    Attributes:
        network: the network that it was made from.
        version: its version then.
        contexts: context by id of the agents in play.
    """

    def __init__(self, env: Any) -> None:
        network = env.network
        self.network, self.version = network, network.version
        self.contexts: dict[AgentID, Any] = dict(network.contexts)
        agents = network.agents
        self._ids: list[AgentID] = list(agents)  # who ended is still seen
        publishing = {agent_id for agent_id, agent in agents.items() if _publishes(agent)}
        self._publishers = [agents[agent_id] for agent_id in agents if agent_id in publishing]
        self._onlookers: dict[AgentID, _Onlooker] = {}
        for agent_id, ctx in self.contexts.items():
            neighbour_ids = network.neighbours_of(agent_id)
            views = ctx.look_at(neighbour_ids)
            seen = [agents[other_id] for other_id in neighbour_ids if other_id in publishing]
            if seen:
                self._onlookers[agent_id] = _Onlooker(views, seen)
        self._is_needed = type(env).view is not ph.PhantomEnv.view or bool(publishing)

    def is_of(self, network: Any) -> bool:
        """Tell whether it was made from this network, as it is now."""
        return network is self.network and network.version == self.version

    def refresh(self, env: Any, onlooker_ids: Iterable[AgentID] | None = None) -> None:
        """Ask all agents what they show to the env, then the env, then neighbours what these agents see.

        None: what all agents in play see.
        """
        if not self._is_needed:
            env.network.frame.view = None  # made when somebody reads it
            return
        public: dict[AgentID, Any] = dict.fromkeys(self._ids)
        for agent in self._publishers:
            public[agent.id] = agent.view(None)
        env.network.frame.view = env.view(public)
        onlookers = self._onlookers
        for agent_id in onlookers if onlooker_ids is None else onlooker_ids:
            if agent_id in onlookers:
                views, neighbours = onlookers[agent_id]
                for agent in neighbours:
                    views[agent.id] = agent.view(agent_id)


def _publishes(agent: Any) -> bool:
    return "view" in vars(agent) or type(agent).view is not ph.Agent.view
