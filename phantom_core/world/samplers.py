"""Samplers are distributions over parameters. Each is sampled once per episode, from a given generator."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from phantom_core.errors import ConfigError, EnvError
from phantom_core.seeding import make_rng

__all__ = [
    "ComparableSampler",
    "LambdaSampler",
    "NormalArraySampler",
    "NormalSampler",
    "SampledValues",
    "Sampler",
    "UniformArraySampler",
    "UniformFloatSampler",
    "UniformIntSampler",
]

T = TypeVar("T")


class _Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


OrderedT = TypeVar("OrderedT", bound=_Ordered)


class Sampler(ABC, Generic[T]):
    """A distribution over one parameter of a world.

    Use it as the value of a field of a `Supertype`: at each reset the env samples it, and the agent (or
    env) gets the value in the same field of its `type`. Subclasses override `draw`. Samplers are compared
    by identity.

    Attributes:
        is_default: whether it is the default of a field of a supertype class. Such a sampler is sampled
            for each agent or env separately.
    """

    is_default: bool = False
    _value: T | None = None

    @property
    def value(self) -> T | None:
        """The latest sampled value; None before the first."""
        return self._value

    def sample(self, rng: np.random.Generator) -> T:
        """Draw a value, store it as `value` and return it."""
        value = self.draw(rng)
        object.__setattr__(self, "_value", value)  # the class may be a frozen dataclass
        return value

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> T:
        """Return a value, using only `rng` for randomness."""


class ComparableSampler(Sampler[OrderedT]):
    """A sampler whose latest value can be compared with `<`, `<=`, `>` and `>=` to values and samplers.

    A comparison raises EnvError if a sampler was not sampled yet. `==` compares by identity, so that samplers
    can be members of sets and keys of dicts.
    """

    def __lt__(self, other: Any) -> bool:
        return bool(_latest(self) < _latest(other))

    def __le__(self, other: Any) -> bool:
        return bool(_latest(self) <= _latest(other))

    def __gt__(self, other: Any) -> bool:
        return bool(_latest(self) > _latest(other))

    def __ge__(self, other: Any) -> bool:
        return bool(_latest(self) >= _latest(other))


class _Uniform:
    low: Any
    high: Any

    def __post_init__(self) -> None:
        _check_numbers(self, "low", "high")
        if not self.low <= self.high:
            bounds = f"low={self.low!r} and high={self.high!r}"
            raise ConfigError(f"{type(self).__name__} got {bounds}. Expected low to be at most high.")
        _check_clips(self)


class _Normal:
    sigma: float

    def __post_init__(self) -> None:
        _check_numbers(self, "mu", "sigma")
        if not self.sigma >= 0:
            name = type(self).__name__
            raise ConfigError(f"{name} got sigma={self.sigma!r}. Expected a standard deviation of 0 or more.")
        _check_clips(self)


@dataclass(eq=False)
class UniformFloatSampler(_Uniform, ComparableSampler[float]):
    """Uniform floats from `low` (included) to `high` (excluded), then clipped; `low` if both are equal."""

    low: float = 0.0
    high: float = 1.0
    clip_low: float | None = None
    clip_high: float | None = None

    def draw(self, rng: np.random.Generator) -> float:
        """Return a float."""
        return float(_clip(rng.uniform(self.low, self.high), self.clip_low, self.clip_high))


@dataclass(eq=False)
class UniformIntSampler(_Uniform, ComparableSampler[int]):
    """Uniform integers from `low` to `high`, both included, then clipped."""

    low: int = 0
    high: int = 1
    clip_low: int | None = None
    clip_high: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("low", "high", "clip_low", "clip_high"):
            bound = getattr(self, name)
            if bound is not None and int(bound) != bound:
                raise ConfigError(f"UniformIntSampler got {name}={bound!r}. Expected an integer.")

    def draw(self, rng: np.random.Generator) -> int:
        """Return an int."""
        drawn = rng.integers(int(self.low), int(self.high), endpoint=True)
        return int(_clip(drawn, self.clip_low, self.clip_high))


@dataclass(eq=False)
class UniformArraySampler(_Uniform, Sampler[NDArray[np.float64]]):
    """Float64 arrays of independent uniform values from `low` to `high` (excluded), then clipped."""

    low: float = 0.0
    high: float = 1.0
    shape: tuple[int, ...] = (1,)
    clip_low: float | None = None
    clip_high: float | None = None

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return a new array of shape `shape`."""
        return _clip_array(rng.uniform(self.low, self.high, self.shape), self.clip_low, self.clip_high)


