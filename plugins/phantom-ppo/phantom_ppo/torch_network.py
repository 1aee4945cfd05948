"""Networks that PyTorch computes, in the memory of the policy's flat vector of parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from phantom_ppo.actor_critic import MLPActorCriticPolicy
from phantom_ppo.flat_parameters import ParameterLayout
from phantom_ppo.observation_layout import ObservationLayout
from phantom_ppo.twin_mlp import TwinMLP

Array = NDArray[Any]


class DifferentiableNetwork(Protocol):
    """From features to outputs and values, with gradients.

    Attributes:
        tensors: the parameters in the order of the policy's flat vector; `extra` is the last.
    """

    tensors: Sequence[torch.Tensor]

    def __call__(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return outputs [B, outputs] and values [B]."""


def network_on(policy: MLPActorCriticPolicy, device: torch.device) -> DifferentiableNetwork:
    """Return the networks of a policy for torch: on a CPU in the policy's memory, elsewhere a copy."""
    network = policy.network
    if isinstance(network, TwinMLP):
        tensors = [torch.from_numpy(view) for view in network.layout.views(network.parameters).values()]
        on_device = [tensor.to(device).requires_grad_() for tensor in tensors]
        return TorchTwinMLP(on_device, network.depth, getattr(torch, network.activation))
    assert isinstance(network, ModuleNetwork)
    if device.type == "cpu":
        return network
    moved = copy.copy(network)
    moved.move_to(device)
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
        parameters: all parameters as one float32 vector, in whose memory the module computes.
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
        self._module = self._made(0)
        shapes = {name: tuple(value.shape) for name, value in self._module.named_parameters()}
        self._layout = ParameterLayout({**shapes, "extra": (num_extra,)})
        self.parameters: Array = np.zeros(self._layout.size, np.float32)
        self._views = self._layout.views(self.parameters)
        self.extra = self._views["extra"]
        self.tensors: Sequence[torch.Tensor] = []
        self._adopt(self._module)

    def __getstate__(self) -> tuple[Any, Array]:
        """Return what a copy is made of; the views are not, because a copied view is no view."""
        return self._made_of, self.parameters

    def __setstate__(self, state: tuple[Any, Array]) -> None:
        made_of, parameters = state
        self.__init__(*made_of)  # type: ignore[misc]  # as if it was made anew
        self.parameters[:] = parameters

    def initialise(self, rng: np.random.Generator) -> None:
        """Make the module anew, as it draws its weights; `extra` stays as it is."""
        self._module = self._made(int(rng.integers(2**63)))
        self._adopt(self._module)

    def policy_outputs(self, features: Array) -> Array:
        """Return what the module says about features [B, width]: [B, outputs]."""
        with torch.no_grad():
            outputs: Array = self(torch.from_numpy(np.ascontiguousarray(features)))[0].numpy()
            return outputs

    def __call__(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return outputs [B, outputs] and values [B]."""
        outputs, values = self._module(self._made_of[1].unflatten(features))
        return outputs, values.reshape(len(features))

    def move_to(self, device: torch.device) -> None:
        """Compute on another device from now on, with parameters apart from the flat vector."""
        self._module = copy.deepcopy(self._module).to(device)
        extra = torch.from_numpy(self.extra).to(device).requires_grad_()
        self.tensors = [*self._module.parameters(), extra]

    def _made(self, seed: int) -> torch.nn.Module:
        """Make a module whose weights follow from a seed, without touching torch's own generator."""
        module_class, layout, num_outputs, _ = self._made_of
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return module_class(layout.inner_space, num_outputs).float()

    def _adopt(self, module: torch.nn.Module) -> None:
        """Let the parameters of a module live in the flat vector."""
        for name, parameter in module.named_parameters():
            self._views[name][...] = parameter.detach().numpy()
            parameter.data = torch.from_numpy(self._views[name])
        self.tensors = [*module.parameters(), torch.from_numpy(self.extra).requires_grad_()]
