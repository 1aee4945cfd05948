"""Conversion of what envs of other libraries, metrics and hooks return to plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, Final, NamedTuple

import numpy as np

from phantom_core.errors import EnvError, with_article

_FORM: Final = "(observation, reward, terminated, truncated, info)"


def as_float(reward: Any) -> float:
    """Return a number, a NumPy scalar or an array of size 1 as a float; raise EnvError for any other reward.

    >>> as_float(np.float32(0.5)), as_float(np.array([2]))
    (0.5, 2.0)
    """
    if type(reward) is int:  # the usual case
        return float(reward)
    if isinstance(reward, np.ndarray) and reward.size == 1:
        reward = reward.item()
    if isinstance(reward, (Real, np.number, np.bool_)):
        return float(reward)
    raise EnvError(f"step() returned the reward {reward!r}. Expected a number.")


def as_flag(name: str, value: Any) -> bool:
    """Return a bool, an integer or an array of size 1 as a bool, or raise EnvError."""
    if isinstance(value, (bool, np.bool_, int, np.integer)) or (
        isinstance(value, np.ndarray) and value.size == 1
    ):
        return bool(value)
    raise EnvError(f"step() returned {name}={value!r}. Expected True or False.")


def not_a_step(result: Any) -> EnvError:
    """Return the error for a result of `step()` that is not a tuple of five."""
    if isinstance(result, tuple):
        old = " Four parts are Gym's old form." if len(result) == 4 else ""  # noqa: PLR2004  four parts
        return EnvError(f"step() returned a tuple of {len(result)}. Expected {_FORM}.{old}")
    return EnvError(f"step() returned {with_article(type(result).__name__)}. Expected {_FORM}.")


def as_first(found: Any) -> tuple[Any, Any]:
    """Return the observation and info that `reset()` returned, or raise EnvError if it returned no pair."""
    if isinstance(found, tuple) and len(found) == 2:  # noqa: PLR2004  a pair
        return found
    what = f"a tuple of {len(found)}" if isinstance(found, tuple) else with_article(type(found).__name__)
    raise EnvError(f"reset() returned {what}. Expected (observation, info).")


def as_number(value: Any) -> float:
    """Return a value as a float; an integer too large for a float becomes infinite.

    Raise TypeError or ValueError if it is no number; text is none, nor are arrays of more or less than one.

    >>> as_number(3), as_number(np.array([0.5])), as_number(-(10**400))
    (3.0, 0.5, -inf)
    """
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{value!r} is text")
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, -1.0 if value < 0 else 1.0)


class Spread(NamedTuple):
    """How the values of several episodes are spread.

    Attributes:
        n: how many there are.
        mean: their mean.
        se: the standard error of the mean: their sample deviation / √n. NaN for one value.
        low: the least.
        high: the greatest.
    """

    n: int
    mean: float
    se: float
    low: float
    high: float


def spread_of(values: Sequence[float]) -> Spread:
    """Return how at least one value is spread.

    >>> spread_of([1.0, 3.0])
    Spread(n=2, mean=2.0, se=1.0, low=1.0, high=3.0)
    """
    n, found = len(values), np.asarray(values, dtype=float)
    with np.errstate(invalid="ignore"):  # infinities have no spread
        se = float(found.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return Spread(n, float(found.mean()), se, float(found.min()), float(found.max()))


def mean_of(values: Sequence[Any]) -> float:
    """Return the mean of numbers and arrays; arrays may have different shapes.

    >>> mean_of([np.ones(2), np.array([4.0])])
    2.0
    """
    try:
        return float(np.mean(values))
    except ValueError:
        return float(np.mean(np.concatenate([np.ravel(value) for value in values])))
