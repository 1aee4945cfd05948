"""`SpaceBatcher`: batches of elements of a space, each element checked."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.policies.batching import join_rows

_MOST_BOUNDS: Final = 16
"""For so many numbers of rows the bounds are kept repeated."""

_MANY: Final = 16
"""So many values are looked at by functions of C."""


class OutsideSpaceError(Exception):
    """The element of this index is not in the space."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class _DoubtError(Exception):
    """The elements are not as usual: look at them one by one."""


def is_integer_array(values: Any) -> bool:
    """Return whether these are whole numbers as an array [B]."""
    return isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "iu"


def are_ints(values: Sequence[Any], first: int, end: int) -> bool:
    """Return whether all values are ints, in a list or an array, from `first` on and below `end`."""
    if type(values) is not list and isinstance(values, np.ndarray):
        return is_integer_array(values) and np.count_nonzero((values >= first) & (values < end)) == len(
            values
        )
    if len(values) <= _MANY:
        for value in values:  # noqa: SIM110  a generator costs more than a few values
            if type(value) is not int or not first <= value < end:
                return False
        return True
    return set(map(type, values)) == {int} and first <= min(values) and max(values) < end


class SpaceBatcher:
    """Makes batches of elements of one space, in the layout of `policies/batching.py`: lists, in general.

    Attributes:
        space: the space.
        when_clipped: called with a finite element beyond the bounds of a Box, which is clipped to them; None:
            such an element is refused.
    """

    def __init__(self, space: gym.Space[Any]) -> None:
        self.space = space
        self.when_clipped: Callable[[Any], None] | None = None

    def checked(self, values: Sequence[Any]) -> Any:
        """Return elements as a batch, whose arrays are its own and cannot be written.

        Raises:
            OutsideSpaceError: if one is not in the space.
        """
        try:
            return self.usual(values)
        except (_DoubtError, TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError):
            fitting = [fitted(self.space, value) for value in values]
        for index, value in enumerate(fitting):
            if not contains(self.space, value):
                found = value if self.when_clipped is None else clipped(self.space, value)
                if self.when_clipped is None or not contains(self.space, found):
                    raise OutsideSpaceError(index)
                self.when_clipped(value)
                fitting[index] = found
        return self.batch(fitting)

    def usual(self, values: Sequence[Any]) -> Any:
        """Check and batch all at once. Raise if anything is not as usual, or there is no faster way."""
        raise _DoubtError

    def batch(self, values: Sequence[Any]) -> Any:
        """Return elements as a batch, without a check."""
        return values.tolist() if isinstance(values, np.ndarray) else list(values)

    def joined(self, batches: Sequence[Any]) -> Any:
        """Return batches as one, in memory of its own."""
        return join_rows(batches) if batches else self.batch([])


