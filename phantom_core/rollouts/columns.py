"""Columns of elements of a space, checked and written in batches; and of what policies return, as it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

_FIRST_CAPACITY = 64


class OutsideSpaceError(Exception):
    """An element that is to be written is not in the column's space.

    Attributes:
        index: which of the elements.
    """

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class _DoubtError(Exception):
    """The fast way of writing does not apply: look at the elements one by one."""


class Column(ABC):
    """Rows of elements of one space.

    Attributes:
        size: the number of rows.
        capacity: the number of rows that there is room for.
    """

    def __init__(self, space: gym.Space[Any]) -> None:
        self.space = space
        self.size = 0
        self.capacity = 0

    def write(self, values: Sequence[Any]) -> Any:
        """Add elements; return them as a batch, which can be read until the next call.

        Raises:
            OutsideSpaceError: if one is not in the space.
        """
        start = self.size
        end = start + len(values)
        if end > self.capacity:
            self.reserve(end)
        try:
            batch = self.write_fast(start, end, values)
        except (_DoubtError, TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError):
            batch = self._write_slowly(start, values)
        self.size = end
        return batch

    def add(self, value: Any) -> None:
        """Add one element that was checked before."""
        self.reserve(self.size + 1)
        self.assign(self.size, value)
        self.size += 1

    def add_nothing(self) -> None:
        """Add a row of zeros."""
        self.reserve(self.size + 1)
        self.blank(self.size)
        self.size += 1

    def clear(self) -> None:
        """Forget every row."""
        self.size = 0

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Forget every row but these, which move to the front."""
        kept = self.elements(rows)
        self.clear()
        for value in kept:
            self.add(value)

    def _write_slowly(self, start: int, values: Sequence[Any]) -> Any:
        for index, value in enumerate(values):
            if not self.space.contains(value):
                raise OutsideSpaceError(index)
            self.assign(start + index, value)
        return self.read(start, start + len(values))

    def reserve(self, capacity: int) -> None:
        """Make room for so many rows."""
        if capacity > self.capacity:
            self.capacity = max(capacity, 2 * self.capacity, _FIRST_CAPACITY)
            self.grow(self.capacity, self.size)

    @abstractmethod
    def grow(self, capacity: int, size: int) -> None:
        """Make room for so many rows, of which the first `size` are in use."""

    @abstractmethod
    def write_fast(self, start: int, end: int, values: Sequence[Any]) -> Any:
        """Write and check all at once; return the batch. Raise if anything is not as usual."""

    @abstractmethod
    def assign(self, row: int, value: Any) -> None:
        """Write one element."""

    @abstractmethod
    def blank(self, row: int) -> None:
        """Write zeros."""

    @abstractmethod
    def read(self, start: int, end: int) -> Any:
        """Return rows as a batch that can be read until the next call."""

    @abstractmethod
    def take(self, rows: NDArray[np.int64]) -> Any:
        """Return these rows as a batch of its own."""

    @abstractmethod
    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows as elements of the space, which share no memory with the column."""


class ArrayColumn(Column):
    """An array [B, ...] for Box, MultiDiscrete, MultiBinary and, inside of other spaces, Discrete."""

    def __init__(self, space: gym.Space[Any]) -> None:
        super().__init__(space)
        shape, dtype = space.shape, space.dtype
        assert shape is not None
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._width = int(np.prod(shape))
        self._low, self._high = _bounds(space)
        self._array: NDArray[Any] = np.zeros((0, *shape), self._dtype)
        self._joined = self._array
        self._lows = self._highs = np.zeros(0, self._dtype)

    def grow(self, capacity: int, size: int) -> None:
        """Make room for so many rows."""
        grown = np.zeros((capacity, *self._shape), self._dtype)
        grown[:size] = self._array[:size]
        self._array = grown
        self._joined = grown.reshape(-1, *self._shape[1:]) if self._shape else grown

    def write_fast(self, start: int, end: int, values: Sequence[Any]) -> NDArray[Any]:
        """Write and check all at once."""
        rows = self._array[start:end]
        if not self._shape:
            found = np.array(values)
            if found.shape != rows.shape or not np.can_cast(found.dtype, self._dtype):
                raise _DoubtError
            rows[:] = found
        elif isinstance(values, np.ndarray):
            if values.shape != rows.shape or not np.can_cast(values.dtype, self._dtype):
                raise _DoubtError
            rows[:] = values
        else:
            length = self._shape[0]
            if end - start > 1 and set(map(len, values)) != {length}:
                raise _DoubtError
            out = self._joined[start * length : end * length]
            np.concatenate(values, out=out, casting="safe")
        self._check(rows)
        rows.setflags(write=False)
        return rows

    def _check(self, rows: NDArray[Any]) -> None:
        """Compare with the bounds, repeated for as many rows: like with like takes half the time."""
        if self._lows.shape != rows.shape:
            self._lows, self._highs = (
                np.broadcast_to(0 if bound is None else bound, rows.shape).astype(self._dtype, order="C")
                for bound in (self._low, self._high)
            )
        if self._low is not None and np.count_nonzero(rows >= self._lows) != rows.size:
            raise _DoubtError  # also for NaN
        if self._high is not None and np.count_nonzero(rows <= self._highs) != rows.size:
            raise _DoubtError

    def assign(self, row: int, value: Any) -> None:
        """Write one element."""
        self._array[row] = value

    def blank(self, row: int) -> None:
        """Write zeros."""
        self._array[row] = 0

    def read(self, start: int, end: int) -> NDArray[Any]:
        """Return rows as a view that cannot be written."""
        rows = self._array[start:end]
        rows.setflags(write=False)
        return rows

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return these rows as an array."""
        return self._array.take(rows, axis=0)

    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows as arrays of their own."""
        return [row.copy() for row in self._array[rows]]

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Forget every row but these."""
        self._array[: len(rows)] = self._array[rows]
        self.size = len(rows)


