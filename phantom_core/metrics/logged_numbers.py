"""The numbers that metrics, trainers and hooks give, as floats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def as_number(value: Any) -> float:
    """Return a value as a float; an integer too large for a float becomes infinite.

    Raises:
        TypeError: if it is no number; text is none, nor are arrays of more or less than one.
        ValueError: likewise.

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


def mean_of(values: Sequence[Any]) -> float:
    """Return the mean of numbers and arrays; arrays may have different shapes.

    >>> mean_of([np.ones(2), np.array([4.0])])
    2.0
    """
    try:
        return float(np.mean(values))
    except ValueError:
        return float(np.mean(np.concatenate([np.ravel(value) for value in values])))
