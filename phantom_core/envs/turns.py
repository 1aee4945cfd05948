"""`Turn`: which agents act, are rewarded and observe in one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

from phantom_core.errors import EnvError
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

    def as_json(self) -> dict[str, Any]:
        """Return the turn as JSON values, with the `repr` of ids in their place."""
        acting, rewarded, observing = (
            [*map(repr, ids)] if isinstance(ids, tuple) else ids
            for ids in (self.acting, self.rewarded, self.observing)
        )
        return {
            "name": repr(self.name),
            "plain_name": self.name if isinstance(self.name, (str, int)) else None,
            "acting": acting,
            "rewarded": rewarded,
            "observing": "acting next" if observing is ACTING_NEXT else observing,
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], agent_ids: Mapping[str, AgentID]) -> Turn:
        """Return the turn of which `as_json` returned this; `agent_ids` are by their `repr`.

        Raises:
            EnvError: if the name of the turn is no str or int, or an agent is missing.
        """
        if saved["name"] != repr(saved["plain_name"]):
            raise EnvError(
                f"The turn {saved['name']} cannot be made again. Give turns a str or an int as name."
            )
        missing = [
            name
            for part in ("acting", "rewarded", "observing")
            for name in (saved[part] if isinstance(saved[part], list) else ())
            if name not in agent_ids
        ]
        if missing:
            raise EnvError(f"The turn {saved['name']} cannot be made again: there is no agent {missing[0]}.")
        acting, rewarded, observing = (
            tuple(agent_ids[name] for name in saved[part]) if isinstance(saved[part], list) else None
            for part in ("acting", "rewarded", "observing")
        )
        sees_next = isinstance(saved["observing"], str)
        return cls(saved["plain_name"], acting, rewarded, ACTING_NEXT if sees_next else observing)
