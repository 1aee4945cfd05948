"""Growing columns of values: elements of a space, checked as they are written, or what policies return."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.int64] | slice
"""Which rows of a column."""

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
    """Rows of values.

    Attributes:
        size: the number of rows.
    """

    size = 0

    @abstractmethod
    def extend(self, values: Sequence[Any]) -> None:
        """Add values without a check."""

    @abstractmethod
    def take(self, rows: Rows) -> Any:
        """Return these rows as a batch of its own."""

    @abstractmethod
    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows one by one; they share no memory with the column."""

    @abstractmethod
    def clear(self) -> None:
        """Forget every row."""

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Forget every row but these, which move to the front."""
        kept = self.elements(rows) if len(rows) else []
        self.clear()
        if kept:
            self.extend(kept)


class SpaceColumn(Column):
    """Rows of elements of a space.

    Attributes:
        space: the space.
    """

    def __init__(self, space: gym.Space[Any]) -> None:
        self.space = space

    def write(self, values: Sequence[Any]) -> Any:
        """Add elements; return them as a batch, which can be read until the next call.

        Raises:
            OutsideSpaceError: if one is not in the space.
        """
        start = self.size
        try:
            return self.write_fast(values)
        except (_DoubtError, TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError):
            self.size = start
        fitting = [fitted(self.space, value) for value in values]
        for index, value in enumerate(fitting):
            if not contains(self.space, value):
                raise OutsideSpaceError(index)
        self.extend(fitting)
        return self.read(start)

    @abstractmethod
    def write_fast(self, values: Sequence[Any]) -> Any:
        """Add and check all at once; return the batch. Raise if anything is not as usual."""

    @abstractmethod
    def read(self, start: int) -> Any:
        """Return the last rows, from `start`, as a batch that can be read until the next call."""

    def add_filler(self) -> None:
        """Add an element of the space that stands for nothing."""
        self.extend([filler(self.space)])


class ValueColumn(Column):
    """An array, whose shape and dtype are those of the first values; the dtype is widened if need be."""

    def __init__(self, empty: NDArray[Any] | None = None) -> None:
        """Begin; `empty` is returned while there are no rows."""
        self._array = np.zeros(0) if empty is None else empty

    def extend(self, values: Sequence[Any]) -> None:
        """Add values."""
        found = values if isinstance(values, np.ndarray) else np.asarray(values)
        array, start, end = self._array, self.size, self.size + len(found)
        dtype = array.dtype
        if start == 0 and (dtype != found.dtype or array.shape[1:] != found.shape[1:]):
            dtype, array = found.dtype, np.zeros((0, *found.shape[1:]), found.dtype)
        elif dtype != found.dtype:
            dtype = np.result_type(array, found)
        if end > len(array) or dtype != array.dtype:
            array = _grown(array, end, start, dtype)
        array[start:end] = found
        self._array, self.size = array, end

    def take(self, rows: Rows) -> NDArray[Any]:
        """Return these rows as an array of its own."""
        return _taken(self._array[: self.size], rows)

    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows one by one."""
        return list(self.take(rows))

    def clear(self) -> None:
        """Forget every row."""
        self.size = 0

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Forget every row but these."""
        self._array[: len(rows)] = self._array[rows]
        self.size = len(rows)


class ArrayColumn(SpaceColumn):
    """An array [B, ...] for Box, MultiDiscrete, MultiBinary and, inside of other spaces, Discrete."""

    def __init__(self, space: gym.Space[Any]) -> None:
        super().__init__(space)
        shape, dtype = space.shape, space.dtype
        assert shape is not None
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._is_cast = False  # whether what is written is of a larger float type
        self._low, self._high = _bounds(space)
        self._lows = self._highs = np.zeros(0, self._dtype)
        self._array: NDArray[Any] = np.zeros((0, *shape), self._dtype)
        self._joined = self._array

    def _reserve(self, capacity: int) -> None:
        """Make room."""
        self._array = _grown(self._array, capacity, self.size, self._dtype)
        self._joined = self._array.reshape(-1, *self._shape[1:]) if self._shape else self._array

    def write_fast(self, values: Sequence[Any]) -> NDArray[Any]:
        """Add and check all at once."""
        start, end = self.size, self.size + len(values)
        if end > len(self._array):
            self._reserve(end)
        rows = self._array[start:end]
        if not self._shape or isinstance(values, np.ndarray):
            found = np.asarray(values)
            if found.shape != rows.shape or not np.can_cast(found.dtype, self._dtype):
                raise _DoubtError
            rows[:] = found
        else:
            length = self._shape[0]
            if end - start > 1 and set(map(len, values)) != {length}:
                raise _DoubtError
            self._concatenate(values, self._joined[start * length : end * length])
        self._check(rows)
        rows.setflags(write=False)
        self.size = end
        return rows

    def _concatenate(self, values: Sequence[Any], out: NDArray[Any]) -> None:
        """Write arrays one after the other; those of a larger float type only if they stay finite."""
        if not self._is_cast:
            try:
                np.concatenate(values, out=out, casting="safe")
            except TypeError:
                self._is_cast = self._dtype.kind == "f"
            else:
                return
        if not self._is_cast or any(value.dtype.kind != "f" for value in values):
            raise _DoubtError
        with np.errstate(over="ignore"):
            np.concatenate(values, out=out, casting="same_kind")
        if not np.isfinite(out).all():
            raise _DoubtError

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

    def extend(self, values: Sequence[Any]) -> None:
        """Add elements."""
        end = self.size + len(values)
        if end > len(self._array):
            self._reserve(end)
        for row, value in enumerate(values, self.size):
            self._array[row] = value
        self.size = end

    def read(self, start: int) -> NDArray[Any]:
        """Return the last rows as a view that cannot be written."""
        rows = self._array[start : self.size]
        rows.setflags(write=False)
        return rows

    def take(self, rows: Rows) -> NDArray[Any]:
        """Return these rows as an array."""
        return _taken(self._array[: self.size], rows)

    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows as arrays of their own."""
        return [row.copy() for row in self._array[rows]]

    def clear(self) -> None:
        """Forget every row."""
        self.size = 0

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Forget every row but these."""
        self._array[: len(rows)] = self._array[rows]
        self.size = len(rows)


class DiscreteColumn(SpaceColumn):
    """A list of ints, which a table reads faster than an array; taken out as an int64 array."""

    def __init__(self, space: gym.spaces.Discrete) -> None:
        super().__init__(space)
        self._first, self._end = int(space.start), int(space.start + space.n)
        self._values: list[int] = []

    def write(self, values: Sequence[Any]) -> Any:
        """Add elements; return them as a list of ints."""
        first, end = self._first, self._end
        for value in values:
            if type(value) is not int or not first <= value < end:
                return super().write(values)
        self._values += values
        self.size += len(values)
        return values

    def write_fast(self, values: Sequence[Any]) -> list[int]:
        """Look at the elements one by one."""
        raise _DoubtError

    def extend(self, values: Sequence[Any]) -> None:
        """Add elements."""
        self._values += values.tolist() if isinstance(values, np.ndarray) else values
        self.size += len(values)

    def read(self, start: int) -> list[int]:
        """Return the last rows as a list."""
        return self._values[start:]

    def take(self, rows: Rows) -> NDArray[np.int64]:
        """Return these rows as an array."""
        return _taken(np.array(self._values, dtype=np.int64), rows)

    def elements(self, rows: NDArray[np.int64]) -> list[int]:
        """Return these rows as ints."""
        return [self._values[row] for row in rows.tolist()]

    def clear(self) -> None:
        """Forget every row."""
        self.size = 0
        self._values = []


class NestedColumn(SpaceColumn):
    """One column for each part of a Dict or Tuple space."""

    def __init__(self, space: gym.spaces.Dict | gym.spaces.Tuple[Any]) -> None:
        super().__init__(space)
        self._is_dict = isinstance(space, gym.spaces.Dict)
        parts = space.spaces.items() if isinstance(space, gym.spaces.Dict) else enumerate(space.spaces)
        self._parts: dict[Any, SpaceColumn] = {key: _make_part(part) for key, part in parts}
        self._kind = {dict if self._is_dict else tuple}

    def write_fast(self, values: Sequence[Any]) -> Any:
        """Add and check part by part."""
        if set(map(type, values)) != self._kind or set(map(len, values)) != {len(self._parts)}:
            raise _DoubtError
        try:
            batch = self._joined(
                part.write_fast([value[key] for value in values]) for key, part in self._parts.items()
            )
        except BaseException:
            for part in self._parts.values():
                part.size = self.size
            raise
        self.size += len(values)
        return batch

    def extend(self, values: Sequence[Any]) -> None:
        """Add elements."""
        for key, part in self._parts.items():
            part.extend([value[key] for value in values])
        self.size += len(values)

    def read(self, start: int) -> Any:
        """Return the last rows as a dict or tuple of batches."""
        return self._joined(part.read(start) for part in self._parts.values())

    def take(self, rows: Rows) -> Any:
        """Return these rows as a dict or tuple of batches."""
        return self._joined(part.take(rows) for part in self._parts.values())

    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows as dicts or tuples."""
        parts = [part.elements(rows) for part in self._parts.values()]
        return [self._joined(values) for values in zip(*parts, strict=True)]

    def clear(self) -> None:
        """Forget every row."""
        self.size = 0
        for part in self._parts.values():
            part.clear()

    def _joined(self, values: Iterable[Any]) -> Any:
        return dict(zip(self._parts, values, strict=True)) if self._is_dict else tuple(values)


