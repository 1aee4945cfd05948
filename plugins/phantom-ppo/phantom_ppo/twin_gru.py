"""`TwinGRU`: actor and critic as two recurrent networks that are computed side by side in NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phantom_nn import ParameterLayout, orthogonal
from phantom_nn.mlp import Activation

Array = NDArray[Any]
NUM_TOWERS: Final = 2
NUM_GATES: Final = 3
HEADS: Final = ("actor", "critic")


class TwinGRU:
    """Two networks of the same widths with parameters of their own: an encoder, a GRU and a linear head each.

        eₜ = the encoder's last layer for oₜ
        rₜ, zₜ = σ(eₜ Wᵣ + hₜ₋₁ Uᵣ + bᵣ),  σ(eₜ W_z + hₜ₋₁ U_z + b_z)
        nₜ = tanh(eₜ Wₙ + bₙ + rₜ ⊙ (hₜ₋₁ Uₙ + cₙ))
        hₜ = (1 − zₜ) ⊙ nₜ + zₜ ⊙ hₜ₋₁,        head = hₜ W + b

    The arrays of both towers are one, [towers, …], and those of the three gates lie side by side in the order
    r, z, n. Every parameter is a view of one flat vector.

    Attributes:
        layout: names and shapes of the parameters.
        size: the number of units of each GRU.
        depth: the number of layers of each encoder.
        activation: what follows each layer of an encoder.
        parameters: the flat vector.
        extra: parameters that do not depend on the input, such as a Gaussian's log σ; the last ones.

    Source: Cho et al. 2014, arXiv:1406.1078; rₜ is multiplied after the matrix, as in torch.nn.GRU.
    """

    def __init__(
        self,
        num_inputs: int,
        encoder_sizes: Sequence[int],
        size: int,
        num_outputs: int,
        num_extra: int = 0,
        *,
        activation: Activation = "tanh",
        dtype: type[np.floating[Any]] = np.float32,
    ) -> None:
        """Make networks whose parameters are all 0, until they are drawn or loaded."""
        self.size, self.depth, self.activation = size, len(encoder_sizes), activation
        shapes: dict[str, tuple[int, ...]] = {}
        width = num_inputs
        for layer, layer_size in enumerate(encoder_sizes):
            shapes[f"encoder{layer}.weights"] = (NUM_TOWERS, width, layer_size)
            shapes[f"encoder{layer}.bias"] = (NUM_TOWERS, 1, layer_size)
            width = layer_size
        shapes["gru.input_weights"] = (NUM_TOWERS, width, NUM_GATES * size)
        shapes["gru.input_bias"] = (NUM_TOWERS, 1, NUM_GATES * size)
        shapes["gru.hidden_weights"] = (NUM_TOWERS, size, NUM_GATES * size)
        shapes["gru.hidden_bias"] = (NUM_TOWERS, 1, size)
        for head, number in zip(HEADS, (num_outputs, 1), strict=True):
            shapes[f"{head}.weights"] = (size, number)
            shapes[f"{head}.bias"] = (number,)
        self.layout = ParameterLayout({**shapes, "extra": (num_extra,)})
        self._use(np.zeros(self.layout.size, dtype))

    def _use(self, parameters: Array) -> None:
        """Compute with these parameters, in their memory."""
        self.parameters = parameters
        self._views = self.layout.views(parameters)
        self.extra: Array = self._views["extra"]

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of; the views are not, because a copied view is no view."""
        return {name: getattr(self, name) for name in ("layout", "size", "depth", "activation", "parameters")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._use(self.parameters)

    @property
    def initial_state(self) -> Array:
        """What is remembered before the first observation: zeros [towers, size]."""
        return np.zeros((NUM_TOWERS, self.size), self.parameters.dtype)

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw orthogonal weights.

        The gain is √2 in encoders, 1 for each gate, 0.01 for the actor's head, 1 for the critic's. Biases
        become 0; `extra` stays as it is.
        """
        gains = {"gru": 1.0, "actor": 0.01, "critic": 1.0}
        for name, view in self._views.items():
            if name.endswith("bias"):
                view[:] = 0.0
            elif name.endswith("weights"):
                gain = gains.get(name.partition(".")[0], math.sqrt(2.0))
                number = NUM_GATES if name.startswith("gru") else 1
                for weights in view.reshape(-1, *view.shape[-2:]):
                    for part in np.split(weights, number, axis=1):
                        part[:] = orthogonal(rng, part.shape[0], part.shape[1], gain)

    def step(self, features: Array, states: Array) -> tuple[Array, Array]:
        """Return what the actor says [B, outputs], and the states that follow [B, towers, size].

        Args:
            features: what was observed [B, inputs].
            states: what was remembered [B, towers, size].
        """
        after = self.advance(features, states)
        outputs: Array = np.dot(after[:, 0], self._views["actor.weights"])
        outputs += self._views["actor.bias"]
        return outputs, after

    def advance(self, features: Array, states: Array) -> Array:
        """Return the states after features [B, inputs] in states [B, towers, size]."""
        views, size = self._views, self.size
        encoded: Array = features
        for layer in range(self.depth):
            encoded = np.matmul(encoded, views[f"encoder{layer}.weights"])
            encoded += views[f"encoder{layer}.bias"]
            encoded = np.tanh(encoded, out=encoded) if self.activation == "tanh" else np.maximum(encoded, 0.0)
        hidden = states.swapaxes(0, 1).copy()
        from_input = np.matmul(encoded, views["gru.input_weights"])
        from_input += views["gru.input_bias"]
        from_hidden = np.matmul(hidden, views["gru.hidden_weights"])
        gates = from_input[..., : 2 * size]
        gates += from_hidden[..., : 2 * size]
        gates *= 0.5  # σ(x) = (1 + tanh(x / 2)) / 2 never overflows
        np.tanh(gates, out=gates)
        gates += 1.0
        gates *= 0.5
        reset, update = gates[..., :size], gates[..., size:]
        candidate = from_hidden[..., 2 * size :]
        candidate += views["gru.hidden_bias"]
        candidate *= reset
        candidate += from_input[..., 2 * size :]
        np.tanh(candidate, out=candidate)
        hidden -= candidate
        hidden *= update
        hidden += candidate
        return hidden.swapaxes(0, 1)
