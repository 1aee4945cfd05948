"""What agents and the env show of themselves: `AgentView` and `EnvView`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


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
