"""The contexts that envs hand out: made once, and always of the present step."""

from collections.abc import Iterable
from typing import Any

from phantom.context import Context
from phantom.types import AgentID
from phantom.views import AgentView, EnvView


class LiveContext(Context):
    """A context whose env view is the one that the network's frame shows."""

    def __init__(self, agent: Any, agent_views: dict[AgentID, AgentView | None], frame: Any) -> None:
        store = self.__dict__
        store["agent"], store["agent_views"], store["frame"] = agent, agent_views, frame

    def look_at(self, neighbour_ids: Iterable[AgentID]) -> dict[AgentID, AgentView | None]:
        """Have these neighbours from now on; return where their views are kept."""
        views: dict[AgentID, AgentView | None] = dict.fromkeys(neighbour_ids)
        self.__dict__["agent_views"] = views
        return views

    @property
    def env_view(self) -> EnvView:
        """What every agent sees of the env."""
        view: EnvView = self.__dict__["frame"].look()
        return view