@dataclass(eq=False)
class NormalSampler(_Normal, ComparableSampler[float]):
    """Floats from the normal distribution with mean `mu` and standard deviation `sigma`, then clipped."""

    mu: float
    sigma: float
    clip_low: float | None = None
    clip_high: float | None = None

    def draw(self, rng: np.random.Generator) -> float:
        """Return a float."""
        return float(_clip(rng.normal(self.mu, self.sigma), self.clip_low, self.clip_high))


@dataclass(eq=False)
class NormalArraySampler(_Normal, Sampler[NDArray[np.float64]]):
    """Float64 arrays of independent normal values (mean `mu`, standard deviation `sigma`), then clipped."""

    mu: float
    sigma: float
    shape: tuple[int, ...] = (1,)
    clip_low: float | None = None
    clip_high: float | None = None

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return a new array of shape `shape`."""
        return _clip_array(rng.normal(self.mu, self.sigma, self.shape), self.clip_low, self.clip_high)


class LambdaSampler(Sampler[T]):
    """Samples `func(rng, *args, **kwargs)`. The function must use only `rng` for randomness."""

    def __init__(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> None:
        self.func = func
        self.args = args
        self.kwargs = kwargs

    def draw(self, rng: np.random.Generator) -> T:
        """Return the result of the function."""
        return self.func(rng, *self.args, **self.kwargs)


@dataclass(eq=False)
class SampledValues:
    """The values of the samplers in one episode of one env. Each sampler is sampled once.

    The seed of the episode and the names of the samplers determine the values.
    """

    episode_seed: int
    _drawn: dict[int, tuple[Sampler[Any], Any]] = field(default_factory=dict, init=False, repr=False)

    def value_of(self, sampler: Sampler[T], *name: object) -> T:
        """Return the value of a sampler in this episode, sampled on first access.

        All fields that hold the sampler get this value, unless it is the default of a field. The path of the
        first field that holds it, `name`, seeds its generator.
        """
        if not sampler.is_default and id(sampler) in self._drawn:
            known: T = self._drawn[id(sampler)][1]
            return known
        value = sampler.sample(make_rng(self.episode_seed, "sampler", *name))
        self._drawn[id(sampler)] = (sampler, value)  # keeps the sampler alive, so that its id stays unique
        return value


def _latest(value: Any) -> Any:
    if not isinstance(value, Sampler):
        return value
    if value.value is None:
        cure = "Call env.reset() first, or compare its bounds."
        raise EnvError(f"{value!r} was compared before it was sampled. {cure}")
    return value.value


def _clip(value: Any, low: Any, high: Any) -> Any:
    if low is not None and value < low:
        return low
    if high is not None and value > high:
        return high
    return value


def _clip_array(values: Any, low: float | None, high: float | None) -> NDArray[np.float64]:
    clipped = values if low is None and high is None else np.clip(values, low, high)
    return np.asarray(clipped, dtype=np.float64)


def _check_numbers(sampler: Any, *names: str) -> None:
    for name in names:
        number = getattr(sampler, name)
        if isinstance(number, bool) or not isinstance(number, Real) or not math.isfinite(number):
            raise ConfigError(f"{type(sampler).__name__} got {name}={number!r}. Expected a finite number.")


def _check_clips(sampler: Any) -> None:
    low, high = sampler.clip_low, sampler.clip_high
    given = [name for name in ("clip_low", "clip_high") if getattr(sampler, name) is not None]
    _check_numbers(sampler, *given)
    if low is not None and high is not None and not low <= high:
        expected = "Expected clip_low to be at most clip_high."
        raise ConfigError(f"{type(sampler).__name__} got clip_low={low!r} and clip_high={high!r}. {expected}")
