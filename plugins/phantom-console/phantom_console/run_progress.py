"""How far a run has come, how fast it goes and what it logged last."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

_MAX_SAMPLES: Final = 64


class RunProgress:
    """The state of a run, as it is displayed.

    Attributes:
        num_iterations: how many iterations the run will make; None: that does not limit it.
        total_steps: how many env steps it will make; None: that does not limit it.
        iterations: iterations made.
        env_steps: env steps made.
        first: the first value that was logged under each name.
        newest: the newest value under each name.
    """

    def __init__(self, num_iterations: int | None, total_steps: int | None, now: float) -> None:
        """Begin to watch a run.

        Args:
            num_iterations: as in the attributes.
            total_steps: as in the attributes.
            now: the time in seconds, from any origin.
        """
        self.num_iterations = num_iterations
        self.total_steps = total_steps
        self.iterations = 0
        self.env_steps = 0
        self.first: Mapping[str, float] = {}
        self.newest: Mapping[str, float] = {}
        self._started = self._now = now
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_MAX_SAMPLES)

    def advance(self, iterations: int, env_steps: int) -> None:
        """Note what was made so far."""
        self.iterations = iterations
        self.env_steps = env_steps

    def record(self, values: Mapping[str, float]) -> None:
        """Note values that were logged."""
        self.first = {**values, **self.first}
        self.newest = {**self.newest, **values}

    def sample(self, now: float) -> None:
        """Note the time: rates are measured between the times noted last."""
        self._now = now
        self._samples.append((now, self.iterations, self.env_steps))

    @property
    def elapsed(self) -> float:
        """Seconds from the start of the run to the time noted last."""
        return self._now - self._started

    @property
    def rates(self) -> tuple[float, float]:
        """Iterations and env steps per second of late; 0 while that is unknown."""
        if not self._samples:
            return 0.0, 0.0
        oldest, newest = self._samples[0], self._samples[-1]
        seconds, iterations, env_steps = (new - old for new, old in zip(newest, oldest, strict=True))
        return (iterations / seconds, env_steps / seconds) if seconds > 0 else (0.0, 0.0)

    @property
    def fraction(self) -> float | None:
        """The part of the run that is made, from 0 to 1; None: its length is unknown."""
        parts = [done / limit if limit > 0 else 1.0 for done, limit, _ in self._limits()]
        return min(max(parts), 1.0) if parts else None

    @property
    def remaining(self) -> float | None:
        """Seconds until the run is made at the rate of late; None: nobody knows."""
        return min(
            (max(limit - done, 0) / rate for done, limit, rate in self._limits() if rate > 0),
            default=None,
        )

    def _limits(self) -> list[tuple[int, int, float]]:
        """Return (made, to make, made per second) for each count that limits the run."""
        counts = (
            (self.iterations, self.num_iterations, self.rates[0]),
            (self.env_steps, self.total_steps, self.rates[1]),
        )
        return [(done, limit, rate) for done, limit, rate in counts if limit is not None]
