"""Random values that are drawn once for each episode, from NumPy's global generator."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import numpy as np


class _Comparable(Protocol):
    def __lt__(self, other: Any, /) -> Any: ...


T = TypeVar("T")
ComparableType = TypeVar("ComparableType", bound=_Comparable)


class Sampler(ABC, Generic[T]):
    """Draws values and keeps the newest."""

    _value: T | None = None

    def __init__(self) -> None:
        self._value = None

    @property
    def value(self) -> T | None:
        """The newest value; None before the first."""
        return self._value

    @abstractmethod
    def sample(self) -> T:
        """Draw a value, keep it as `_value` and return it."""


class ComparableSampler(Sampler[ComparableType], Generic[ComparableType]):
    """A sampler that compares as its newest value does."""

    def __lt__(self, other: object) -> bool:
        return self._compare(operator.lt, other)

    def __le__(self, other: object) -> bool:
        return self._compare(operator.le, other)

    def __gt__(self, other: object) -> bool:
        return self._compare(operator.gt, other)

    def __ge__(self, other: object) -> bool:
        return self._compare(operator.ge, other)

    def __eq__(self, other: object) -> bool:
        return self is other if isinstance(other, Sampler) else bool(self.value == other)

    def __hash__(self) -> int:
        return id(self)

    def _compare(self, operation: Callable[[Any, Any], Any], other: object) -> bool:
        others = other.value if isinstance(other, Sampler) else other
        if self.value is None or others is None:
            raise ValueError(
                f"{type(self).__name__} was compared before it was sampled: {self.value!r} with {others!r}. "
                "Call sample() first."
            )
        return bool(operation(self.value, others))


class _Clipped(ComparableSampler[Any]):
    """Draws a value and clips it."""

    clip_low: float | None
    clip_high: float | None

    def sample(self) -> Any:
        """Draw a value, clip it if a bound was given, and keep it."""
        value = self._draw()
        if self.clip_low is not None or self.clip_high is not None:
            clipped = np.clip(value, self.clip_low, self.clip_high)
            value = clipped if isinstance(value, np.ndarray) else clipped.item()
        self._value = value
        return value

    @abstractmethod
    def _draw(self) -> Any: ...


class UniformFloatSampler(_Clipped):
    """Draws floats from [low, high)."""

    def __init__(
        self,
        low: float = 0.0,
        high: float = 1.0,
        clip_low: float | None = None,
        clip_high: float | None = None,
    ) -> None:
        assert high >= low, f"{type(self).__name__} got low={low} and high={high}."
        super().__init__()
        self.low, self.high, self.clip_low, self.clip_high = low, high, clip_low, clip_high

    def _draw(self) -> float:
        return np.random.uniform(self.low, self.high)


class UniformIntSampler(_Clipped):
    """Draws ints from low to high - 1."""

    def __init__(
        self, low: int = 0, high: int = 1, clip_low: int | None = None, clip_high: int | None = None
    ) -> None:
        assert high >= low, f"{type(self).__name__} got low={low} and high={high}."
        super().__init__()
        self.low, self.high, self.clip_low, self.clip_high = low, high, clip_low, clip_high

    def _draw(self) -> int:
        return np.random.randint(self.low, self.high)


class UniformArraySampler(_Clipped):
    """Draws arrays of floats from [low, high)."""

    def __init__(
        self,
        low: float = 0.0,
        high: float = 1.0,
        shape: tuple[int, ...] = (1,),
        clip_low: float | None = None,
        clip_high: float | None = None,
    ) -> None:
        assert high >= low, f"{type(self).__name__} got low={low} and high={high}."
        super().__init__()
        self.low, self.high, self.shape = low, high, shape
        self.clip_low, self.clip_high = clip_low, clip_high

    def _draw(self) -> np.ndarray:
        return np.random.uniform(self.low, self.high, self.shape)


class NormalSampler(_Clipped):
    """Draws floats from a normal distribution."""

    def __init__(
        self, mu: float, sigma: float, clip_low: float | None = None, clip_high: float | None = None
    ) -> None:
        super().__init__()
        self.mu, self.sigma, self.clip_low, self.clip_high = mu, sigma, clip_low, clip_high

    def _draw(self) -> float:
        return np.random.normal(self.mu, self.sigma)


class NormalArraySampler(_Clipped):
    """Draws arrays of floats from a normal distribution."""

    def __init__(
        self,
        mu: float,
        sigma: float,
        shape: tuple[int, ...] = (1,),
        clip_low: float | None = None,
        clip_high: float | None = None,
    ) -> None:
        super().__init__()
        self.mu, self.sigma, self.shape = mu, sigma, shape
        self.clip_low, self.clip_high = clip_low, clip_high

    def _draw(self) -> np.ndarray:
        return np.random.normal(self.mu, self.sigma, self.shape)


class LambdaSampler(Sampler[T]):
    """Draws what a function returns."""

    def __init__(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.func, self.args, self.kwargs = func, args, kwargs

    def sample(self) -> T:
        """Call the function and keep what it returns."""
        self._value = value = self.func(*self.args, **self.kwargs)
        return value
