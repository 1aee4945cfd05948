"""`Link`: which populations are connected; `Edges`: who may send to whom, as arrays of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

Rows = NDArray[np.int64]

_MOST_16_BITS: Final = 1 << 16


@dataclass(frozen=True, eq=False)
class Link:
    """A connection between the members of two populations, in both directions.

    Attributes:
        first: the name of a population.
        second: the name of a population; it may be the same.
        edges: two arrays of the same length, members of the first and of the second, numbered from 0: who is
            connected to whom. None: everybody with everybody, but not with itself.

    >>> Link("customers", "shops", edges=([0, 1, 2, 3], [0, 0, 1, 1])).second
    'shops'
    """

    first: str
    second: str
    edges: tuple[Sequence[int] | NDArray[Any], Sequence[int] | NDArray[Any]] | None = None

    def pairs(self, first_size: int, second_size: int) -> tuple[Rows, Rows]:
        """Return who is connected to whom in one copy; raise `ConfigError` if an edge is wrong."""
        if self.edges is None:
            one, two = np.divmod(np.arange(first_size * second_size, dtype=np.int64), max(second_size, 1))
            if self.first == self.second:
                apart = one != two
                one, two = one[apart], two[apart]
            return one, two
        one, two = (np.asarray(side) for side in self.edges)
        name = f"The link between {self.first!r} and {self.second!r}"
        if (
            one.ndim != 1
            or one.shape != two.shape
            or (one.size and (one.dtype.kind not in "iu" or two.dtype.kind not in "iu"))
        ):
            raise ph.errors.ConfigError(
                f"{name} has edges of shapes {one.shape} and {two.shape}, of {one.dtype} and {two.dtype}. "
                "Expected two arrays of integers of one length: the members of each side."
            )
        one, two = one.astype(np.int64), two.astype(np.int64)
        for side, population, size in ((one, self.first, first_size), (two, self.second, second_size)):
            if side.size and not (side.min() >= 0 and side.max() < size):
                wrong = int(side[(side < 0) | (side >= size)][0])
                raise ph.errors.ConfigError(
                    f"{name} names member {wrong} of {population!r}, which has {size} members. They are "
                    "numbered from 0."
                )
        if self.first == self.second:
            if (one == two).any():
                wrong = int(one[one == two][0])
                raise ph.errors.ConfigError(
                    f"{name} connects member {wrong} with itself. Leave that edge out."
                )
            one, two = np.concatenate((one, two)), np.concatenate((two, one))
        known = one * max(second_size, 1) + two
        if len(np.unique(known)) != len(known):
            raise ph.errors.ConfigError(
                f"{name} connects a pair of members twice. Name each pair once; a link holds in both "
                "directions."
            )
        return one, two


class Edges:
    """Who may send to whom, as rows of two populations in all copies.

    Edges are grouped by receiver, in the order in which its messages are delivered.

    Attributes:
        source: the name of the sending population.
        to: the name of the receiving population.
        index: the number of the link in its env.
    """

    def __init__(
        self,
        names: tuple[str, str],
        rows: tuple[Rows, Rows],
        sizes: tuple[int, int],
        index: int,
        *,
        is_grouped: bool = True,
    ) -> None:
        """Take what is known of both sides; `sizes` are the rows of the two populations.

        Pairs of rows that are not grouped yet are so when `senders` or `receivers` are first asked for:
        counting needs no groups.
        """
        self.source, self.to = names
        self._rows, self._is_grouped = rows, is_grouped
        self.num_senders, self.num_receivers = sizes
        self.index, self.size = index, len(rows[0])
        # What a world found out: who handles messages by class and round, and which copies have no edge.
        self.routes: dict[tuple[type, int], Any] = {}
        self.unreached: NDArray[np.bool_] | None = None
        self.reaches_all = False

    def __len__(self) -> int:
        """Return E."""
        return self.size

    @cached_property
    def _order(self) -> Rows:
        return grouping_order(self._rows[1], self.num_receivers)

    @cached_property
    def senders(self) -> Rows:
        """int64 array [E]; the row of the sending population."""
        return self._rows[0] if self._is_grouped else self._rows[0][self._order]

    @cached_property
    def receivers(self) -> Rows:
        """int64 array [E]; the row of the receiving population; never decreasing."""
        return self._rows[1] if self._is_grouped else self._rows[1][self._order]

    @cached_property
    def is_by_sender(self) -> bool:
        """Whether every sender has one edge, in order: what it sends stands in its own row."""
        return len(self) == self.num_senders and bool((self.senders == np.arange(len(self))).all())

    @cached_property
    def width(self) -> int:
        """The number of edges of each receiver, if it is the same for all of them and not 0; else 0."""
        width = len(self) // self.num_receivers if self.num_receivers else 0
        is_even = width > 0 and width * self.num_receivers == len(self)
        return width if is_even and bool((self.counts == width).all()) else 0

    @cached_property
    def counts(self) -> Rows:
        """The number of edges of each receiver."""
        return np.bincount(self._rows[1], minlength=self.num_receivers)

    @cached_property
    def starts(self) -> Rows:
        """Where the edges of each receiver that has some begin."""
        return (np.cumsum(self.counts) - self.counts)[self.reached]

    @cached_property
    def reached(self) -> Rows:
        """The receivers that have edges."""
        return np.flatnonzero(self.counts)

    @cached_property
    def is_one_each(self) -> bool:
        """Whether no receiver has more than one edge."""
        return bool((self.receivers[1:] > self.receivers[:-1]).all())

    @cached_property
    def places(self) -> Rows:
        """The number of each edge among those of its receiver."""
        firsts = np.cumsum(self.counts) - self.counts
        return np.arange(len(self)) - firsts[self.receivers]

    def of_sender(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what the sender of each edge has, of an array with a row for each of them."""
        return values if self.is_by_sender else values[self.senders]

    def of_receiver(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what the receiver of each edge has, of an array with a row for each of them."""
        if self.width == 1:
            return values
        return values[self.receivers]

    @cached_property
    def to_back(self) -> Rows | None:
        """Edge e of `back` is edge `to_back[e]` of this; None: they stand in the same order."""
        if bool((self.senders[1:] >= self.senders[:-1]).all()):
            return None
        return np.argsort(self.senders, kind="stable")

    @cached_property
    def back(self) -> Edges:
        """The same edges in the other direction, grouped by their receiver."""
        order = self.to_back
        rows = self.receivers, self.senders
        if order is not None:
            rows = self.receivers[order], self.senders[order]
        return Edges((self.to, self.source), rows, (self.num_receivers, self.num_senders), self.index)

    def selected(self, indices: Rows) -> Edges:
        """Return some of the edges, by increasing index."""
        return self.with_rows(self.senders[indices], self.receivers[indices])

    def with_rows(self, senders: Rows, receivers: Rows) -> Edges:
        """Return edges between the same populations."""
        sizes = self.num_senders, self.num_receivers
        found = Edges((self.source, self.to), (senders, receivers), sizes, self.index)
        found.routes = self.routes
        return found


def grouped(names: tuple[str, str], pairs: tuple[Rows, Rows], sizes: tuple[int, int], index: int) -> Edges:
    """Return edges from pairs of rows in any order; `names` and `sizes` are those of the two populations."""
    order = grouping_order(pairs[1], sizes[1])
    return Edges(names, (pairs[0][order], pairs[1][order]), sizes, index)


def grouping_order(receivers: Rows, num_receivers: int) -> Rows:
    """Return what `np.argsort(receivers, kind="stable")` does, several times as fast.

    NumPy sorts 16 bits by counting. Wider rows are sorted as (row, place) in one integer each, which are all
    different, so that NumPy's fastest sort is stable too.
    """
    if num_receivers <= _MOST_16_BITS:
        return np.argsort(receivers.astype(np.uint16), kind="stable")
    places = len(receivers).bit_length()
    keys = receivers << places
    keys |= np.arange(len(receivers))
    keys.sort()
    keys &= (1 << places) - 1
    return keys