class ListColumn(Column):
    """A list, for every other space."""

    def __init__(self, space: gym.Space[Any]) -> None:
        super().__init__(space)
        self._values: list[Any] = []

    def grow(self, capacity: int, size: int) -> None:
        """A list makes its own room."""

    def write_fast(self, start: int, end: int, values: Sequence[Any]) -> list[Any]:
        """Check one by one: there is no faster way."""
        raise _DoubtError

    def assign(self, row: int, value: Any) -> None:
        """Write one element."""
        self._values[row:] = [value]

    def blank(self, row: int) -> None:
        """Write nothing."""
        self._values[row:] = [None]

    def read(self, start: int, end: int) -> list[Any]:
        """Return rows as a list."""
        return self._values[start:end]

    def take(self, rows: NDArray[np.int64]) -> Any:
        """Return these rows as a list."""
        return self.elements(rows)

    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows as a list."""
        return [self._values[row] for row in rows.tolist()]


class DiscreteColumn(ListColumn):
    """A list of ints, which a table reads faster than an array; taken out as an int64 array."""

    def __init__(self, space: gym.spaces.Discrete) -> None:
        super().__init__(space)
        self._first, self._end = int(space.start), int(space.start + space.n)

    def clear(self) -> None:
        """Forget every row."""
        self.size = 0
        self._values.clear()

    def write(self, values: Sequence[Any]) -> Any:
        """Add elements; return them as a list of ints."""
        first, end = self._first, self._end
        for value in values:
            if type(value) is not int or not first <= value < end:
                return super().write(values)
        self._values += values
        self.size += len(values)
        return values

    def assign(self, row: int, value: Any) -> None:
        """Write one element."""
        self._values[row:] = [int(value)]

    def blank(self, row: int) -> None:
        """Write a zero."""
        self._values[row:] = [0]

    def take(self, rows: NDArray[np.int64]) -> Any:
        """Return these rows as an array."""
        return np.array(self._values, dtype=np.int64)[rows]


class NestedColumn(Column):
    """One column for each part of a Dict or Tuple space."""

    def __init__(self, space: gym.spaces.Dict | gym.spaces.Tuple[Any]) -> None:
        super().__init__(space)
        self._is_dict = isinstance(space, gym.spaces.Dict)
        parts = space.spaces.items() if isinstance(space, gym.spaces.Dict) else enumerate(space.spaces)
        self._parts: dict[Any, Column] = {key: make_part(part) for key, part in parts}
        self._kind = {dict if self._is_dict else tuple}

    def grow(self, capacity: int, size: int) -> None:
        """Make room for so many rows."""
        for part in self._parts.values():
            part.grow(capacity, size)

    def write_fast(self, start: int, end: int, values: Sequence[Any]) -> Any:
        """Write and check part by part."""
        if set(map(type, values)) != self._kind or set(map(len, values)) != {len(self._parts)}:
            raise _DoubtError
        return self._joined(
            part.write_fast(start, end, [value[key] for value in values]) for key, part in self._parts.items()
        )

    def assign(self, row: int, value: Any) -> None:
        """Write one element."""
        for key, part in self._parts.items():
            part.assign(row, value[key])

    def blank(self, row: int) -> None:
        """Write zeros."""
        for part in self._parts.values():
            part.blank(row)

    def read(self, start: int, end: int) -> Any:
        """Return rows as a dict or tuple of batches."""
        return self._joined(part.read(start, end) for part in self._parts.values())

    def take(self, rows: NDArray[np.int64]) -> Any:
        """Return these rows as a dict or tuple of batches."""
        return self._joined(part.take(rows) for part in self._parts.values())

    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows as dicts or tuples."""
        parts = [part.elements(rows) for part in self._parts.values()]
        return [self._joined(values) for values in zip(*parts, strict=True)]

    def _joined(self, values: Iterable[Any]) -> Any:
        return dict(zip(self._parts, values, strict=True)) if self._is_dict else tuple(values)


