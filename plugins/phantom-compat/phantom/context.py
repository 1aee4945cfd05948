"""What one agent may see when it observes, acts, handles a message or is rewarded."""

from dataclasses import dataclass
from typing import Any

from phantom.types import AgentID
from phantom.views import AgentView, EnvView


@dataclass(frozen=True)
class Context:
    """An agent, what its neighbours show to it, and what the env shows to everybody."""

    agent: Any
    agent_views: dict[AgentID, AgentView | None]
    env_view: EnvView

    @property
    def neighbour_ids(self) -> list[AgentID]:
        """The ids of the agents that the agent can send to."""
        return list(self.agent_views)

    def __getitem__(self, view_id: AgentID) -> AgentView | None:
        """Return the view of a neighbour; None if it publishes none; KeyError if it is not one."""
        return self.agent_views[view_id]

    def __contains__(self, view_id: object) -> bool:
        """Tell whether an agent is a neighbour."""
        return view_id in self.agent_views
