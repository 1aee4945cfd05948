"""`Turn`: which agents act, are rewarded and observe in one step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from phantom_core.types import AgentID, StageID


class _Observers(Enum):
    ACTING_NEXT = "those who act in the next turn"


ACTING_NEXT: Final = _Observers.ACTING_NEXT
"""Value of `Turn.observing`: the agents that act in the next turn observe."""

AgentIDs: TypeAlias = tuple[AgentID, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: which agents act, are rewarded for it, and observe at its end.

    Attributes:
        name: its name in metrics and logs.
        acting: ids in the order in which the agents act; None: every agent, in network order.
        rewarded: ids of strategic agents; None: every strategic agent.
        observing: ids of strategic agents; None: every strategic agent; default: the agents that act in
            the next turn.
    """

    name: StageID
    acting: AgentIDs | None = None
    rewarded: AgentIDs | None = None
    observing: AgentIDs | _Observers | None = ACTING_NEXT
