"""`Schedule`: a setting that moves from its first to its final value, by the run or by its env steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["linear", "exponential"]


@dataclass(frozen=True)
class Schedule:
    """v(t) = v₀ + (v₁ − v₀) d, or v₀ (v₁ / v₀)ᵈ if exponential, where d goes from 0 to 1.

    By the run, d is its progress over `fraction`; with `steps`, the env steps over these. With a `rate` the
    value is v₀ exp(−rate · env steps), down to v₁.
    """

    first: float
    final: float
    kind: Kind = "linear"
    fraction: float = 1.0
    steps: int | None = None
    rate: float | None = None

    def at(self, env_steps: int, progress: float) -> float:
        """Return the value after so many env steps, and that share of the run."""
        if self.rate is not None:
            return max(self.final, self.first * math.exp(-self.rate * env_steps))
        share, whole = (progress, self.fraction) if self.steps is None else (env_steps, self.steps)
        done = share / whole if share < whole else 1.0
        if self.kind == "exponential" and self.first != self.final:
            return self.first * math.pow(self.final / self.first, done)
        return self.first + (self.final - self.first) * done

    @cached_property
    def moves_by_step(self) -> bool:
        """Whether it has another value after each env step."""
        return self.first != self.final and (self.rate is not None or self.steps is not None)
