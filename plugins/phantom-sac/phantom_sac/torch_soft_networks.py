"""Actors and critics as PyTorch computes them, in the memory of flat vectors of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import torch
from numpy.typing import NDArray

from phantom_nn import ObservationLayout, SquashedGaussian
from phantom_nn.module_network import ModuleNetwork
from phantom_nn.squashed_gaussian import LOG_STD_MAX, LOG_STD_MIN
from phantom_nn.torch_mlp import TorchMLP
from phantom_sac.actor_networks import MEAN_LIMIT, VARIANCE_FLOOR, StateDependentActor
from phantom_sac.soft_actor import MLPSoftActorPolicy
from phantom_sac.soft_critic import TwinCritic

Array = NDArray[Any]
Pair: TypeAlias = "tuple[torch.Tensor, torch.Tensor]"


class SoftActorModule(ModuleNetwork):
    """A `torch.nn.Module` of the user's as actor: it returns means and log-deviations, [B, 2K]."""

    def __init__(
        self,
        module_class: Callable[..., torch.nn.Module],
        layout: ObservationLayout,
        distribution: SquashedGaussian,
    ) -> None:
        """Make the module for the actions of a distribution."""
        super().__init__(module_class, layout, distribution.num_outputs)
        self._made_with = module_class, layout, distribution
        self._distribution = distribution

    def __getstate__(self) -> tuple[Any, Array]:
        """Return what a copy is made of."""
        return self._made_with, self.parameters

    def moments(self, features: Array) -> tuple[Array, Array]:
        """Return means and log-deviations, [B, K] each, for features [B, width]."""
        with torch.no_grad():
            outputs = self(torch.tensor(features)).numpy()  # a copy: observations may be read-only
        return self._distribution.parts(outputs)


class TwinCriticModule(ModuleNetwork):
    """Two `torch.nn.Module`s of the user's as critics: each returns values [B] of what is done."""

    def __init__(
        self, module_class: Callable[..., torch.nn.Module], layout: ObservationLayout, num_actions: int
    ) -> None:
        """Make both modules."""
        super().__init__(partial(_twins, module_class), layout, num_actions)
        self._made_with, self._layout_of_inputs = (module_class, layout, num_actions), layout

    def __getstate__(self) -> tuple[Any, Array]:
        """Return what a copy is made of."""
        return self._made_with, self.parameters

    def __call__(self, features: torch.Tensor, actions: torch.Tensor | None = None) -> Any:
        """Return both values [B] of actions [B, K]."""
        return self.module(self._layout_of_inputs.unflatten(features), actions)


def _twins(module_class: Callable[..., torch.nn.Module], space: Any, num_actions: int) -> torch.nn.Module:
    """Return two modules of one class as one, which returns both values, [B] each."""

    class Twins(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = module_class(space, num_actions), module_class(space, num_actions)

        def forward(self, observations: Any, actions: torch.Tensor) -> Pair:
            first, second = self.first(observations, actions), self.second(observations, actions)
            return first.reshape(len(actions)), second.reshape(len(actions))

    return Twins()


def moments_on(
    policy: MLPSoftActorPolicy, parameters: torch.Tensor
) -> tuple[Callable[[torch.Tensor], Pair], Sequence[torch.Tensor]]:
    """Return what gives means and log-deviations to features, in this memory, and its tensors."""
    network: Any = policy.network
    if isinstance(network, StateDependentActor):
        state_dependent = TorchMLP(network, parameters)
        shape = network.width, network.num_actions

        def moments(features: torch.Tensor) -> Pair:
            (raw,), hidden = state_dependent.with_hidden(features)
            of_weights = (2.0 * state_dependent.tensors[-1].reshape(shape)).exp()
            variances = hidden.square() @ of_weights + VARIANCE_FLOOR
            return raw.clamp(-MEAN_LIMIT, MEAN_LIMIT), 0.5 * variances.log()

        return moments, state_dependent.tensors
    moved: Any
    if isinstance(network, ModuleNetwork):
        moved = network.on(parameters)
        return (lambda features: _parts(moved(features))), moved.tensors
    moved = TorchMLP(network, parameters)
    return (lambda features: _parts(moved(features)[0])), moved.tensors


def critic_on(
    critic: Any, parameters: torch.Tensor
) -> tuple[Callable[[torch.Tensor, torch.Tensor], Pair], Sequence[torch.Tensor]]:
    """Return what gives both values to features and actions, in this memory, and its tensors."""
    if isinstance(critic, ModuleNetwork):
        moved: Any = critic.on(parameters)
        return moved, moved.tensors
    assert isinstance(critic, TwinCritic)
    twin = TorchMLP(critic, parameters)

    def values(features: torch.Tensor, actions: torch.Tensor) -> Pair:
        first, second = twin(torch.cat([features, actions], 1))
        return first[:, 0], second[:, 0]

    return values, twin.tensors


def _parts(outputs: torch.Tensor) -> Pair:
    means, log_std = outputs.chunk(2, dim=1)
    return means, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)
