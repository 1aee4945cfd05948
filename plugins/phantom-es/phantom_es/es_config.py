"""`ESConfig`: every setting of the trainer `es`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import phantom_core as ph


@dataclass(frozen=True)
class ESConfig:
    """Settings of the trainer `es`."""

    episodes: int = 4
    """Episodes in which each candidate is tried; all candidates of a generation play the same ones."""
    population: int | None = None
    """Candidates λ of a generation; None: 4 + ⌊3 ln n⌋ for n parameters."""
    sigma: float = 0.5
    """Standard deviation σ of each parameter in the first generation."""
    covariance: Literal["auto", "full", "diagonal"] = "auto"
    """What is learned of how parameters vary together; auto: all of it for up to 200 parameters."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        self._check("episodes", "a positive integer", is_right=self.episodes >= 1)
        is_right = self.population is None or self.population >= 4  # noqa: PLR2004  two are recombined
        self._check("population", "an integer from 4 on, or None", is_right=is_right)
        is_right = 0.0 < self.sigma < math.inf
        self._check("sigma", "a positive number", is_right=is_right)

    def _check(self, name: str, expected: str, *, is_right: bool) -> None:
        if not is_right:
            raise ph.errors.ConfigError(f"es got {name}={getattr(self, name)!r}. Expected {expected}.")
