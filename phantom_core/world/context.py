"""What one agent may see: `Context`, and the views that agents and the env publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from phantom_core.errors import NeighbourError, did_you_mean, listing
from phantom_core.types import AgentID

if TYPE_CHECKING:
    from phantom_core.world.agents import Agent


@dataclass(frozen=True)
class AgentView:
    """What an agent shows to a neighbour. Subclass it as a frozen dataclass with fields."""


@dataclass(frozen=True)
class EnvView:
    """What every agent can see of the env. Subclass it as a frozen dataclass with more fields.

    Attributes:
        current_step: the number of the step that is being played, from 1; 0 at reset.
        proportion_time_elapsed: `current_step / num_steps`; 0.0 in an env without a time limit.
    """

    current_step: int
    proportion_time_elapsed: float


class ViewFrame:
    """The env view of the present moment, shared by the contexts of all agents of one network.

    Attributes:
        view: the view; None: it is made when somebody looks, as most agents never do.
        make: makes it.
    """

    __slots__ = ("make", "view")

    def __init__(self) -> None:
        self.view: EnvView | None = None
        self.make: Callable[[], EnvView] = _view_without_env

    def look(self) -> EnvView:
        """Return the view, made now if nobody looked before."""
        view = self.view
        if view is None:
            view = self.view = self.make()
        return view


def _view_without_env() -> EnvView:
    return EnvView(0, 0.0)


class Context:
    """What one agent may see when it observes, acts, handles a message or is rewarded.

    Read-only, and always of the present moment: the same object is handed out again in the next
    step, so copy from it what you want to keep. While agents act and handle messages, the views in
    it are those of the start of the step; while they observe and are rewarded, those after the
    messages were resolved.

    Attributes:
        agent: the agent that sees.
        agent_views: view by neighbour id, in the order in which connections were added; None for a
            neighbour that publishes no view.
    """

    __slots__ = ("_frame", "_views", "agent", "agent_views")

    def __init__(self, agent: Agent, views: dict[AgentID, AgentView | None], frame: ViewFrame) -> None:
        self.agent = agent
        self.agent_views: Mapping[AgentID, AgentView | None] = MappingProxyType(views)
        self._views = views
        self._frame = frame

    def __getstate__(self) -> tuple[Agent, dict[AgentID, AgentView | None], ViewFrame]:
        """Return what a copy is made of: a read-only mapping itself can be neither copied nor pickled."""
        return self.agent, self._views, self._frame

    def __setstate__(self, state: tuple[Agent, dict[AgentID, AgentView | None], ViewFrame]) -> None:
        """Become a copy."""
        self.agent, self._views, self._frame = state
        self.agent_views = MappingProxyType(self._views)

    @property
    def env_view(self) -> EnvView:
        """What every agent can see of the env."""
        return self._frame.look()

    @property
    def neighbour_ids(self) -> list[AgentID]:
        """The ids of the agents that this agent can send to."""
        return list(self._views)

    def __getitem__(self, neighbour_id: AgentID) -> AgentView | None:
        """Return the view of a neighbour; None if it publishes none.

        Raises:
            NeighbourError: if it is no neighbour, or not in the episode any more; this is a KeyError too.
        """
        try:
            return self._views[neighbour_id]
        except KeyError:
            raise self._no_neighbour(neighbour_id) from None

    def _no_neighbour(self, agent_id: AgentID) -> NeighbourError:
        me = self.agent.id
        return NeighbourError(
            f"{me!r} looked at {agent_id!r}, which is none of its neighbours in the episode."
            f"{did_you_mean(agent_id, self._views)} They are: {listing(self._views)}. Connect the two with "
            f"network.add_connection({me!r}, {agent_id!r}), or look only if {agent_id!r} in ctx."
        )

    def __contains__(self, neighbour_id: object) -> bool:
        """Tell whether an agent is a neighbour."""
        return neighbour_id in self._views
