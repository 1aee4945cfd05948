"""`FlatAdam` in PyTorch, for parameters on any device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from phantom_nn.flat_adam import BETA1, BETA2, EPSILON


class TorchFlatAdam:
    """Changes a flat parameter vector in place, as `FlatAdam` does and with the same state.

    For small networks the cost of `torch.optim.Adam`, also fused, is its bookkeeping: on one vector this
    takes half the time.

    Attributes:
        steps: t, the number of steps made.

    Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.
    """

    def __init__(self, parameters: torch.Tensor, epsilon: float = EPSILON) -> None:
        self.steps = 0
        self._parameters, self._epsilon = parameters, epsilon
        self._mean = torch.zeros_like(parameters)
        self._square = torch.zeros_like(parameters)

    def step(self, gradient: torch.Tensor, learning_rate: float) -> None:
        """Make one step."""
        self.steps += 1
        self._mean.lerp_(gradient, 1.0 - BETA1)
        self._square.mul_(BETA2).addcmul_(gradient, gradient, value=1.0 - BETA2)
        correction = math.sqrt(1.0 - BETA2**self.steps)
        deviation = self._square.sqrt().add_(self._epsilon * correction)
        scale = learning_rate * correction / (1.0 - BETA1**self.steps)
        self._parameters.addcdiv_(self._mean, deviation, value=-scale)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps and both moments, as arrays."""
        return {
            "steps": self.steps,
            "mean": self._mean.cpu().numpy().copy(),
            "square": self._square.cpu().numpy().copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of either class returned."""
        self.steps = int(state["steps"])
        self._mean.copy_(torch.tensor(state["mean"]))
        self._square.copy_(torch.tensor(state["square"]))


def clip_norm(gradient: torch.Tensor, max_norm: float) -> torch.Tensor:
    """Scale a gradient in place so that its norm is at most `max_norm`; return the norm it had.

    Nothing waits for the device, so the norm is a tensor.
    """
    norm = torch.linalg.vector_norm(gradient)
    gradient *= (max_norm / (norm + 1e-6)).clamp(max=1.0)
    return norm
