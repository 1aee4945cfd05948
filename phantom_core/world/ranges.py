"""Ranges are finite sequences of values of one parameter, for a grid of runs or rollouts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from phantom_core.errors import ConfigError

__all__ = ["LinspaceRange", "Range", "UniformRange", "UnitArrayLinspaceRange", "UnitArrayUniformRange"]

T = TypeVar("T")


class Range(ABC, Generic[T]):
    """A finite sequence of values of one parameter; subclasses override `values`.

    Attributes:
        name: the name of the parameter in results; None if it has no name.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name

    @abstractmethod
    def values(self) -> Sequence[T]:
        """Return all values in order, at least one."""

    def __repr__(self) -> str:
        name = "" if self.name is None else f" name={self.name!r}"
        return f"<{type(self).__name__}{name}>"


class UniformRange(Range[Any]):
    """The values `start`, `start + step`, `start + 2 step` and so on, up to but excluding `end`."""

    def __init__(
        self,
        start: float,
        end: float,
        step: float = 1,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        """Set the bounds.

        Args:
            start: the first value.
            end: the exclusive end. A value that differs from it only by rounding is excluded too.
            step: the difference between consecutive values; negative to count down.
            name: the name of the parameter in results.
            dtype: the type of the values. None for int64 if all three numbers are integers, else float64.

        Raises:
            ConfigError: if the range is empty.
        """
        super().__init__(name)
        if step == 0 or not (end - start) / step > 0:
            raise ConfigError(
                f"{type(self).__name__} got start={start!r}, end={end!r} and step={step!r}, which gives no "
                "value. Expected a step other than 0 that leads from start to end."
            )
        self.start, self.end, self.step, self.dtype = start, end, step, dtype

    def values(self) -> Sequence[Any]:
        """Return an array of the values."""
        quotient = (self.end - self.start) / self.step
        nearest = round(quotient)
        count = nearest if math.isclose(quotient, nearest, rel_tol=1e-9) else math.ceil(quotient)
        return np.asarray(self.start + self.step * np.arange(count), dtype=self.dtype)  # type: ignore[return-value]  # an array is a sequence


class LinspaceRange(Range[Any]):
    """`n` evenly spaced values from `start` to `end`, both included."""

    def __init__(
        self, start: float, end: float, n: int, name: str | None = None, dtype: DTypeLike | None = None
    ) -> None:
        """Set the bounds.

        Args:
            start: the first value, and the only one if `n` is 1.
            end: the last value.
            n: the number of values.
            name: the name of the parameter in results.
            dtype: the type of the values. None for float64.

        Raises:
            ConfigError: if `n` is not positive.
        """
        super().__init__(name)
        if n < 1:
            raise ConfigError(f"{type(self).__name__} got n={n!r}. Expected at least one value.")
        self.start, self.end, self.n, self.dtype = start, end, n, dtype

    def values(self) -> Sequence[Any]:
        """Return an array of the values."""
        return np.linspace(self.start, self.end, self.n, dtype=self.dtype)  # type: ignore[return-value]  # an array is a sequence


class UnitArrayUniformRange(UniformRange):
    """The values of a `UniformRange`, each as an array of shape (1,)."""

    def values(self) -> Sequence[Any]:
        """Return a list of arrays."""
        return [np.array([value]) for value in super().values()]


class UnitArrayLinspaceRange(LinspaceRange):
    """The values of a `LinspaceRange`, each as an array of shape (1,)."""

    def values(self) -> Sequence[Any]:
        """Return a list of arrays."""
        return [np.array([value]) for value in super().values()]