class ArrayBatcher(SpaceBatcher):
    """An array [B, ...] for Box, MultiDiscrete, MultiBinary and, inside of other spaces, Discrete."""

    def __init__(self, space: gym.Space[Any]) -> None:
        super().__init__(space)
        assert space.shape is not None
        self._shape, self._dtype = space.shape, np.dtype(space.dtype)
        self._is_cast = False  # whether what comes is of a larger float type
        low, high = _range(space)
        is_float = self._dtype.kind == "f"
        limits = np.finfo(self._dtype) if is_float else np.iinfo(self._dtype)
        low, high = np.maximum(low, limits.min), np.minimum(high, limits.max)  # a float must be finite, too
        has_low, has_high = not np.all(low == limits.min), not np.all(high == limits.max)
        self._is_free = is_float and not (has_low or has_high)
        self._low = low if has_low or (is_float and has_high) else None
        self._high = high if has_high or (is_float and has_low) else None
        self._bounds: dict[int, tuple[NDArray[Any] | None, NDArray[Any] | None]] = {}  # by the number of rows

    def usual(self, values: Sequence[Any]) -> NDArray[Any]:
        """Compare all elements with the bounds."""
        shape = (len(values), *self._shape)
        if not self._shape or isinstance(values, np.ndarray):
            found = np.array(values)
            if found.shape != shape:
                raise _DoubtError
            rows = found
            if found.dtype != self._dtype:
                if not np.can_cast(found.dtype, self._dtype):
                    raise _DoubtError
                rows = found.astype(self._dtype)
        else:
            if len(values) > 1 and set(map(len, values)) != {self._shape[0]}:
                raise _DoubtError
            rows = self._concatenated(values).reshape(shape)
        if self._is_free and not np.isfinite(rows).all():
            raise _DoubtError
        lows, highs = self._bounds.get(len(values)) or self._repeated_bounds(len(values))
        if lows is not None and np.count_nonzero(rows >= lows) != rows.size:
            raise _DoubtError  # also for NaN and infinities
        if highs is not None and np.count_nonzero(rows <= highs) != rows.size:
            raise _DoubtError
        rows.setflags(write=False)
        return rows

    def _repeated_bounds(self, number: int) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
        """Return the bounds for so many rows, repeated: to compare like with like takes half the time."""
        if len(self._bounds) >= _MOST_BOUNDS:
            self._bounds.clear()
        lows, highs = (
            None if bound is None else np.broadcast_to(bound, (number, *self._shape)).astype(self._dtype)
            for bound in (self._low, self._high)
        )
        self._bounds[number] = lows, highs
        return lows, highs

    def _concatenated(self, values: Sequence[Any]) -> NDArray[Any]:
        """Return arrays one after the other; those of a larger float type only if they stay finite."""
        if not self._is_cast:
            rows = np.concatenate(values)
            if rows.dtype == self._dtype:
                return rows
            if np.can_cast(rows.dtype, self._dtype):
                return rows.astype(self._dtype)
            self._is_cast = self._dtype.kind == "f"
        if not self._is_cast or any(value.dtype.kind != "f" for value in values):
            raise _DoubtError
        with np.errstate(over="ignore"):
            rows = np.concatenate(values, dtype=self._dtype, casting="same_kind")
        if not np.isfinite(rows).all():
            raise _DoubtError
        return rows

    def batch(self, values: Sequence[Any]) -> NDArray[Any]:
        """Return elements as an array."""
        if isinstance(values, np.ndarray) and values.shape == (len(values), *self._shape):
            return values.astype(self._dtype)
        rows = np.empty((len(values), *self._shape), self._dtype)
        for row, value in enumerate(values):
            rows[row] = value
        return rows


class DiscreteBatcher(SpaceBatcher):
    """A list of ints, which a table reads faster than an array; joined to an int64 array."""

    def __init__(self, space: gym.spaces.Discrete) -> None:
        super().__init__(space)
        self._first, self._end = int(space.start), int(space.start + space.n)

    def checked(self, values: Sequence[Any]) -> Any:
        """Return elements as a list of ints."""
        if not are_ints(values, self._first, self._end):
            return super().checked(values)
        return values.tolist() if isinstance(values, np.ndarray) else list(values)

    def joined(self, batches: Sequence[Any]) -> NDArray[np.int64]:
        """Return batches as an array."""
        if len(batches) == 1:
            return np.array(batches[0], np.int64)
        return np.array([*chain.from_iterable(batches)], dtype=np.int64)


class NestedBatcher(SpaceBatcher):
    """A dict or tuple of batches, for a Dict or Tuple space."""

    def __init__(self, space: gym.spaces.Dict | gym.spaces.Tuple[Any]) -> None:
        super().__init__(space)
        self._kind: type = dict if isinstance(space, gym.spaces.Dict) else tuple
        parts = space.spaces.items() if isinstance(space, gym.spaces.Dict) else enumerate(space.spaces)
        self._parts = {key: make_batcher(part, is_part=True) for key, part in parts}

    def usual(self, values: Sequence[Any]) -> Any:
        """Check and batch part by part."""
        if set(map(type, values)) != {self._kind} or set(map(len, values)) != {len(self._parts)}:
            raise _DoubtError
        return self._as_one(part.usual([value[key] for value in values]) for key, part in self._parts.items())

    def batch(self, values: Sequence[Any]) -> Any:
        """Batch part by part."""
        return self._as_one(part.batch([value[key] for value in values]) for key, part in self._parts.items())

    def _as_one(self, batches: Iterable[Any]) -> Any:
        return dict(zip(self._parts, batches, strict=True)) if self._kind is dict else tuple(batches)


def make_batcher(space: gym.Space[Any], *, is_part: bool = False) -> SpaceBatcher:
    """Return what batches elements of a space; in other spaces those of Discrete spaces are arrays too."""
    match space:
        case gym.spaces.Discrete() if not is_part:
            return DiscreteBatcher(space)
        case gym.spaces.Box() | gym.spaces.Discrete() | gym.spaces.MultiDiscrete() | gym.spaces.MultiBinary():
            return ArrayBatcher(space)
        case gym.spaces.Dict() | gym.spaces.Tuple():
            return NestedBatcher(space)
    return SpaceBatcher(space)


