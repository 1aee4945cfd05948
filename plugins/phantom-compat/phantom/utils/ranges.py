"""Values that rollouts try one after the other."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import numpy as np

T = TypeVar("T")


class Range(ABC, Generic[T]):
    """A set of values; a rollout is made for each of them."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name

    @abstractmethod
    def values(self) -> Iterable[T]:
        """Return the values."""

    def __repr__(self) -> str:
        name = getattr(self, "name", None)
        return f"<{type(self).__name__}>" if name is None else f"<{type(self).__name__} name='{name}'>"


class UniformRange(Range[float]):
    """Values at equal steps; `end` is left out."""

    def __init__(
        self, start: float, end: float, step: float = 1.0, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name)
        self.start, self.end, self.step, self.dtype = start, end, step, dtype

    def values(self) -> np.ndarray:
        """Return `np.arange(start, end, step)`."""
        return np.arange(self.start, self.end, self.step, dtype=self.dtype)


class LinspaceRange(Range[float]):
    """`n` values at equal distances, `start` and `end` among them."""

    def __init__(self, start: float, end: float, n: int, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name)
        self.start, self.end, self.n, self.dtype = start, end, n, dtype

    def values(self) -> np.ndarray:
        """Return `np.linspace(start, end, n)`."""
        return np.linspace(self.start, self.end, self.n, dtype=self.dtype)


class UnitArrayUniformRange(UniformRange):
    """As `UniformRange`, each value as an array of shape (1,)."""

    def values(self) -> list[np.ndarray]:  # type: ignore[override]  # the predecessor's classes differ so
        """Return the arrays."""
        return [np.array([value]) for value in super().values()]


class UnitArrayLinspaceRange(LinspaceRange):
    """As `LinspaceRange`, each value as an array of shape (1,)."""

    def values(self) -> list[np.ndarray]:  # type: ignore[override]  # the predecessor's classes differ so
        """Return the arrays."""
        return [np.array([value]) for value in super().values()]
