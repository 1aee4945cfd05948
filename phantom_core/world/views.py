"""`AgentView` and `EnvView`: the public state of agents and of the env."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class AgentView:
    """The state that an agent shows to a neighbour. Subclass it as a frozen dataclass with fields."""


@dataclass(frozen=True)
class EnvView:
    """The state of the env that all agents can see. Subclass it as a frozen dataclass with more fields.

    Attributes:
        current_step: the number of the current step, from 1; 0 at reset.
        proportion_time_elapsed: `current_step / num_steps`; 0.0 in an env without a time limit.
    """

    current_step: int
    proportion_time_elapsed: float


class ViewFrame:
    """The current env view, shared by the contexts of all agents of a network.

    Attributes:
        view: the view; None if it was not made yet. It is made on first access, since most agents never
            read it.
        make: makes the view.
    """

    __slots__ = ("make", "view")

    def __init__(self) -> None:
        self.view: EnvView | None = None
        self.make: Callable[[], EnvView] = _view_without_env

    def look(self) -> EnvView:
        """Return the view; make it on first access."""
        view = self.view
        if view is None:
            view = self.view = self.make()
        return view


def _view_without_env() -> EnvView:
    return EnvView(0, 0.0)