class ListColumn(SpaceColumn):
    """A list, for every other space."""

    def __init__(self, space: gym.Space[Any]) -> None:
        super().__init__(space)
        self._values: list[Any] = []

    def write_fast(self, values: Sequence[Any]) -> list[Any]:
        """Check one by one: there is no faster way."""
        raise _DoubtError

    def extend(self, values: Sequence[Any]) -> None:
        """Add elements."""
        self._values[self.size :] = values
        self.size = len(self._values)

    def read(self, start: int) -> list[Any]:
        """Return the last rows as a list."""
        return self._values[start:]

    def take(self, rows: Rows) -> list[Any]:
        """Return these rows as a list."""
        return self._values[rows] if isinstance(rows, slice) else self.elements(rows)

    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows as a list."""
        return [self._values[row] for row in rows.tolist()]

    def clear(self) -> None:
        """Forget every row."""
        self.size = 0
        self._values = []


def make_column(space: gym.Space[Any]) -> SpaceColumn:
    """Return an empty column for elements of a space."""
    return DiscreteColumn(space) if isinstance(space, gym.spaces.Discrete) else _make_part(space)


def make_action_column(space: gym.Space[Any]) -> Column:
    """Return an empty column for what a policy returns as actions of a space."""
    if isinstance(space, (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)):
        return ValueColumn(np.zeros((0, *space.shape), space.dtype))
    return make_column(space)


def _make_part(space: gym.Space[Any]) -> SpaceColumn:
    if isinstance(space, _ARRAYS):
        return ArrayColumn(space)
    if isinstance(space, (gym.spaces.Dict, gym.spaces.Tuple)):
        return NestedColumn(space)
    return ListColumn(space)


_ARRAYS = (gym.spaces.Box, gym.spaces.Discrete, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)


def fitted(space: gym.Space[Any], value: Any) -> Any:
    """Return a value as its column holds it: an integer of NumPy as an int, float64 as a smaller float type.

    Anything else is returned unchanged, and so is a finite number that the smaller type cannot hold.
    """
    if isinstance(space, gym.spaces.Discrete):
        is_integer = isinstance(value, (np.generic, np.ndarray)) and value.dtype.kind in "iu"
        return int(value) if is_integer and value.size == 1 else value
    if isinstance(space, gym.spaces.Box) and isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and np.dtype(space.dtype).kind == "f" and value.dtype != space.dtype:
            with np.errstate(over="ignore"):
                found = value.astype(space.dtype)
            return found if np.array_equal(np.isfinite(found), np.isfinite(value)) else value
    elif isinstance(space, gym.spaces.Dict) and isinstance(value, dict):
        parts = space.spaces
        return {key: fitted(parts[key], part) if key in parts else part for key, part in value.items()}
    elif isinstance(space, gym.spaces.Tuple) and isinstance(value, tuple) and len(value) == len(space.spaces):
        return tuple(fitted(part, own) for part, own in zip(space.spaces, value, strict=True))
    return value


def contains(space: gym.Space[Any], value: Any) -> bool:
    """Tell whether a value is an element of a space; a value that the space cannot even look at is none."""
    try:
        return bool(space.contains(value))
    except Exception:  # text in the place of numbers, for example
        return False


def membership(space: gym.Space[Any]) -> Callable[[Any], bool]:
    """Return a test of membership that costs little for the commonest space."""
    if not isinstance(space, gym.spaces.Discrete):
        return lambda value: contains(space, fitted(space, value))
    first, end = int(space.start), int(space.start + space.n)
    return lambda value: (type(value) is int and first <= value < end) or contains(space, value)


def filler(space: gym.Space[Any]) -> Any:
    """Return the element nearest to zero; of a space of another kind, a drawn one that is always the same."""
    match space:
        case gym.spaces.Discrete():
            return int(min(max(0, space.start), space.start + space.n - 1))
        case gym.spaces.Box():
            return np.clip(np.zeros(space.shape, space.dtype), space.low, space.high)
        case gym.spaces.MultiDiscrete():
            return np.clip(np.zeros(space.shape, space.dtype), space.start, space.start + (space.nvec - 1))
        case gym.spaces.MultiBinary():
            return np.zeros(space.shape, space.dtype)
        case gym.spaces.Dict():
            return {key: filler(part) for key, part in space.items()}
        case gym.spaces.Tuple():
            return tuple(filler(part) for part in space.spaces)
    twin = copy.deepcopy(space)
    twin.seed(0)
    return twin.sample()


def _grown(array: NDArray[Any], capacity: int, size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array with room for at least so many rows, and the first `size` rows of this one."""
    room = max(capacity, 2 * len(array), _FIRST_CAPACITY)
    grown = np.zeros((room, *array.shape[1:]), dtype)
    grown[:size] = array[:size]
    return grown


def _taken(array: NDArray[Any], rows: Rows) -> NDArray[Any]:
    return array[rows].copy() if isinstance(rows, slice) else array.take(rows, axis=0)


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
