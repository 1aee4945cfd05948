"""`QNetwork`: the values of all options of an action, in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phantom_dqn.action_branches import ActionBranches
from phantom_nn import MLP
from phantom_nn.mlp import Activation

Array = NDArray[Any]


class QNetwork(MLP):
    """A perceptron with one output for each option, or a dueling one.

    Dueling: the last hidden layer is there twice, once for V and once for the advantages of all options:

        Q(s, a) = V(s) + A(s, a) − mean over the options of a's branch of A(s, ·)

    Sources: Wang et al. 2016, arXiv:1511.06581, equation 9; for several branches Tavakoli et al. 2018,
    arXiv:1711.08946, equation 1.
    """

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        branches: ActionBranches,
        *,
        is_dueling: bool = False,
        activation: Activation = "relu",
        dtype: type[np.floating[Any]] = np.float32,
    ) -> None:
        heads = {"value": 1, "advantage": branches.num_options} if is_dueling else {"q": branches.num_options}
        shared = max(len(hidden_sizes) - 1, 0)
        super().__init__(
            num_inputs, hidden_sizes, heads, shared_layers=shared, activation=activation, dtype=dtype
        )
        self._made_of = branches, is_dueling

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_made_of": self._made_of}

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw the first weights uniformly."""
        self.draw_uniform(rng)

    def q_values(self, features: Array) -> Array:
        """Return the values of all options for features [B, width]: [B, A]. `backward_q` cannot follow."""
        return self._joined(self.infer(features))

    def evaluate_q(self, features: Array) -> Array:
        """Return the same for many rows, computed in pieces."""
        return self._joined(self.evaluate(features))

    def forward_q(self, features: Array) -> Array:
        """Return the same, and keep what `backward_q` needs."""
        return self._joined(self.forward(features))

    def backward_q(self, d_values: Array) -> None:
        """Write the gradient of a loss into `gradient`, given ∂loss/∂values [B, A]; as `MLP.backward`."""
        branches, is_dueling = self._made_of
        if is_dueling:
            self.backward(d_values.sum(axis=1, keepdims=True), branches.centred(d_values))
        else:
            self.backward(d_values)

    def _joined(self, heads: Sequence[Array]) -> Array:
        branches, is_dueling = self._made_of
        return heads[0] + branches.centred(heads[1]) if is_dueling else heads[0]
