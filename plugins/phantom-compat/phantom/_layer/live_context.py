"""The contexts that envs hand out: made once, and always of the present step."""

from typing import Any

from phantom.context import Context
from phantom.types import AgentID
from phantom.views import AgentView, EnvView


class LiveContext(Context):
    """A context whose env view is the one that the network's frame shows."""

    def __init__(self, agent: Any, agent_views: dict[AgentID, AgentView | None], frame: Any) -> None:
        store = self.__dict__
        store["agent"], store["agent_views"], store["frame"] = agent, agent_views, frame

    @property
    def env_view(self) -> EnvView:
        """What every agent sees of the env."""
        view: EnvView = self.__dict__["frame"].look()
        return view
