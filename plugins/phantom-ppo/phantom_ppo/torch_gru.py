"""`TorchGRU`: what `TwinGRU` computes, by PyTorch over whole sequences, in the memory of a flat vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from phantom_ppo.twin_gru import NUM_GATES, NUM_TOWERS, TwinGRU


@dataclass(frozen=True, slots=True)
class PaddedSequences:
    """B decisions of K sequences of at most T steps, side by side.

    Attributes:
        features: what was observed [T, K, D]; anything after the end of a sequence.
        states: what the network remembered before the first decision of each sequence [K, towers, size].
        places: where in the first two axes each decision is, step · K + sequence: int64 [B].
    """

    features: torch.Tensor
    states: torch.Tensor
    places: torch.Tensor


class TorchGRU:
    """The networks of a `TwinGRU`, with gradients by autograd through all steps.

    Attributes:
        tensors: the parameters, views of the flat vector in its order; `extra` is the last.
    """

    def __init__(self, network: TwinGRU, parameters: torch.Tensor) -> None:
        """Compute in the memory of these parameters, on their device.

        Args:
            network: what is computed; its own parameters are left alone.
            parameters: a vector of as many numbers as it has.
        """
        views = network.layout.views(parameters)
        self._views = {name: view.detach().requires_grad_() for name, view in views.items()}
        self.tensors: Sequence[torch.Tensor] = list(self._views.values())
        self._size, self._depth = network.size, network.depth
        self._activate = getattr(torch, network.activation)

    def __call__(self, inputs: PaddedSequences) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the actor says about each decision [B, outputs], and the critic [B, 1]."""
        hidden = self._hidden(inputs)
        actor, critic = hidden.flatten(1, 2).index_select(1, inputs.places).unbind(0)
        views = self._views
        return (
            torch.addmm(views["actor.bias"], actor, views["actor.weights"]),
            torch.addmm(views["critic.bias"], critic, views["critic.weights"]),
        )

    def _hidden(self, inputs: PaddedSequences) -> torch.Tensor:
        """Return the states after each step: [towers, T, K, size]."""
        views, size = self._views, self._size
        steps, number, width = inputs.features.shape
        encoded = inputs.features.reshape(steps * number, width).expand(NUM_TOWERS, -1, -1)
        for layer in range(self._depth):
            weights, bias = views[f"encoder{layer}.weights"], views[f"encoder{layer}.bias"]
            encoded = self._activate(torch.baddbmm(bias, encoded, weights))
        from_input = torch.baddbmm(views["gru.input_bias"], encoded, views["gru.input_weights"])
        parts = from_input.reshape(NUM_TOWERS, steps, number, NUM_GATES * size).split(
            (2 * size, size), dim=-1
        )
        for_gates, for_candidate = views["gru.hidden_weights"].split((2 * size, size), dim=-1)
        hidden, found = inputs.states.transpose(0, 1), []
        for gates, candidate in zip(*(part.unbind(1) for part in parts), strict=True):
            reset, update = torch.sigmoid(torch.baddbmm(gates, hidden, for_gates)).chunk(2, dim=-1)
            from_hidden = torch.baddbmm(views["gru.hidden_bias"], hidden, for_candidate)
            new = torch.tanh(torch.addcmul(candidate, reset, from_hidden))
            hidden = torch.lerp(new, hidden, update)
            found.append(hidden)
        return torch.stack(found, dim=1)
