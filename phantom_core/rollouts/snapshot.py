"""Copies of observations and actions, because envs and policies may write into one array over and over."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np


def snapshot(value: Any) -> Any:
    """Return an observation or action that stays as it is now.

    >>> array = np.zeros(2)
    >>> kept = snapshot({"place": array})
    >>> array[:] = 1.0
    >>> kept
    {'place': array([0., 0.])}
    """
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) is dict:
        return {key: snapshot(part) for key, part in value.items()}
    return copy.deepcopy(value)


def snapshots(values: Sequence[Any]) -> Sequence[Any]:
    """Return a batch, an array or a list of elements, that stays as it is now."""
    return values.copy() if isinstance(values, np.ndarray) else [snapshot(value) for value in values]
