"""`TorchSoftBackend`: the gradient steps of SAC by PyTorch's autograd. Needs `phantom-sac[torch]`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Protocol

import torch
from numpy.typing import NDArray

from phantom_nn.torch_distributions import squashed_draw
from phantom_nn.torch_flat_adam import TorchFlatAdam
from phantom_nn.torch_memory import TorchMemory, to_numpy
from phantom_sac.soft_actor import MLPSoftActorPolicy
from phantom_sac.soft_losses import Minibatch, StepReport, StepSettings
from phantom_sac.temperature import EPSILON, Temperature
from phantom_sac.torch_soft_networks import critic_on, moments_on

Array = NDArray[Any]


class CriticParameters(Protocol):
    """Critics whose parameters are one vector.

    Attributes:
        parameters: the vector.
    """

    parameters: Array


class TorchSoftBackend:
    """Computes with a copy of the parameters, or on the CPU with the very same memory.

    To another device transitions go once per gradient step; the actor's weights and what is logged come back
    once per update. Each step is that of `NumpySoftBackend`, and so are the states.
    """

    def __init__(
        self, policy: MLPSoftActorPolicy, critic: CriticParameters, temperature: Temperature, device: str
    ) -> None:
        """Take over a policy.

        Args:
            policy: its network is that of the actor.
            critic: with its first weights.
            temperature: α.
            device: such as `"cpu"` or `"cuda"`.

        Raises:
            ConfigError: if there is no such device.
        """
        self._actor_memory = TorchMemory(policy.network.parameters, device, "sac")
        self._critic_memory = TorchMemory(critic.parameters, device, "sac")
        self._target_parameters = self._critic_memory.parameters.clone()
        self._moments, tensors = moments_on(policy, self._actor_memory.parameters)
        self._actor_memory.collect_gradients(tensors)
        self._critic, tensors = critic_on(critic, self._critic_memory.parameters)
        self._critic_memory.collect_gradients(tensors)
        self._target, _ = critic_on(copy.deepcopy(critic), self._target_parameters)
        self._actor_adam = TorchFlatAdam(self._actor_memory.parameters, EPSILON)
        self._critic_adam = TorchFlatAdam(self._critic_memory.parameters, EPSILON)
        self._temperature = _TorchTemperature(temperature, device)
        bounded = policy.distribution.is_bounded
        self._bounded = None if bounded is None else self._actor_memory.tensor(bounded)

    @property
    def gradients(self) -> tuple[Array, Array]:
        """The gradients of the last losses of actor and critics, as one vector each."""
        return to_numpy(self._actor_memory.gradient), to_numpy(self._critic_memory.gradient)

    def descend(self, minibatches: Sequence[Minibatch], settings: StepSettings) -> list[StepReport]:
        """Make a gradient step on each minibatch, as `NumpySoftBackend.descend`."""
        self._actor_memory.pull()
        found = [self._step(self._moved(batch), settings) for batch in minibatches]
        self._actor_memory.push()
        table = to_numpy(torch.stack(found)).tolist()  # one transfer for all
        return [StepReport(*row) for row in table]

    def state_dict(self) -> dict[str, Any]:
        """Return critics, targets, temperature and optimisers, as `NumpySoftBackend` does."""
        return {
            "critic": to_numpy(self._critic_memory.parameters).copy(),
            "target": to_numpy(self._target_parameters).copy(),
            "critic_optimizer": self._critic_adam.state_dict(),
            "actor_optimizer": self._actor_adam.state_dict(),
            "temperature": self._temperature.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of either backend returned."""
        self._critic_memory.parameters.copy_(torch.tensor(state["critic"]))
        self._target_parameters.copy_(torch.tensor(state["target"]))
        self._critic_adam.load_state_dict(state["critic_optimizer"])
        self._actor_adam.load_state_dict(state["actor_optimizer"])
        self._temperature.load_state_dict(state["temperature"])

    def _step(self, batch: Any, settings: StepSettings) -> torch.Tensor:
        """Make a step on a minibatch of tensors; return the fields of `StepReport`."""
        rows, rate = len(batch), settings.learning_rate
        alpha = self._temperature.value.to(batch.rewards.dtype)
        moments = self._moments(torch.cat([batch.features, batch.next_features]))
        actions, log_prob = squashed_draw(*moments, batch.noise, self._bounded)
        with torch.no_grad():
            self._temperature.learn(log_prob[:rows], rate)
            next_values = torch.minimum(*self._target(batch.next_features, actions[rows:]))
            targets = batch.rewards + batch.discounts * (next_values - alpha * log_prob[rows:])
        first, second = self._critic(batch.features, batch.actions)
        loss = 0.5 * ((first - targets).square().mean() + (second - targets).square().mean())
        self._critic_memory.gradient.zero_()
        loss.backward()
        self._critic_adam.step(self._critic_memory.gradient, rate)
        loss_of_actor = self._differentiate_actor(batch.features, actions[:rows], log_prob[:rows], alpha)
        self._actor_adam.step(self._actor_memory.gradient, rate)
        self._target_parameters.lerp_(self._critic_memory.parameters, settings.target_rate)
        entropy = -log_prob[:rows].detach().mean()
        return torch.stack([loss.detach(), loss_of_actor, first.detach().mean(), entropy, alpha])

    def _differentiate_actor(
        self, features: torch.Tensor, actions: torch.Tensor, log_prob: torch.Tensor, alpha: torch.Tensor
    ) -> torch.Tensor:
        """Write the gradient of the actor's loss; that of the critics stays as it is."""
        taken = actions.detach().requires_grad_()
        value = torch.minimum(*self._critic(features, taken)).mean()
        (d_actions,) = torch.autograd.grad(-value, taken)
        self._actor_memory.gradient.zero_()
        d_log_prob = (alpha / len(log_prob)).expand(len(log_prob))
        torch.autograd.backward([actions, log_prob], [d_actions, d_log_prob])
        return alpha * log_prob.detach().mean() - value.detach()

    def _moved(self, batch: Minibatch) -> Any:
        arrays = [getattr(batch, field.name) for field in fields(batch)]
        return Minibatch(*map(self._actor_memory.tensor, arrays))


class _TorchTemperature:
    """`Temperature` on a device, so that nothing waits for it."""

    def __init__(self, temperature: Temperature, device: str) -> None:
        self._target = temperature.target_entropy
        self._fixed = torch.tensor(temperature.value, dtype=torch.float64, device=device)
        self._log = torch.tensor(temperature.state_dict()["log"], dtype=torch.float64, device=device)
        self._adam = TorchFlatAdam(self._log, EPSILON)

    @property
    def value(self) -> torch.Tensor:
        """α, a scalar of a memory of its own."""
        return self._fixed if self._target is None else self._log[0].exp()

    def learn(self, log_prob: torch.Tensor, learning_rate: float) -> None:
        """Make one step, given log π of new actions [B]."""
        if self._target is not None:
            slope = -(log_prob.double().mean() + self._target)
            self._adam.step(slope[None], learning_rate)

    def state_dict(self) -> dict[str, Any]:
        """Return log α and the state of its optimiser."""
        return {"log": to_numpy(self._log).copy(), "optimizer": self._adam.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of either class returned."""
        self._log.copy_(torch.tensor(state["log"]))
        self._adam.load_state_dict(state["optimizer"])
