"""`TorchQBackend`: gradients by PyTorch's autograd, on a CPU or a GPU. Needs `phantom-dqn[torch]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from phantom_dqn.action_branches import FORBIDDEN
from phantom_dqn.numpy_q_backend import EPSILON
from phantom_dqn.q_loss import Minibatch
from phantom_dqn.q_network import QNetwork
from phantom_dqn.q_policy import MLPQPolicy
from phantom_dqn.q_step import StepReport, StepSettings
from phantom_nn.module_network import ModuleNetwork
from phantom_nn.torch_flat_adam import TorchFlatAdam, clip_norm
from phantom_nn.torch_memory import TorchMemory, to_numpy
from phantom_nn.torch_mlp import TorchMLP

Array = NDArray[Any]


class TorchQBackend:
    """Computes with a copy of the policy's parameters, or on the CPU with the very same memory.

    To another device transitions go once per update, and weights and what is logged come back once, but
    where the next draw depends on the errors of the last.
    """

    def __init__(self, policy: MLPQPolicy, device: str = "cpu") -> None:
        """Take over a policy.

        Raises:
            ConfigError: if there is no such device.
        """
        self._branches = policy.branches
        self._memory = memory = TorchMemory(policy.network.parameters, device, "dqn")
        self._target_parameters = memory.parameters.clone()
        network, tensors = _values_on(policy, memory.parameters)
        memory.collect_gradients(tensors)
        self._values, self._target = network, _values_on(policy, self._target_parameters)[0]
        self._adam = TorchFlatAdam(memory.parameters, EPSILON)
        self._firsts = memory.tensor(self._branches.firsts)

    def copy_to_target(self) -> None:
        """Let the target network say what the network says now."""
        self._memory.pull()
        self._target_parameters.copy_(self._memory.parameters)

    def descend(self, minibatches: Sequence[Minibatch], settings: StepSettings) -> list[StepReport]:
        """Make a gradient step on each of some minibatches, as `NumpyQBackend.descend`."""
        self._memory.pull()
        found = []
        for batch in minibatches:
            numbers, errors = self._differentiate(self._moved(batch), settings)
            norm = clip_norm(self._memory.gradient, settings.max_grad_norm)
            self._adam.step(self._memory.gradient, settings.learning_rate)
            if settings.target_rate is not None:
                self._target_parameters.lerp_(self._memory.parameters, settings.target_rate)
            found.append(torch.cat([torch.stack([*numbers, norm]), errors]))
        self._memory.push()
        table = to_numpy(torch.stack(found))  # one transfer for all
        return [StepReport(float(row[0]), float(row[1]), float(row[2]), row[3:]) for row in table]

    def loss(self, batch: Minibatch, settings: StepSettings) -> StepReport:
        """Return the loss on a minibatch, and keep its gradient."""
        self._memory.pull()
        (loss, value), errors = self._differentiate(self._moved(batch), settings)
        return StepReport(loss.item(), value.item(), 0.0, to_numpy(errors))

    @property
    def gradient(self) -> Array:
        """The gradient of the last loss, as one vector."""
        return to_numpy(self._memory.gradient)

    def _differentiate(
        self, batch: Any, settings: StepSettings
    ) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
        """Write the gradient of the loss on a minibatch of tensors; return loss, mean value and errors."""
        with torch.no_grad():
            next_values = self._target(batch.next_features)
            judged = self._values(batch.next_features) if settings.is_double else next_values
            if batch.next_masks is not None:
                judged = torch.where(batch.next_masks, judged, FORBIDDEN)
            parts = judged.split(self._branches.sizes.tolist(), dim=1)
            preferred = torch.stack([part.argmax(1) for part in parts], 1) + self._firsts
            goals = batch.rewards + batch.discounts * next_values.gather(1, preferred).mean(1)
        chosen = self._values(batch.features).gather(1, batch.index)
        errors = chosen - goals[:, None]
        slope = errors.detach().clamp(-1.0, 1.0)
        each = torch.where(errors.abs() <= 1.0, 0.5 * errors * errors, slope * errors - 0.5)
        if batch.weights is not None:
            each = each * batch.weights[:, None]
        self._memory.gradient.zero_()
        loss = each.mean()
        loss.backward()
        return (loss.detach(), chosen.detach().mean()), errors.detach().abs().mean(1)

    def _moved(self, batch: Minibatch) -> Any:
        arrays = [getattr(batch, field.name) for field in fields(batch)]
        tensors: list[Any] = [None if array is None else self._memory.tensor(array) for array in arrays]
        return Minibatch(*tensors)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimiser and of the target network, as `NumpyQBackend` does."""
        return {"optimizer": self._adam.state_dict(), "target": to_numpy(self._target_parameters).copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of either backend returned."""
        self._adam.load_state_dict(state["optimizer"])
        self._target_parameters.copy_(torch.tensor(np.asarray(state["target"])))


def _values_on(
    policy: MLPQPolicy, parameters: torch.Tensor
) -> tuple[Callable[[torch.Tensor], torch.Tensor], Sequence[torch.Tensor]]:
    """Return what gives values [B, A] to features, in the memory of these parameters, and its tensors."""
    network: Any = policy.network
    if isinstance(network, ModuleNetwork):
        moved = network.on(parameters)
        return moved, moved.tensors
    assert isinstance(network, QNetwork)
    twin, branches = TorchMLP(network, parameters), policy.branches
    if len(network.heads) == 1:
        return (lambda features: twin(features)[0]), twin.tensors
    sizes = branches.sizes.tolist()

    def dueling(features: torch.Tensor) -> torch.Tensor:
        value, advantages = twin(features)
        parts = advantages.split(sizes, dim=1)
        return value + torch.cat([part - part.mean(1, keepdim=True) for part in parts], 1)

    return dueling, twin.tensors
