"""`ActionHistory`: the actions of the episodes that go on, from which a copy of an env is restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from phantom_core.policies.batching import rows_of
from phantom_core.rollouts.row_table import RowTable
from phantom_core.rollouts.space_batcher import is_integer_array
from phantom_core.types import Action, AgentID

_FEW: Final = 1000


class ActionHistory:
    """What was done in each step of a collector, as long as somebody may ask for it.

    Attributes:
        num_steps: how many steps there were.
        keeps_actions: whether anybody may ask; else steps are counted only.
        is_long: whether `forget` should be called.
        restored: what was done before in episodes that were played again or stood still, by copy.
    """

    def __init__(self, most: int, *, keeps_actions: bool = True) -> None:
        """Begin without steps; keep the actions of at most so many, and a tenth more."""
        self.keeps_actions = keeps_actions
        self.num_steps = 0
        self.is_long = False
        self._most = most
        self._first, self._limit = 0, _FEW
        self._table: RowTable | None = None
        self._runs: list[tuple[RowTable, int, list[Any]]] = []  # a table, its first step, the actions
        self._newest: list[Any] = []  # the actions of the last of these
        self.restored: dict[int, list[dict[AgentID, Action]]] = {}

    def add(self, table: RowTable, actions: Sequence[Action]) -> None:
        """Add a step: one action for each row of the table, in memory of its own."""
        if not self.keeps_actions:
            self.num_steps += 1
            return
        if table is not self._table:
            self._table, self._newest = table, []
            self._runs.append((table, self.num_steps, self._newest))
        # flat, since millions of small lists would be slow to collect
        self._newest.extend(
            actions if type(actions) is list or not is_integer_array(actions) else rows_of(actions)
        )
        self.num_steps += 1
        self.is_long = self.num_steps - self._first > self._limit

    def forget(self, before: int) -> None:
        """Forget the steps before this one."""
        self._first = max(before, self.num_steps - self._most)
        over = sum(first <= self._first for _, first, _ in self._runs[1:])
        del self._runs[:over]
        if self._runs and self._runs[0][1] < self._first:
            table, first, actions = self._runs[0]
            del actions[: (self._first - first) * len(table.rows)]
            self._runs[0] = table, self._first, actions
        self._limit = min(max(_FEW, 2 * (self.num_steps - self._first)), self._most + self._most // 10)
        self.is_long = False

    def set_apart(self, env_index: int, began: int) -> None:
        """Keep the actions of a copy since its episode began, which goes on later."""
        if self.keeps_actions:
            self.restored[env_index] = self.of(env_index, began)

    def of(self, env_index: int, began: int) -> list[dict[AgentID, Action]]:
        """Return the actions of a copy in each of its steps since the episode began."""
        steps = list(self.restored.get(env_index, ()))
        for number, (table, first, actions) in enumerate(self._runs):
            end = self._runs[number + 1][1] if number + 1 < len(self._runs) else self.num_steps
            if env_index not in table.places:
                continue
            copy, start, stop = table.bounds[table.places[env_index]]
            for step in range(max(began, first) - first, end - first):
                chosen = actions[step * len(table.rows) + start : step * len(table.rows) + stop]
                steps.append(dict(zip(copy.agent_ids, chosen, strict=True)))
        return steps
