"""Who shows what to whom, in the predecessor's order; made anew when agents or connections change."""

from typing import Any

import phantom_core as ph
from phantom.types import AgentID


class Lookout:
    """The views of the agents in play.

    Attributes:
        version: the version of the network that it was made from.
        num_strategic: the number of strategic agents, in play or not.
        is_needed: whether any agent, or the env's class, has a view of its own.
    """

    def __init__(self, env: Any) -> None:
        network = env.network
        self.version: int = network.version
        self.num_strategic = sum(isinstance(a, ph.StrategicAgent) for a in network.agents.values())
        self._ids: list[AgentID] = list(network.contexts)
        agents = [ctx.agent for ctx in network.contexts.values()]
        self._publishers = [agent for agent in agents if _publishes(agent)]
        self._sightings = [
            seen for seen in network.sightings() if _publishes(seen[1]) and seen[2] in network.contexts
        ]
        has_view = type(env).view is not ph.PhantomEnv.view
        self.is_needed = has_view or bool(self._publishers) or bool(self._sightings)

    def refresh(self, env: Any) -> None:
        """Ask everybody for what they show now."""
        public: dict[AgentID, Any] = dict.fromkeys(self._ids)
        for agent in self._publishers:
            public[agent.id] = agent.view(None)
        env.network.frame.view = env.view(public)
        for views, agent, onlooker_id in self._sightings:
            views[agent.id] = agent.view(onlooker_id)


def _publishes(agent: Any) -> bool:
    return "view" in vars(agent) or type(agent).view is not ph.Agent.view