def make_column(space: gym.Space[Any]) -> Column:
    """Return an empty column for elements of a space."""
    return DiscreteColumn(space) if isinstance(space, gym.spaces.Discrete) else make_part(space)


def make_part(space: gym.Space[Any]) -> Column:
    """Return an empty column for a part of a space."""
    if isinstance(space, _ARRAYS):
        return ArrayColumn(space)
    if isinstance(space, (gym.spaces.Dict, gym.spaces.Tuple)):
        return NestedColumn(space)
    return ListColumn(space)


_ARRAYS = (gym.spaces.Box, gym.spaces.Discrete, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)


def batch_of(space: gym.Space[Any], elements: Sequence[Any]) -> Any:
    """Return elements of a space, which were checked before, as a batch."""
    column = make_column(space)
    for element in elements:
        column.add(element)
    return column.take(np.arange(len(elements)))


def membership(space: gym.Space[Any]) -> Callable[[Any], bool]:
    """Return a test of membership that costs little for the commonest space."""
    if not isinstance(space, gym.spaces.Discrete):
        return space.contains
    first, end = int(space.start), int(space.start + space.n)
    contains = space.contains
    return lambda value: (type(value) is int and first <= value < end) or contains(value)


def _bounds(space: gym.Space[Any]) -> tuple[Any, Any]:
    """Return the lowest and the highest values; None where every value of the dtype is allowed."""
    if isinstance(space, gym.spaces.Box):
        low, high = space.low, space.high
    elif isinstance(space, gym.spaces.MultiDiscrete):
        low, high = space.start, space.start + (space.nvec - 1)
    elif isinstance(space, gym.spaces.Discrete):
        low, high = np.asarray(space.start), np.asarray(space.start + space.n - 1)
    else:
        low, high = np.zeros(space.shape or ()), np.ones(space.shape or ())
    dtype = np.dtype(space.dtype)
    if dtype.kind == "f":  # one comparison always stays, for NaN
        return (None if np.all(low == -np.inf) and not np.all(high == np.inf) else low), (
            None if np.all(high == np.inf) else high
        )
    limits = np.iinfo(dtype)
    return (None if np.all(low == limits.min) else low), (None if np.all(high == limits.max) else high)


class KeptArray:
    """Values as a growing array, whose dtype and shape are those of the first values."""

    def __init__(self, empty: NDArray[Any] | None = None) -> None:
        self._empty = np.zeros(0) if empty is None else empty
        self._array: NDArray[Any] | None = None

    def write(self, start: int, values: Any) -> None:
        """Add B values after the first `start` rows; the dtype is widened if it has to be."""
        found = values if isinstance(values, np.ndarray) else np.asarray(values)
        array, end = self._array, start + len(found)
        if array is None:
            array = self._array = np.zeros((max(end, _FIRST_CAPACITY), *found.shape[1:]), found.dtype)
        dtype = array.dtype if found.dtype == array.dtype else np.result_type(array, found)
        if end > len(array) or dtype != array.dtype:
            grown = np.zeros((max(end, 2 * len(array)), *array.shape[1:]), dtype)
            grown[:start] = array[:start]
            array = self._array = grown
        array[start:end] = found

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return these rows as an array of its own."""
        return self._empty.copy() if self._array is None else self._array.take(rows, axis=0)

    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows one by one."""
        return list(self.take(rows))

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Forget every row but these."""
        if self._array is not None:
            self._array[: len(rows)] = self._array[rows]


class KeptActions:
    """Actions of a space without arrays, as a list; taken out as a batch of the space."""

    def __init__(self, space: gym.Space[Any]) -> None:
        self._space = space
        self._values: list[Any] = []

    def write(self, start: int, values: Sequence[Any] | NDArray[Any]) -> None:
        """Add B values after the first `start` rows."""
        self._values.extend(values.tolist() if isinstance(values, np.ndarray) else values)

    def take(self, rows: NDArray[np.int64]) -> Any:
        """Return these rows as a batch of its own."""
        if isinstance(self._space, gym.spaces.Discrete):
            return np.array(self._values, dtype=np.int64)[rows]
        return batch_of(self._space, self.elements(rows))

    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows one by one."""
        return [self._values[row] for row in rows.tolist()]

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Forget every row but these."""
        self._values = self.elements(rows)


KeptValues: TypeAlias = KeptArray | KeptActions
"""Rows of values that policies returned."""


def kept_actions(space: gym.Space[Any]) -> KeptValues:
    """Return an empty column for actions of a space."""
    if isinstance(space, (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)):
        return KeptArray(np.zeros((0, *space.shape), space.dtype))
    return KeptActions(space)
