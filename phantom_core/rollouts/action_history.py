"""`ActionHistory`: the actions of the episodes that go on, from which a copy of an env is restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from phantom_core.rollouts.row_table import RowTable
from phantom_core.types import Action, AgentID

_FEW: Final = 1000


class ActionHistory:
    """What was done in each step of a collector, as long as somebody may ask for it.

    Attributes:
        num_steps: the steps of the collector so far.
        is_long: whether `forget` should be called.
    """

    def __init__(self, most: int) -> None:
        """Keep at most so many steps, and a tenth more."""
        self.num_steps = 0
        self.is_long = False
        self._most = most
        self._limit = _FEW
        self._kept: list[tuple[RowTable, Sequence[Action]]] = []
        self._restored: dict[int, list[dict[AgentID, Action]]] = {}

    def add(self, table: RowTable, actions: Sequence[Action]) -> None:
        """Add a step: one action for each row of the table, in memory of its own."""
        self._kept.append((table, actions))
        self.num_steps += 1
        self.is_long = len(self._kept) > self._limit

    def forget(self, before: int) -> None:
        """Forget the steps before this one."""
        first = self.num_steps - len(self._kept)
        del self._kept[: max(before - first, len(self._kept) - self._most, 0)]
        self._limit = (
            max(_FEW, 2 * len(self._kept))
            if 2 * len(self._kept) < self._most
            else self._most + self._most // 10
        )
        self.is_long = False

    def restore(self, env_index: int, steps: list[dict[AgentID, Action]]) -> None:
        """Take over the steps of an episode that was played again."""
        self._restored[env_index] = steps

    def drop(self, env_index: int) -> None:
        """An episode of a copy began: what was restored of the one before is over."""
        self._restored.pop(env_index, None)

    def of(self, env_index: int, began: int) -> list[dict[AgentID, Action]]:
        """Return the actions of a copy in each of its steps since the episode began."""
        first = self.num_steps - len(self._kept)
        steps = list(self._restored.get(env_index, ()))
        for table, actions in self._kept[max(began - first, 0) :]:
            if env_index in table.env_indices:
                place = table.env_indices.index(env_index)
                _, start, end = table.bounds[place]
                steps.append(dict(zip(table.copies[place].agent_ids, actions[start:end], strict=True)))
        return steps
