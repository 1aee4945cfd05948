"""Means over seeds with their Monte-Carlo standard errors, and intervals of Student's t.

A seed is the unit of replication. Rows of different points share seeds (common random numbers), and so do
the episodes, agents and steps of one seed: they are not independent of each other. So the rows of one point
and seed are averaged first; what is left is independent over seeds.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

_MIN_SEEDS: Final = 2
"""One seed has no spread."""

_MEDIAN: Final = 0.5
_MAX_EXACT: Final = 200
"""Above so many degrees of freedom the expansion at infinity is exact to 1e-12."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimate of a mean.

    Attributes:
        n: the number of seeds.
        mean: the mean over the seeds; NaN without a seed.
        se: its Monte-Carlo standard error; NaN with fewer than two seeds.
    """

    n: int
    mean: float
    se: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval of Student's t with n − 1 degrees of freedom that holds the mean.

        `mean ± t(½ + level/2, n − 1) · se`; NaN with fewer than two seeds.

        Args:
            level: the probability that the interval holds the mean, between 0 and 1.
        """
        if self.n < _MIN_SEEDS:
            return math.nan, math.nan
        margin = t_quantile(0.5 + level / 2, self.n - 1) * self.se
        return self.mean - margin, self.mean + margin


def estimate(values: Mapping[Hashable, Mapping[Hashable, float]]) -> Estimate:
    """Return the mean over points of the means over seeds, and its standard error over seeds.

    With x(p, s) the average of point p and seed s, n(p) the number of seeds of point p, S the number of seeds
    of all P points:

        mean = 1/P Σₚ m(p)            m(p) = 1/n(p) Σₛ x(p, s)
        z(s) = 1/P Σₚ (x(p, s) − m(p)) / n(p)              se² = S/(S − 1) Σₛ z(s)²

    For one point this is the sample standard deviation divided by √n. For several points with the same seeds
    it is that of the averages over points by seed: points that share seeds are not pooled as if they were
    independent. Each point weighs the same, however many of its seeds are missing.

    Args:
        values: by point, the averages by seed.

    >>> estimate({0: {1: 1.0, 2: 3.0}})
    Estimate(n=2, mean=2.0, se=1.0)
    >>> estimate({0: {1: 1.0, 2: 3.0}, 1: {1: 4.0, 2: 2.0}})
    Estimate(n=2, mean=2.5, se=0.0)
    """
    points = [by_seed for by_seed in values.values() if by_seed]
    deviations: dict[Hashable, float] = {}
    means = []
    for by_seed in points:
        mean = math.fsum(by_seed.values()) / len(by_seed)
        means.append(mean)
        for seed, value in by_seed.items():
            share = (value - mean) / (len(by_seed) * len(points))
            deviations[seed] = deviations.get(seed, 0.0) + share
    n = len(deviations)
    mean = math.fsum(means) / len(means) if means else math.nan
    if n < _MIN_SEEDS:
        return Estimate(n, mean, math.nan)
    return Estimate(n, mean, math.sqrt(n / (n - 1) * math.fsum(z * z for z in deviations.values())))


@functools.lru_cache(maxsize=4096)
def t_quantile(probability: float, df: int) -> float:
    """Return the quantile of Student's t distribution with a whole number of degrees of freedom.

    Up to 200 degrees of freedom the distribution function is a finite sum (Abramowitz and Stegun 1964,
    26.7.3 and 26.7.4), which Newton's method inverts from the normal quantile; above it is the expansion
    at infinity (26.7.5). Exact to 1e-9 for probabilities from 0.0005 to 0.9995.

    Args:
        probability: between 0 and 1, both excluded.
        df: degrees of freedom, at least 1.

    Raises:
        ValueError: if one of them is out of its range.

    >>> round(t_quantile(0.975, 1), 6), round(t_quantile(0.975, 10), 6), round(t_quantile(0.975, 1000), 6)
    (12.706205, 2.228139, 1.962339)
    """
    if not 0 < probability < 1 or df < 1:
        raise ValueError(
            f"There is no quantile {probability} of Student's t with {df} degrees of freedom. Expected a "
            "probability between 0 and 1, and at least 1 degree of freedom."
        )
    if probability < _MEDIAN:
        return -t_quantile(1 - probability, df)
    start = _expanded(NormalDist().inv_cdf(probability), df)
    if df > _MAX_EXACT:
        return start
    low, high = 0.0, 1.0
    while _cumulative(high, df) < probability:
        low, high = high, 2 * high
    t = start if low < start < high else (low + high) / 2
    for _ in range(200):
        excess = _cumulative(t, df) - probability
        low, high = (low, t) if excess > 0 else (t, high)
        following = t - excess / _density(t, df)
        if not low < following < high:  # Newton's method left the bracket: halve it
            following = (low + high) / 2
        if abs(following - t) <= 1e-13 * max(1.0, t):
            return following
        t = following
    return t


def _cumulative(t: float, df: int) -> float:
    """Return P(T ≤ t) for t ≥ 0, as a finite sum in θ = arctan(t/√df)."""
    angle = math.atan(t / math.sqrt(df))
    sine, squared = math.sin(angle), math.cos(angle) ** 2
    is_odd = df % 2
    term, total = (math.cos(angle), 0.0) if is_odd else (1.0, 0.0)
    for k in range(1, df // 2 + 1):
        total += term
        term *= squared * (2 * k / (2 * k + 1) if is_odd else (2 * k - 1) / (2 * k))
    inside = 2 / math.pi * (angle + sine * total) if is_odd else sine * total
    return 0.5 + inside / 2


def _density(t: float, df: int) -> float:
    scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
    return math.exp(scale - (df + 1) / 2 * math.log1p(t * t / df))


def _expanded(x: float, df: int) -> float:
    """Return the quantile as an expansion in 1/df around the normal quantile x."""
    g1 = (x**3 + x) / 4
    g2 = (5 * x**5 + 16 * x**3 + 3 * x) / 96
    g3 = (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384
    g4 = (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160
    return x + g1 / df + g2 / df**2 + g3 / df**3 + g4 / df**4
