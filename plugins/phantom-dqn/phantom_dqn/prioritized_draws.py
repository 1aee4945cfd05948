"""`PrioritizedDraws`: which transitions of a replay buffer are drawn, by how wrong they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_LEAST: Final = 1e-6
"""Added to each error, so that no transition is never drawn again."""


class PrioritizedDraws:
    """A sum tree of priorities, one for each place of a replay buffer.

        pᵢ = (|eᵢ| + 1e-6)^α        P(i) = pᵢ / Σ p        wᵢ = (N · P(i))^−β / max over the draw of w

    A new transition has the largest priority so far. Drawing and changing B priorities costs O(B log N).

    Source: Schaul et al. 2016, "Prioritized experience replay", arXiv:1511.05952, section 3.3, proportional.
    """

    def __init__(self, capacity: int, exponent: float) -> None:
        """Make room.

        Args:
            capacity: that of the buffer.
            exponent: α.
        """
        self._exponent = exponent
        self._width = 1 << (capacity - 1).bit_length()  # leaves, from self._width on
        self._tree = np.zeros(2 * self._width)
        self._capacity, self._largest = capacity, 1.0
        self._added = 0

    def add(self, added: int) -> None:
        """Take note that the buffer has so many transitions by now, since its beginning."""
        first = max(self._added, added - self._capacity)
        places = np.arange(first, added) % self._capacity
        self._added = added
        self._set(places, np.full(len(places), self._largest))

    def draw(self, number: int, rng: np.random.Generator, importance: float) -> tuple[Array, Array]:
        """Draw places [B] in proportion to priorities; return weights of the loss [B] with exponent β, too.

        The range of the sum is divided into B equal parts, and each gives one draw.
        """
        total = self._tree[1]
        goals = (np.arange(number) + rng.random(number)) * (total / number)
        nodes = np.ones(number, np.int64)
        while nodes[0] < self._width:
            nodes *= 2
            left = self._tree[nodes]
            goes_right = goals >= left
            goals -= left * goes_right
            nodes += goes_right
        size = min(self._added, self._capacity)
        places = np.minimum(nodes - self._width, size - 1)
        weights = (size * self._tree[places + self._width] / total) ** -importance
        return places, weights / weights.max()

    def learn(self, places: Array, errors: Array) -> None:
        """Set the priorities of places [B] by the errors [B] that were found there."""
        priorities = (np.abs(errors).astype(np.float64) + _LEAST) ** self._exponent
        self._largest = max(self._largest, float(priorities.max()))
        self._set(places, priorities)

    def _set(self, places: Array, priorities: Array) -> None:
        nodes = places + self._width
        self._tree[nodes] = priorities
        while len(nodes) and nodes[0] > 1:
            nodes = np.unique(nodes // 2)
            self._tree[nodes] = self._tree[2 * nodes] + self._tree[2 * nodes + 1]

    def state_dict(self) -> dict[str, Any]:
        """Return the priorities, the largest so far, and how many transitions there were."""
        leaves = self._tree[self._width : self._width + min(self._added, self._capacity)]
        return {"priorities": leaves.copy(), "largest": self._largest, "added": self._added}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        priorities = np.asarray(state["priorities"], np.float64)
        self._tree[:] = 0.0
        self._set(np.arange(len(priorities)), priorities)
        self._largest, self._added = float(state["largest"]), int(state["added"])
