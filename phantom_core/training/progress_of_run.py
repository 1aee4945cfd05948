"""`RunProgress`: how far a run is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is. As a text it is a share in whole percents, which is 100 only at the end.

    >>> print(RunProgress(iterations=299, env_steps=29_900, planned=300))
    99 % of 300 iterations

    Attributes:
        iterations: the number of completed iterations.
        env_steps: the number of env steps in training.
        planned: how many of the unit the run is to make; None if its settings cannot be read.
        unit: what limits the run: `"iterations"` or `"env_steps"`.
    """

    iterations: int
    env_steps: int
    planned: int | None
    unit: Literal["iterations", "env_steps"] = "iterations"

    @property
    def share(self) -> float | None:
        """The share of the run that is completed, at most 1; None if it is not known how long it is.

        >>> RunProgress(iterations=3, env_steps=1_500, planned=2_000, unit="env_steps").share
        0.75
        """
        return min(1.0, self._done / self.planned) if self.planned else None

    @property
    def _done(self) -> int:
        return self.iterations if self.unit == "iterations" else self.env_steps

    def __str__(self) -> str:
        """Return such as `41 % of 300 iterations`, or `123 iterations` if it is not known of how many."""
        unit = self.unit.replace("_", " ")
        if self.share is None:
            return f"{self._done:,} {unit}"
        return f"{int(100 * self.share)} % of {self.planned:,} {unit}"
