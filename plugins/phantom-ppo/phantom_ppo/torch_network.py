"""Actor and critic as PyTorch computes them, in the memory of the policy's flat vector of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from phantom_nn.module_network import ModuleNetwork
from phantom_nn.torch_mlp import TorchMLP
from phantom_ppo.actor_policy import ActorPolicy
from phantom_ppo.torch_gru import TorchGRU
from phantom_ppo.twin_gru import TwinGRU
from phantom_ppo.twin_mlp import TwinMLP

Array = NDArray[Any]


class DifferentiableNetwork(Protocol):
    """From features, or padded sequences, to outputs and values, with gradients.

    Attributes:
        tensors: the parameters in the order of the policy's flat vector; `extra` is the last.
    """

    tensors: Sequence[torch.Tensor]

    def __call__(self, features: Any, /) -> tuple[torch.Tensor, torch.Tensor]:
        """Return outputs [B, outputs] and values, [B] or [B, 1]."""


def network_on(policy: ActorPolicy, parameters: torch.Tensor) -> DifferentiableNetwork:
    """Return the networks of a policy, to compute in the memory of these parameters, on their device."""
    network: Any = policy.network
    if isinstance(network, TwinMLP):
        found: DifferentiableNetwork = TorchMLP(network, parameters)
        return found
    if isinstance(network, TwinGRU):
        return TorchGRU(network, parameters)
    assert isinstance(network, ActorCriticModule)
    return network.on(parameters)


class ActorCriticModule(ModuleNetwork):
    """A `torch.nn.Module` of the user's as actor and critic: it returns outputs and values."""

    def policy_outputs(self, features: Array) -> Array:
        """Return what the module says about features [B, width]: [B, outputs]."""
        with torch.no_grad():
            outputs: Array = self(torch.from_numpy(np.ascontiguousarray(features)))[0].numpy()
            return outputs
