"""Plain numbers from what envs of other libraries return."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_float(reward: Any) -> float:
    """Return a reward as a float: a number, a NumPy number, or an array that holds one.

    >>> as_float(np.float32(0.5)), as_float(np.array([2]))
    (0.5, 2.0)
    """
    return float(reward.item() if isinstance(reward, np.ndarray) else reward)
