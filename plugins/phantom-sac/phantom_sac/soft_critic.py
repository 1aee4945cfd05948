"""`TwinCritic`: two values of each action, of which the lower one is believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phantom_nn import MLP
from phantom_nn.mlp import Activation

Array = NDArray[Any]


class TwinCritic(MLP):
    """Two perceptrons side by side, from features and an action to its value.

    Source: Fujimoto, van Hoof and Meger 2018, arXiv:1802.09477, section 4.
    """

    def __init__(
        self,
        num_features: int,
        num_actions: int,
        hidden_sizes: Sequence[int],
        *,
        activation: Activation = "relu",
        dtype: type[np.floating[Any]] = np.float32,
    ) -> None:
        self.num_features = num_features
        heads = {"first": 1, "second": 1}
        super().__init__(num_features + num_actions, hidden_sizes, heads, activation=activation, dtype=dtype)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of."""
        return {**super().__getstate__(), "num_features": self.num_features}

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw the first weights as `torch.nn.Linear` does."""
        self.draw_uniform(rng)

    def values(self, features: Array, actions: Array) -> tuple[Array, Array]:
        """Return both values [B] of actions [B, K], and keep what `learn` or `action_gradient` needs."""
        first, second = self.forward(np.concatenate([features, actions], axis=1))
        return first[:, 0], second[:, 0]

    def learn(self, d_first: Array, d_second: Array) -> None:
        """Write the gradient of a loss into `gradient`, given those for both values [B]."""
        self.backward(d_first[:, None], d_second[:, None])

    def action_gradient(self, d_first: Array, d_second: Array) -> Array:
        """Return ∂loss/∂actions [B, K], given ∂loss/∂values [B]; no gradient of parameters."""
        return self.input_gradient(d_first[:, None], d_second[:, None])[:, self.num_features :]
