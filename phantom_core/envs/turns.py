"""Whose turn it is: `Turn`, the `TurnOrder` seam, and the order in which everybody acts at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from phantom_core.types import AgentID, StageID

if TYPE_CHECKING:
    from phantom_core.envs.env import PhantomEnv


class _Observers(Enum):
    ACTING_NEXT = "those who act in the next turn"


ACTING_NEXT: Final = _Observers.ACTING_NEXT
"""Value of `Turn.observing`: those who act in the next turn observe."""

AgentIDs: TypeAlias = tuple[AgentID, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: who acts, who is rewarded for it, and who observes at its end.

    Attributes:
        name: what metrics and logs call it.
        acting: ids in the order in which they act; None: every agent, in network order.
        rewarded: ids of strategic agents; None: every strategic agent.
        observing: ids of strategic agents; None: every strategic agent; default: those who act in
            the turn that comes next.
    """

    name: StageID
    acting: AgentIDs | None = None
    rewarded: AgentIDs | None = None
    observing: AgentIDs | _Observers | None = ACTING_NEXT


class TurnOrder(Protocol):
    """Decides whose turn it is. This is all in which the kinds of env differ."""

    def first(self, env: PhantomEnv) -> Turn:
        """Return the first turn of an episode."""

    def advance(self, env: PhantomEnv, turn: Turn) -> Turn | None:
        """Called after the agents of a turn acted: resolve the messages, return the next turn.

        Call `env.resolve_network()` once. Return None to end the episode.
        """


class Simultaneous:
    """Everybody acts, is rewarded and observes in every step."""

    _turn = Turn("simultaneous")

    def first(self, env: PhantomEnv) -> Turn:
        """Return the only turn there is."""
        return self._turn

    def advance(self, env: PhantomEnv, turn: Turn) -> Turn:
        """Resolve the messages and stay in the same turn."""
        env.resolve_network()
        return turn
