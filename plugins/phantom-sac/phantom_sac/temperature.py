"""`Temperature`: how much entropy is worth, fixed or so that the entropy stays near a target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phantom_nn import FlatAdam

EPSILON: Final = 1e-8
"""The ε of every Adam of SAC."""


class Temperature:
    """α, learned as log α by Adam.

        J(log α) = −log α · mean(log π(a|s) + H̄)

    Where the entropy −log π is below the target H̄, α grows.

    Attributes:
        target_entropy: H̄; None: α stays as it is.

    Source: Haarnoja et al. 2018, arXiv:1812.05905, equation 18, with log α for α as the authors' code has it.
    """

    def __init__(self, initial: float, target_entropy: float | None) -> None:
        """Begin.

        Args:
            initial: α at the start.
            target_entropy: H̄; None: α stays.
        """
        self.target_entropy, self._fixed = target_entropy, initial
        self._log = np.array([math.log(initial) if target_entropy is not None else 0.0])
        self._adam = FlatAdam(self._log, EPSILON)

    @property
    def value(self) -> float:
        """α."""
        return self._fixed if self.target_entropy is None else math.exp(float(self._log[0]))

    def learn(self, log_prob: NDArray[Any], learning_rate: float) -> None:
        """Make one step, given log π of new actions [B]."""
        if self.target_entropy is not None:
            slope = -(float(log_prob.mean()) + self.target_entropy)
            self._adam.step(np.array([slope]), learning_rate)

    def state_dict(self) -> dict[str, Any]:
        """Return log α and the state of its optimiser."""
        return {"log": self._log.copy(), "optimizer": self._adam.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._log[:] = state["log"]
        self._adam.load_state_dict(state["optimizer"])
