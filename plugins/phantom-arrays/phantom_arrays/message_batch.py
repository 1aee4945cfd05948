"""`Messages`: the messages of one payload class that are sent along the edges of a link in one round."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_arrays.columns import Columns
from phantom_arrays.links import Edges, Rows

Mask = NDArray[np.bool_]


class Messages:
    """Messages of one payload class, one for each edge, grouped by receiver.

    In each group they are in order of delivery. The fields of `payload` are arrays with one element for each
    edge. Where `where` is an array, only the edges where it is true carry a message, and what stands
    elsewhere means nothing: every method leaves it out.

    What a method returns by receiver has a row for each member of the receiving population, in all copies.

    Attributes:
        edges: who sends to whom.
        payload: the content, an object of a class decorated with `ph.msg_payload`, whose fields are arrays.
        where: bool array [E]; which edges carry a message; None: all.
    """

    __slots__ = ("__dict__", "edges", "payload", "where")

    def __init__(self, edges: Edges, payload: Any, where: Mask | None = None) -> None:
        self.edges, self.payload, self.where = edges, payload, where

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self.edges) if self.where is None else int(np.count_nonzero(self.where))

    @property
    def senders(self) -> Rows:
        """The row of the sender of each edge, in the sending population."""
        return self.edges.senders

    @property
    def receivers(self) -> Rows:
        """The row of the receiver of each edge, in the receiving population."""
        return self.edges.receivers

    @cached_property
    def is_sent(self) -> Mask:
        """Whether each edge carries a message."""
        return np.ones(len(self.edges), np.bool_) if self.where is None else self.where

    def leave_out(self, mask: Mask) -> None:
        """Take messages back where a mask [E] is false."""
        self.where = mask if self.where is None else self.where & mask

    # ------------------------------------------------------------------ by receiver

    def total(self, values: Any) -> NDArray[Any]:
        """Return the sum of values [E] over the messages of each receiver; 0 where there are none.

        Bools are counted. Floats are added pairwise, so that a sum may differ in its last bits from that of a
        loop; it depends on nothing but the values of that receiver.
        """
        given = self._by_edge(values)
        if given.dtype.kind == "b":
            given = given.astype(np.int64)
        zero = given.dtype.type(0)
        return self._reduced(np.add, given if self.where is None else self._sent(given, zero), zero)

    def count(self) -> NDArray[np.int64]:
        """Return the number of messages of each receiver."""
        if self.where is None:
            return self.edges.counts.copy()
        return self.total(self.where)

    def any(self, values: Any) -> Mask:
        """Return whether a bool [E] is true in some message of each receiver; False where there are none."""
        return self._reduced(np.logical_or, self._sent(self._by_edge(values), np.False_), np.False_)

    def all(self, values: Any) -> Mask:
        """Return whether a bool [E] is true in every message of each receiver; True where there are none."""
        return self._reduced(np.logical_and, self._sent(self._by_edge(values), np.True_), np.True_)

    def min(self, values: Any, default: Any) -> NDArray[Any]:
        """Return the smallest of the values [E] at each receiver; the default where there are none."""
        return self._extreme(np.minimum, values, default)

    def max(self, values: Any, default: Any) -> NDArray[Any]:
        """Return the largest of the values [E] at each receiver; the default where there are none."""
        return self._extreme(np.maximum, values, default)

    def first(self, values: Any, default: Any) -> NDArray[Any]:
        """Return the value of the first message of each receiver; the default where there are none."""
        return self._picked(values, default, is_last=False)

    def last(self, values: Any, default: Any) -> NDArray[Any]:
        """Return the value of the last message of each receiver; the default where there are none."""
        return self._picked(values, default, is_last=True)

    def put(self, target: NDArray[Any], values: Any) -> None:
        """Write the value of the last message of each receiver into its row of an array; other rows stay."""
        given = self._by_edge(values)
        if self.where is None and self.edges.width == 1:
            target[:] = given
        elif self.where is None:
            target[self.receivers] = given  # of several, NumPy keeps the last one
        else:
            target[self.receivers[self.where]] = given[self.where]

    # ------------------------------------------------------------------ by message

    def of_sender(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return for each edge what its sender has, of an array by sender."""
        return self.edges.of_sender(values)

    def of_receiver(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return for each edge what its receiver has, of an array by receiver."""
        return self.edges.of_receiver(values)

    def sorted_by(self, keys: Any, *, descending: bool = False) -> Messages:
        """Return the same messages, those of each receiver in order of a key [E].

        Equal keys stay in order, as an order book ranks orders by price, then time:
        `orders.sorted_by(orders.payload.price, descending=True)`. Edges without a message are last.
        """
        edges, given = self.edges, self._by_edge(keys)
        order = _stable_order(given, descending=descending)
        if self.where is not None:
            order = order[np.argsort(~self.where[order], kind="stable")]
        order = order[np.argsort(edges.receivers[order], kind="stable")]
        found = edges.with_rows(edges.senders[order], edges.receivers)
        return Messages(found, taken(self.payload, order), None if self.where is None else self.where[order])

    def running_total(self, values: Any) -> NDArray[Any]:
        """Return for each message the sum of the values [E] of earlier messages to the same receiver.

        They are added one after the other, so floats have the bits that a loop over the messages gives.
        """
        given = self._by_edge(values)
        if given.dtype == np.bool_:
            given = given.astype(np.int64)
        given = self._sent(given, given.dtype.type(0))
        edges = self.edges
        if edges.width == 1 or not len(edges):
            return np.zeros_like(given)
        found: NDArray[Any]
        if edges.width:
            grid = given.reshape(-1, edges.width)
            found = np.zeros_like(grid)
            np.cumsum(grid[:, :-1], axis=1, out=found[:, 1:])
            return found.reshape(-1)
        if given.dtype.kind in "iu":
            before: NDArray[Any] = given.cumsum() - given
            firsts = np.repeat(before[edges.starts], edges.counts[edges.reached])
            found = before - firsts
            return found
        grid = np.zeros((edges.num_receivers, int(edges.counts.max())), given.dtype)
        grid[edges.receivers, edges.places] = given
        found = np.zeros_like(grid)
        np.cumsum(grid[:, :-1], axis=1, out=found[:, 1:])
        return found[edges.receivers, edges.places]

    def ration(self, wanted: Any, stock: NDArray[Any]) -> NDArray[Any]:
        """Return what each message gets if its receiver serves them in order, as far as its stock goes.

        What a loop gives: `got = min(wanted, stock); stock -= got`, for each message of a receiver. With
        floats up to rounding, since `stock - (wanted₀ + ... + wantedₙ₋₁)` is what is left for message n.

        Args:
            wanted: [E], not negative.
            stock: what each receiver has; not negative.
        """
        given = self._by_edge(wanted)
        if self.where is not None:
            given = self._sent(given, given.dtype.type(0))
        width = self.edges.width
        if width == 1:
            return np.asarray(np.minimum(given, stock))
        if width and given.dtype.kind in "iu":
            grid = given.reshape(-1, width)
            left = np.subtract(stock[:, None], grid.cumsum(1))
            left += grid
            np.maximum(left, 0, out=left)
            return np.asarray(np.minimum(left, grid, out=left).reshape(-1))
        left = stock[self.receivers] - self.running_total(given)
        return np.asarray(np.minimum(np.maximum(left, 0), given))

    def reply(self, payload: Any, where: Any = None) -> Messages:
        """Return an answer to each message, to be returned by the handler.

        Args:
            payload: the content; its fields have one element for each edge of these messages, or are one
            value for all.
            where: bool array [E]; which messages are answered; None: all.

        Raises:
            phantom_core.errors.EnvError: if a field or the mask has another shape.
        """
        edges = self.edges
        given = self.where
        if where is not None:
            asked = self._by_edge(where)
            given = asked if given is None else given & asked
        content = in_columns(payload, edges.size, self)
        if edges.to_back is not None:
            content = taken(content, edges.to_back)
            given = None if given is None else given[edges.to_back]
        return Messages(edges.back, content, given)

    # ------------------------------------------------------------------ how

    def _by_edge(self, values: Any) -> NDArray[Any]:
        found: NDArray[Any] = np.asarray(values)
        if found.ndim and len(found) == self.edges.size:
            return found
        if found.ndim == 0:
            return np.broadcast_to(found, (len(self.edges),))
        raise ph.errors.EnvError(
            f"An array of shape {found.shape} is combined with {type(self.payload).__name__} messages. "
            f"Expected one value for each of their {len(self.edges)} edges; messages.of_receiver(x) makes it "
            "of one for each receiver."
        )

    def _sent(self, values: NDArray[Any], neutral: Any) -> NDArray[Any]:
        """Return the values with a neutral one where there is no message."""
        return values if self.where is None else np.where(self.where, values, neutral)

    def _reduced(self, ufunc: np.ufunc, values: NDArray[Any], empty: Any) -> NDArray[Any]:
        """Reduce the values of each receiver."""
        edges = self.edges
        if edges.width == 1:
            return values.copy()
        if edges.width:
            if ufunc is np.add and values.dtype.kind in "iu":
                return np.asarray(np.add.reduce(values.reshape(-1, edges.width), axis=1, dtype=values.dtype))
            return np.asarray(ufunc.reduceat(values, edges.starts))
        found = np.full(edges.num_receivers, empty, values.dtype)
        if edges.is_one_each:
            found[edges.receivers] = values
        else:
            found[edges.reached] = ufunc.reduceat(values, edges.starts)
        return found

    def _extreme(self, ufunc: np.ufunc, values: Any, default: Any) -> NDArray[Any]:
        given = self._by_edge(values)
        kind = given.dtype
        limits = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind)
        worst = (np.inf if kind.kind == "f" else limits.max) * (1 if ufunc is np.minimum else -1)
        if kind.kind in "iu" and ufunc is np.maximum:
            worst = limits.min
        neutral = kind.type(worst)
        found = self._reduced(ufunc, self._sent(given, neutral), neutral)
        return np.where(self.count() > 0, found, kind.type(default))

    def _picked(self, values: Any, default: Any, *, is_last: bool) -> NDArray[Any]:
        given = self._by_edge(values)
        indices = np.arange(len(self.edges)) if self.where is None else np.flatnonzero(self.where)
        found = np.full(self.edges.num_receivers, default, given.dtype)
        if not is_last:
            indices = indices[::-1]  # of several writes, NumPy keeps the last one
        found[self.receivers[indices]] = given[indices]
        return found


Sent: TypeAlias = Messages | Iterable[Messages] | None
"""What is sent: messages of one kind, of several kinds, or nothing."""


def in_columns(payload: Any, number: int, source: object) -> Any:
    """Return a payload whose fields have so many elements; raise `EnvError` if one has not.

    `source` is the population that sends, the messages that are answered, or edges.
    """
    values = []
    is_as_it_is = True
    names = fields_of(payload)
    if names is not type(payload).__struct_fields__ and payload.member is not None:
        raise ph.errors.EnvError(
            f"A population sends {type(payload).__name__} with member={payload.member!r}. Leave it out: "
            "members send for themselves, and where=... says who does."
        )
    for name in names:
        value = getattr(payload, name)
        if type(value) is not np.ndarray:
            value, is_as_it_is = np.asarray(value), False
        if not value.ndim:
            value, is_as_it_is = np.broadcast_to(value, (number,)), False
        elif len(value) != number:
            per = f"rows of {getattr(source, 'name', '')!r}"
            if isinstance(source, Messages):
                per = f"{type(source.payload).__name__} messages that are answered"
            elif isinstance(source, Edges):
                per = f"edges from {source.source!r} to {source.to!r}"
            raise ph.errors.EnvError(
                f"{type(payload).__name__}.{name} is sent as an array of shape {value.shape}. Expected one "
                f"value for each of the {number} {per}, or one for all."
            )
        values.append(value)
    return payload if is_as_it_is else type(payload)(*values)


def fields_of(payload: Any) -> tuple[str, ...]:
    """Return the names of the fields of a payload, but `member`; raise `EnvError` if it is none."""
    try:
        names: tuple[str, ...] = type(payload).__struct_fields__
    except AttributeError:
        raise ph.errors.EnvError(
            f"{payload!r} is sent, which is no payload. Expected an object of a class decorated with "
            "ph.msg_payload(), whose fields are arrays."
        ) from None
    if names and names[-1] == "member" and isinstance(payload, Columns):
        return names[:-1]
    return names


def taken(payload: Any, order: Rows) -> Any:
    """Return a payload with these elements of each field."""
    return type(payload)(*[getattr(payload, name)[order] for name in fields_of(payload)])


def _stable_order(keys: NDArray[Any], *, descending: bool) -> Rows:
    """Return the order of keys; equal ones stay in order in both directions."""
    if not descending:
        return np.argsort(keys, kind="stable")
    return len(keys) - 1 - np.argsort(keys[::-1], kind="stable")[::-1]
