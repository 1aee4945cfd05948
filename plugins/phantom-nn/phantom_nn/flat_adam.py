"""Adam on one flat vector, with a bound on the norm of the gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BETA1: Final = 0.9
BETA2: Final = 0.999
EPSILON: Final = 1e-5
FLUSH_EVERY: Final = 256
"""Steps between two searches for moments that are next to nothing."""
NOTHING: Final = 1e-30
"""Moments of this size change no parameter; smaller ones, denormal numbers, take many times as long."""


class FlatAdam:
    """Changes a flat parameter vector in place.

        m ← β₁m + (1−β₁)g        v ← β₂v + (1−β₂)g²
        θ ← θ − lr · (m / (1−β₁ᵗ)) / (√(v / (1−β₂ᵗ)) + ε)

    with β₁ = 0.9, β₂ = 0.999 and, if nothing else is said, ε = 1e-5, as is usual for PPO. Moments of size
    1e-30 and less become 0 now and then: where gradients stay 0, they would become denormal numbers.

    Attributes:
        steps: t, the number of steps made.

    Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.
    """

    def __init__(self, parameters: NDArray[Any], epsilon: float = EPSILON) -> None:
        self.steps = 0
        self._parameters, self._epsilon = parameters, epsilon
        self._mean = np.zeros_like(parameters)
        self._square = np.zeros_like(parameters)
        self._work = np.empty_like(parameters)

    def step(self, gradient: NDArray[Any], learning_rate: float) -> None:
        """Make one step."""
        self.steps += 1
        mean, square, work = self._mean, self._square, self._work
        mean *= BETA1
        np.multiply(gradient, 1.0 - BETA1, out=work)
        mean += work
        square *= BETA2
        np.multiply(gradient, gradient, out=work)
        work *= 1.0 - BETA2
        square += work
        correction = math.sqrt(1.0 - BETA2**self.steps)  # taken out of the fraction: one pass less
        np.sqrt(square, out=work)
        work += self._epsilon * correction
        np.divide(mean, work, out=work)
        work *= learning_rate * correction / (1.0 - BETA1**self.steps)
        self._parameters -= work
        if self.steps % FLUSH_EVERY == 0:
            mean *= np.abs(mean) > NOTHING
            square *= square > NOTHING

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps and both moments."""
        return {"steps": self.steps, "mean": self._mean.copy(), "square": self._square.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.steps = int(state["steps"])
        self._mean[:] = state["mean"]
        self._square[:] = state["square"]


def clip_norm(gradient: NDArray[Any], max_norm: float) -> float:
    """Scale a gradient in place so that its norm is at most `max_norm`; return the norm it had."""
    norm = math.sqrt(float(gradient @ gradient))
    if norm > max_norm:
        gradient *= max_norm / (norm + 1e-6)
    return norm
