"""`ActorMLP`: a perceptron that says what the distribution of the actions needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phantom_nn.mlp import MLP, Activation

Array = NDArray[Any]


class ActorMLP(MLP):
    """A multilayer perceptron with one head: the outputs that the distribution of the actions needs."""

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        num_outputs: int,
        num_extra: int = 0,
        *,
        activation: Activation = "tanh",
        dtype: type[np.floating[Any]] = np.float32,
    ) -> None:
        heads = {"actor": num_outputs}
        super().__init__(
            num_inputs, hidden_sizes, heads, num_extra=num_extra, activation=activation, dtype=dtype
        )

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw orthogonal weights: gain √2 in hidden layers, 0.01 for the head; biases become 0."""
        self.draw_orthogonal(rng, {"actor": 0.01})

    def policy_outputs(self, features: Array) -> Array:
        """Return what it says about features [B, inputs]: [B, outputs]."""
        return self.head(features)
