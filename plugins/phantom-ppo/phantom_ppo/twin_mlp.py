"""`TwinMLP`: actor and critic as two separate networks that are computed side by side in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phantom_nn import MLP
from phantom_nn.mlp import Activation

Array = NDArray[Any]
ACTOR: Final = 0
CRITIC: Final = 1


class TwinMLP(MLP):
    """Two multilayer perceptrons with the same hidden widths and parameters of their own.

    Its heads are `actor`, with the outputs that the distribution of the actions needs, and `critic`.
    """

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
        heads = {"actor": num_outputs, "critic": 1}
        super().__init__(
            num_inputs, hidden_sizes, heads, num_extra=num_extra, activation=activation, dtype=dtype
        )

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw orthogonal weights: gain √2 in hidden layers, 0.01 for the actor's head, 1 for the critic's.

        Biases become 0; `extra` stays as it is.
        """
        self.draw_orthogonal(rng, {"actor": 0.01, "critic": 1.0})

    def policy_outputs(self, features: Array) -> Array:
        """Return what the actor says about features [B, inputs]: [B, outputs]."""
        return self.head(features, ACTOR)

    def values(self, features: Array) -> Array:
        """Return what the critic says about features [B, inputs]: [B]."""
        return self.head(features, CRITIC)[:, 0]
