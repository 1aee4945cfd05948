"""Columns of what policies return: actions and extras, kept as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.rollouts.columns import make_column

_FIRST_CAPACITY = 64


class KeptValues(Protocol):
    """Rows of values that policies returned."""

    def write(self, start: int, values: Any) -> None:
        """Add B values after the first `start` rows."""

    def take(self, rows: NDArray[np.int64]) -> Any:
        """Return these rows as a batch of its own."""

    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows one by one."""

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Forget every row but these, which move to the front."""


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
        column = make_column(self._space)
        for value in self.elements(rows):
            column.add(value)
        return column.take(np.arange(len(rows)))

    def elements(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return these rows one by one."""
        return [self._values[row] for row in rows.tolist()]

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Forget every row but these."""
        self._values = self.elements(rows)


def kept_actions(space: gym.Space[Any]) -> KeptValues:
    """Return an empty column for actions of a space."""
    if isinstance(space, (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)):
        return KeptArray(np.zeros((0, *space.shape), space.dtype))
    return KeptActions(space)
