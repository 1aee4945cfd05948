"""`MLP`: multilayer perceptrons that are computed side by side in NumPy, with gradients by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from phantom_nn.flat_parameters import ParameterLayout, orthogonal

Array = NDArray[Any]
Activation = Literal["tanh", "relu"]
CHUNK: Final = 256
"""Rows that `evaluate` computes at once, so that the hidden layers stay in the cache."""


class MLP:
    """Multilayer perceptrons ("towers") with the same hidden widths: one for each head.

        h₀ = x,   hₗ = φ(hₗ₋₁ Wₗ + bₗ),   head k = hᵏ Wᵏ + bᵏ

    The first `shared_layers` hidden layers are the same for all towers; from there on each has weights of
    its own, which lie in one array [towers, inputs, width], so that one call of NumPy computes all. Every
    parameter is a view of one flat vector, and so is every gradient.

    An actor and a critic are two heads, two critics of the same action too; a network of Q-values is one; a
    dueling network has two heads that share all hidden layers but the last.

    Attributes:
        layout: names and shapes of the parameters: `hidden0.weights`, …, `<head>.bias`, `extra`.
        heads: the number of outputs of each head, by name.
        depth: the number of hidden layers.
        shared_layers: the number of hidden layers that all towers share.
        activation: the name of φ.
        parameters: the flat vector.
        gradient: the flat gradient that `backward` writes.
        extra: parameters that do not depend on the input, such as a Gaussian's log σ; the last ones.
    """

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        heads: Mapping[str, int],
        *,
        num_extra: int = 0,
        shared_layers: int = 0,
        activation: Activation = "tanh",
        dtype: type[np.floating[Any]] = np.float32,
    ) -> None:
        """Make networks whose parameters are all 0, until they are drawn or loaded.

        Args:
            num_inputs: the number of features.
            hidden_sizes: widths of the hidden layers; none makes the heads linear functions of the input.
            heads: the number of outputs of each head, by name; at least one head.
            num_extra: the number of parameters that do not depend on the input.
            shared_layers: how many hidden layers all towers share, counted from the input.
            activation: φ.
            dtype: the float type of everything.
        """
        assert heads
        assert 0 <= shared_layers <= len(hidden_sizes)
        self.heads, self.depth, self.activation = dict(heads), len(hidden_sizes), activation
        self.shared_layers = self.depth if len(self.heads) == 1 else shared_layers
        self._hidden_sizes = tuple(hidden_sizes)
        self.layout = ParameterLayout(self._shapes(num_inputs, num_extra))
        self._use(np.zeros(self.layout.size, dtype))

    def _shapes(self, num_inputs: int, num_extra: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        width = num_inputs
        for layer, size in enumerate(self._hidden_sizes):
            towers = self._towers_of(layer)
            shapes[f"hidden{layer}.weights"] = (*towers, width, size)
            shapes[f"hidden{layer}.bias"] = (*towers, 1, size)
            width = size
        for head, number in self.heads.items():
            shapes[f"{head}.weights"] = (width, number)
            shapes[f"{head}.bias"] = (number,)
        return {**shapes, "extra": (num_extra,)}

    def _towers_of(self, layer: int) -> tuple[int, ...]:
        """Return the first axis of a layer's arrays: none where the layer is shared."""
        return () if layer < self.shared_layers else (len(self.heads),)

    def _use(self, parameters: Array) -> None:
        """Compute with these parameters, in their memory."""
        self.parameters, self.gradient = parameters, np.zeros_like(parameters)
        self._views, self._gradients = self.layout.views(parameters), self.layout.views(self.gradient)
        self.extra = self._views["extra"]
        layers = [
            (self._views[f"hidden{layer}.weights"], self._views[f"hidden{layer}.bias"])
            for layer in range(self.depth)
        ]
        self._trunk = layers[: self.shared_layers]
        self._towers = [
            (
                [(weights[tower], bias[tower]) for weights, bias in layers[self.shared_layers :]],
                self._views[f"{head}.weights"],
                self._views[f"{head}.bias"],
            )
            for tower, head in enumerate(self.heads)
        ]
        self._hidden: list[Array] = []
        self._d_hidden: list[Array] = []
        self._inputs: list[Array] = []

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of; the views are not, because a copied view is no view."""
        kept = ("layout", "heads", "depth", "shared_layers", "activation", "_hidden_sizes", "parameters")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._use(self.parameters)

    def draw_orthogonal(self, rng: np.random.Generator, gains: Mapping[str, float]) -> None:
        """Draw orthogonal weights: gain √2 in hidden layers, and `gains` by head.

        Biases become 0; `extra` stays as it is.
        """
        for name, view in self._views.items():
            head = name.removesuffix(".weights")
            if name.endswith(".bias"):
                view[:] = 0.0
            elif head in gains:
                view[:] = orthogonal(rng, view.shape[0], view.shape[1], gain=gains[head])
            elif name.endswith(".weights"):
                for weights in view.reshape(-1, *view.shape[-2:]):
                    rows, columns = weights.shape
                    weights[:] = orthogonal(rng, rows, columns, gain=math.sqrt(2.0))

    def draw_uniform(self, rng: np.random.Generator) -> None:
        """Draw weights and biases uniformly from ±1/√inputs, as `torch.nn.Linear` does by default.

        `extra` stays as it is. Source: LeCun et al. 1998, "Efficient BackProp".
        """
        for name, view in self._views.items():
            if name.endswith(".weights"):
                bound = 1.0 / math.sqrt(view.shape[-2])
                bias = self._views[name.removesuffix("weights") + "bias"]
                view[:] = rng.uniform(-bound, bound, view.shape)
                bias[:] = rng.uniform(-bound, bound, bias.shape)

    def head(self, features: Array, tower: int = 0) -> Array:
        """Return what one head says about features [B, inputs]: [B, outputs]. `backward` cannot follow.

        For a few rows this takes half the time of `forward`.
        """
        return self._rest(self._run(features, self._trunk) if self._trunk else features, tower)

    def infer(self, features: Array) -> tuple[Array, ...]:
        """Return what each head says about features [B, inputs]: [B, outputs] each. As `head`."""
        hidden = self._run(features, self._trunk)
        return tuple(self._rest(hidden, tower) for tower in range(len(self.heads)))

    def evaluate(self, features: Array) -> tuple[Array, ...]:
        """Return what each head says about many rows, computed in pieces. `backward` cannot follow."""
        number = len(features)
        found = tuple(np.empty((number, outputs), self.parameters.dtype) for outputs in self.heads.values())
        for start in range(0, number, CHUNK):
            rows = slice(start, start + CHUNK)
            for part, values in zip(found, self.forward(features[rows]), strict=True):
                part[rows] = values
        return found

    def forward(self, features: Array) -> tuple[Array, ...]:
        """Return what each head says about features [B, inputs]; keep what `backward` needs."""
        rows = len(features)
        self._make_room(rows)
        hidden = features
        self._inputs = [features]
        for layer in range(self.depth):
            room = self._hidden[layer][..., :rows, :]
            np.matmul(hidden, self._views[f"hidden{layer}.weights"], out=room)
            room += self._views[f"hidden{layer}.bias"]
            hidden = self._activate(room)
            self._inputs.append(hidden)
        found = []
        for tower, head in enumerate(self.heads):
            outputs = self._of(hidden, tower) @ self._views[f"{head}.weights"]
            outputs += self._views[f"{head}.bias"]
            found.append(outputs)
        return tuple(found)

    @property
    def last_hidden(self) -> Array:
        """The last hidden layer of the last `forward`, [B, width] or [towers, B, width]; do not change it.

        `backward` and the next `forward` overwrite it. Without hidden layers it is the input.
        """
        return self._inputs[-1]

    def backward(
        self, *d_heads: Array, d_extra: Array | float = 0.0, d_last_hidden: Array | None = None
    ) -> None:
        """Write the gradient of a loss into `gradient`, given those for the results of `forward`.

        It uses up what `forward` kept.

        Args:
            *d_heads: ∂loss/∂outputs of each head [B, outputs]. With fewer rows than `forward` got: those of
                its first rows; the others have no part in the loss.
            d_extra: ∂loss/∂extra.
            d_last_hidden: ∂loss/∂`last_hidden`, where it has a part in the loss beside the heads, as it is
                shaped; of as many rows as `d_heads`. Without hidden layers it changes nothing.
        """
        gradients = self._gradients
        gradients["extra"][:] = d_extra
        rows = len(d_heads[0])
        ones = np.ones((1, rows), self.parameters.dtype)  # a sum by matmul takes a quarter of np.sum's time
        last = self._last_input(rows)
        for tower, (head, d_head) in enumerate(zip(self.heads, d_heads, strict=True)):
            np.matmul(self._of(last, tower).T, d_head, out=gradients[f"{head}.weights"])
            np.matmul(ones[0], d_head, out=gradients[f"{head}.bias"])
        for layer, hidden, d_hidden in self._descend(last, d_heads, d_last_hidden):
            np.matmul(hidden.swapaxes(-1, -2), d_hidden, out=gradients[f"hidden{layer}.weights"])
            np.matmul(ones, d_hidden, out=gradients[f"hidden{layer}.bias"])

    def input_gradient(self, *d_heads: Array) -> Array:
        """Return ∂loss/∂features [B, inputs], and no gradient of parameters; otherwise as `backward`."""
        if not self.depth:
            weights = [self._views[f"{head}.weights"] for head in self.heads]
            return _sum([d @ w.T for d, w in zip(d_heads, weights, strict=True)])
        d_hidden = self.parameters
        for _, _, d_hidden in self._descend(self._last_input(len(d_heads[0])), d_heads):  # noqa: B007  the last one is what is needed
            pass
        weights_0 = self._views["hidden0.weights"]
        d_inputs: Array = np.matmul(d_hidden, weights_0.swapaxes(-1, -2))
        return d_inputs if self.shared_layers else _sum(list(d_inputs))

    def _last_input(self, rows: int) -> Array:
        """Return the first rows of what `forward` kept last, and forget it."""
        hidden = self._inputs.pop()
        return hidden if hidden.shape[-2] == rows else hidden[..., :rows, :]

    def _descend(
        self, hidden: Array, d_heads: Sequence[Array], d_last_hidden: Array | None = None
    ) -> Iterator[tuple[int, Array, Array]]:
        """Yield layer, its input and ∂loss/∂(before φ), from the last hidden layer to the first."""
        views, rows = self._views, len(d_heads[0])
        if not self.depth:
            return
        d_hidden = self._d_hidden[-1][..., :rows, :]
        is_shared = self.shared_layers == self.depth
        for tower, (head, d_head) in enumerate(zip(self.heads, d_heads, strict=True)):
            weights = views[f"{head}.weights"]
            if not is_shared:
                _times_transposed(d_head, weights, out=d_hidden[tower])
            elif tower == 0:
                _times_transposed(d_head, weights, out=d_hidden)
            else:
                d_hidden += d_head @ weights.T
        if d_last_hidden is not None:
            d_hidden += d_last_hidden
        for layer in reversed(range(self.depth)):
            d_hidden *= self._slope(hidden)
            hidden = self._last_input(rows)
            yield layer, hidden, d_hidden
            if not layer:
                return
            weights, room = views[f"hidden{layer}.weights"].swapaxes(-1, -2), self._d_hidden[layer - 1]
            if layer == self.shared_layers:  # here the towers part
                d_hidden = _sum(list(np.matmul(d_hidden, weights)), out=room[:rows])
            else:
                d_hidden = np.matmul(d_hidden, weights, out=room[..., :rows, :])

    def _rest(self, hidden: Array, tower: int) -> Array:
        """Compute a tower from where the towers part."""
        layers, head_weights, head_bias = self._towers[tower]
        result: Array = np.dot(self._run(hidden, layers), head_weights)
        result += head_bias
        return result

    def _run(self, hidden: Array, layers: Sequence[tuple[Array, Array]]) -> Array:
        """Compute hidden layers; for a few rows NumPy's `dot` takes half the time of `matmul`."""
        for weights, bias in layers:
            hidden = np.dot(hidden, weights)
            hidden += bias
            hidden = self._activate(hidden)
        return hidden

    def _activate(self, hidden: Array) -> Array:
        """Apply φ in place."""
        return (
            np.tanh(hidden, out=hidden) if self.activation == "tanh" else np.maximum(hidden, 0.0, out=hidden)
        )

    def _slope(self, hidden: Array) -> Array:
        """Return φ′ at the point where φ has the value `hidden`, which is overwritten."""
        if self.activation == "relu":
            return np.greater(hidden, 0.0)
        np.multiply(hidden, hidden, out=hidden)
        return np.subtract(1.0, hidden, out=hidden)

    def _of(self, hidden: Array, tower: int) -> Array:
        """Return one tower's part of a last hidden layer; what is shared is the same for all."""
        part: Array = hidden if self.shared_layers == self.depth else hidden[tower]
        return part

    def _make_room(self, rows: int) -> None:
        """Allocate the arrays of the hidden layers once for the largest minibatch."""
        if self._hidden and self._hidden[0].shape[-2] >= rows:
            return
        shapes = [(*self._towers_of(layer), rows, width) for layer, width in enumerate(self._hidden_sizes)]
        self._hidden = [np.empty(shape, self.parameters.dtype) for shape in shapes]
        self._d_hidden = [np.empty(shape, self.parameters.dtype) for shape in shapes]


def _times_transposed(d_head: Array, weights: Array, out: Array) -> None:
    """Write d_head weightsᵀ into `out`; for a single column NumPy multiplies 5 times faster than matmul."""
    if weights.shape[1] == 1:
        np.multiply(d_head, weights[:, 0], out=out)
    else:
        np.matmul(d_head, weights.T, out=out)


def _sum(parts: Sequence[Array], out: Array | None = None) -> Array:
    """Return the sum of arrays of one shape; `np.sum` over a short first axis takes longer."""
    total: Array = parts[0].copy() if out is None else out
    if out is not None:
        out[:] = parts[0]
    for part in parts[1:]:
        total += part
    return total
