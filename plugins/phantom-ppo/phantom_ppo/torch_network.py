"""Networks that PyTorch computes, in the memory of the policy's flat vector of parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from phantom_ppo.actor_critic import MLPActorCriticPolicy
from phantom_ppo.flat_parameters import ParameterLayout
from phantom_ppo.observation_layout import ObservationLayout
from phantom_ppo.twin_mlp import TwinMLP

Array = NDArray[Any]
_EXTRA: Final = ".extra"
"""The name of `extra` among those of a module, none of which begins with a dot."""


class DifferentiableNetwork(Protocol):
    """From features to outputs and values, with gradients.

    Attributes:
        tensors: the parameters in the order of the policy's flat vector; `extra` is the last.
    """

    tensors: Sequence[torch.Tensor]

    def __call__(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return outputs [B, outputs] and values [B]."""


def network_on(policy: MLPActorCriticPolicy, parameters: torch.Tensor) -> DifferentiableNetwork:
    """Return the networks of a policy, to compute in the memory of these parameters, on their device."""
    network = policy.network
    if isinstance(network, TwinMLP):
        tensors = [view.detach().requires_grad_() for view in network.layout.views(parameters).values()]
        return TorchTwinMLP(tensors, network.depth, getattr(torch, network.activation))
    assert isinstance(network, ModuleNetwork)
    if parameters.data_ptr() == network.parameters.ctypes.data:
        return network
    moved = copy.copy(network)
    moved.move_to(parameters)
    return moved


class TorchTwinMLP:
    """What `TwinMLP` computes, by torch."""

    def __init__(
        self,
        tensors: Sequence[torch.Tensor],
        depth: int,
        activation: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        self.tensors = tensors
        self._depth, self._activate = depth, activation

    def __call__(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return outputs [B, outputs] and values [B]."""
        hidden = features.expand(2, *features.shape)
        for layer in range(self._depth):
            weights, bias = self.tensors[2 * layer : 2 * layer + 2]
            hidden = self._activate(torch.baddbmm(bias, hidden, weights))
        actor, critic = hidden.unbind(0)
        weights, bias, value_weights, value_bias, _ = self.tensors[2 * self._depth :]
        return torch.addmm(bias, actor, weights), torch.addmm(value_bias, critic, value_weights)[:, 0]


class ModuleNetwork:
    """A `torch.nn.Module` of the user's as actor and critic of a policy.

    Attributes:
        module: the module.
        parameters: all parameters and floating buffers of the module as one float32 vector, in whose
            memory it computes.
        extra: the last of them, which do not depend on the input.
        tensors: the same as tensors, in the same memory.
    """

    def __init__(
        self,
        module_class: Callable[..., torch.nn.Module],
        layout: ObservationLayout,
        num_outputs: int,
        num_extra: int,
    ) -> None:
        self._made_of = module_class, layout, num_outputs, num_extra
        self.module = self._made(0)
        shapes = {name: tuple(tensor.shape) for name, tensor in _state(self.module).items()}
        self._layout = ParameterLayout({**shapes, _EXTRA: (num_extra,)})
        self.parameters: Array = np.zeros(self._layout.size, np.float32)
        self.extra: Array = self._layout.views(self.parameters)[_EXTRA]
        self.tensors: Sequence[torch.Tensor] = []
        self._adopt()

    def __getstate__(self) -> tuple[Any, Array]:
        """Return what a copy is made of; the views are not, because a copied view is no view."""
        return self._made_of, self.parameters

    def __setstate__(self, state: tuple[Any, Array]) -> None:
        made_of, parameters = state
        self.__init__(*made_of)  # type: ignore[misc]  # as if it was made anew
        self.parameters[:] = parameters

    def initialise(self, rng: np.random.Generator) -> None:
        """Make the module anew, as it draws its weights; `extra` stays as it is."""
        self.module = self._made(int(rng.integers(2**63)))
        self._adopt()

    def policy_outputs(self, features: Array) -> Array:
        """Return what the module says about features [B, width]: [B, outputs]."""
        with torch.no_grad():
            outputs: Array = self(torch.from_numpy(np.ascontiguousarray(features)))[0].numpy()
            return outputs

    def __call__(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return outputs [B, outputs] and values [B]."""
        outputs, values = self.module(self._made_of[1].unflatten(features))
        return outputs, values.reshape(len(features))

    def move_to(self, parameters: torch.Tensor) -> None:
        """Compute from now on in the memory of these parameters, on their device."""
        views = self._layout.views(parameters)
        self.module.to(parameters.device)
        state = _state(self.module)
        for name, tensor in state.items():
            tensor.data = views[name]
        self.tensors = [*state.values(), views[_EXTRA].detach().requires_grad_()]

    def _made(self, seed: int) -> torch.nn.Module:
        """Make a module whose weights follow from a seed, without touching torch's own generator."""
        module_class, layout, num_outputs, _ = self._made_of
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return module_class(layout.inner_space, num_outputs).float()

    def _adopt(self) -> None:
        """Let the module live in the flat vector, with the weights that it has."""
        views = self._layout.views(self.parameters)
        for name, tensor in _state(self.module).items():
            views[name][...] = tensor.detach().numpy()
        self.move_to(torch.from_numpy(self.parameters))


def _state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return what a module computes with: parameters, and buffers of floats, which no gradient reaches."""
    buffers = {name: buffer for name, buffer in module.named_buffers() if buffer.is_floating_point()}
    return {**dict(module.named_parameters()), **buffers}
