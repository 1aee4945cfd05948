"""`TorchMLP`: what `MLP` computes, by PyTorch, in the memory of a flat vector. Needs `phantom-nn[torch]`."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from phantom_nn.mlp import MLP


class TorchMLP:
    """The networks of an `MLP`, with gradients by autograd.

    Attributes:
        tensors: the parameters, views of the flat vector in its order; `extra` is the last.
    """

    def __init__(self, network: MLP, parameters: torch.Tensor) -> None:
        """Compute in the memory of these parameters, on their device.

        Args:
            network: what is computed; its own parameters are left alone.
            parameters: a vector of as many numbers as it has.
        """
        views = network.layout.views(parameters)
        self.tensors: Sequence[torch.Tensor] = [view.detach().requires_grad_() for view in views.values()]
        self._depth, self._shared, self._num_heads = network.depth, network.shared_layers, len(network.heads)
        self._activate = getattr(torch, network.activation)

    def __call__(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return what each head says about features [B, inputs]: [B, outputs] each."""
        return self.with_hidden(features)[0]

    def with_hidden(self, features: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """Return what each head says, and the last hidden layer, [B, width] or [towers, B, width]."""
        hidden = features
        for layer in range(self._depth):
            weights, bias = self.tensors[2 * layer : 2 * layer + 2]
            if layer < self._shared:
                hidden = self._activate(torch.addmm(bias, hidden, weights))
                continue
            if layer == self._shared:
                hidden = hidden.expand(self._num_heads, *hidden.shape)
            hidden = self._activate(torch.baddbmm(bias, hidden, weights))
        parted = self._shared < self._depth
        towers = hidden.unbind(0) if parted else [hidden] * self._num_heads
        heads = self.tensors[2 * self._depth : -1]
        pairs = zip(heads[::2], heads[1::2], towers, strict=True)
        return tuple(torch.addmm(bias, tower, weights) for weights, bias, tower in pairs), hidden
