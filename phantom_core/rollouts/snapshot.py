"""Copies of observations and actions, because envs and policies may write into one array over and over."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np


def snapshot(value: Any) -> Any:
    """Return an observation, an action or a batch of them that stays as it is now."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) is dict:
        return {key: snapshot(part) for key, part in value.items()}
    return [snapshot(part) for part in value] if type(value) is list else copy.deepcopy(value)
