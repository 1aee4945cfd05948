"""Running mean and variance, for observations and rewards of unknown scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EPSILON = 1e-8


class RunningMoments:
    """Mean and variance of all rows seen so far.

    Attributes:
        count: rows seen.
        mean: float64 array [D]; zeros before the first row.
        variance: float64 array [D], divided by the count; ones before the first row.
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self.mean = np.zeros(width)
        self.variance = np.ones(width)

    def update(self, rows: NDArray[Any]) -> None:
        """Take in rows [B, D].

        Source: Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance".
        """
        number = len(rows)
        if number == 0:
            return
        total = self.count + number
        mean, variance = rows.mean(axis=0, dtype=np.float64), rows.var(axis=0, dtype=np.float64)
        shift = mean - self.mean
        between = shift**2 * (self.count * number / total)
        self.variance = (self.variance * self.count + variance * number + between) / total
        self.mean = self.mean + shift * (number / total)
        self.count = total

    @property
    def scale(self) -> NDArray[np.float64]:
        """The standard deviation, never quite zero: float64 array [D]."""
        return np.sqrt(self.variance + _EPSILON)

    def state_dict(self) -> dict[str, Any]:
        """Return count, mean and variance."""
        return {"count": self.count, "mean": self.mean.copy(), "variance": self.variance.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.count = int(state["count"])
        self.mean = np.array(state["mean"], dtype=np.float64)
        self.variance = np.array(state["variance"], dtype=np.float64)