def fitted(space: gym.Space[Any], value: Any) -> Any:
    """Return a value as a batch holds it: an integer of NumPy as an int, float64 as a smaller float type.

    Anything else is returned unchanged, and so is a finite number that the smaller type cannot hold.
    """
    match space, value:
        case gym.spaces.Discrete(), np.generic() | np.ndarray():
            return int(value) if value.dtype.kind in "iu" and value.ndim == 0 else value
        case gym.spaces.Box(), np.ndarray():
            if value.dtype.kind == "f" == np.dtype(space.dtype).kind and value.dtype != space.dtype:
                with np.errstate(over="ignore"):
                    found = value.astype(space.dtype)
                return found if np.array_equal(np.isfinite(found), np.isfinite(value)) else value
        case gym.spaces.Dict(), dict():
            parts = space.spaces
            return {key: fitted(parts[key], part) if key in parts else part for key, part in value.items()}
        case gym.spaces.Tuple(), tuple() if len(value) == len(space.spaces):
            return tuple(fitted(part, own) for part, own in zip(space.spaces, value, strict=True))
    return value


def clipped(space: gym.Space[Any], value: Any) -> Any:
    """Return a finite value with the parts that belong to Boxes clipped to the bounds of these."""
    match space, value:
        case gym.spaces.Box(), np.ndarray() if value.dtype.kind in "iuf" and has_finite_numbers(value):
            if value.shape != space.shape:
                return value
            found = np.where(value < space.low, space.low, value)
            return np.where(value > space.high, space.high, found)
        case gym.spaces.Dict(), dict() if value.keys() == space.spaces.keys():
            return {key: clipped(space.spaces[key], part) for key, part in value.items()}
        case gym.spaces.Tuple(), tuple() if len(value) == len(space.spaces):
            return tuple(clipped(part, own) for part, own in zip(space.spaces, value, strict=True))
    return value


def beyond_bounds(space: gym.Space[Any], value: Any) -> str:
    """Return the first number of a value that is beyond the bounds of its Box, and these, for people."""
    match space, value:
        case gym.spaces.Box(), np.ndarray():
            places = np.argwhere((value < space.low) | (value > space.high)).tolist()
            if places:
                place = tuple(places[0])
                bounds = f"the bounds are {space.low[place]} and {space.high[place]}"
                return f"{value[place]} at {list(place)}, where {bounds}"
        case gym.spaces.Dict() | gym.spaces.Tuple(), dict() | tuple():
            parts: Any = space.items() if isinstance(space, gym.spaces.Dict) else enumerate(space.spaces)
            for key, part in parts:
                found = beyond_bounds(part, value[key])
                if found:
                    return f"{key!r}: {found}"
    return ""


def contains(space: gym.Space[Any], value: Any, *, is_finite: bool = True) -> bool:
    """Return whether a value is a finite element of a space; what the space cannot even look at is none."""
    try:
        return bool(space.contains(value)) and (not is_finite or has_finite_numbers(value))
    except Exception:  # text in the place of numbers, for example
        return False


def has_finite_numbers(value: Any) -> bool:
    """Return whether all numbers in an element of a space are finite."""
    match value:
        case np.ndarray() if value.dtype.kind == "f":
            return bool(np.isfinite(value).all())
        case Mapping():
            return all(map(has_finite_numbers, value.values()))
        case tuple():
            return all(map(has_finite_numbers, value))
    return not isinstance(value, float) or math.isfinite(value)


def filler(space: gym.Space[Any]) -> Any:
    """Return the element nearest to zero; of a space of another kind, a drawn one that is always the same."""
    match space:
        case gym.spaces.Discrete():
            return int(np.clip(0, *_range(space)))
        case gym.spaces.Box() | gym.spaces.MultiDiscrete() | gym.spaces.MultiBinary():
            return np.clip(np.zeros(space.shape, space.dtype), *_range(space))
        case gym.spaces.Dict():
            return {key: filler(part) for key, part in space.items()}
        case gym.spaces.Tuple():
            return tuple(filler(part) for part in space.spaces)
    twin = copy.deepcopy(space)
    twin.seed(0)
    return twin.sample()


def _range(space: gym.Space[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the lowest and the highest element of a space of arrays or of integers."""
    match space:
        case gym.spaces.Box():
            return space.low, space.high
        case gym.spaces.MultiDiscrete():
            return space.start, space.start + (space.nvec - 1)
        case gym.spaces.Discrete():
            return np.asarray(space.start), np.asarray(space.start + space.n - 1)
    return np.zeros(space.shape or (), space.dtype), np.ones(space.shape or (), space.dtype)
