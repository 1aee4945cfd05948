"""`TorchBackend`: gradients by PyTorch's autograd, on a CPU or a GPU. Needs `phantom-ppo[torch]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from phantom_ppo.actor_critic import MLPActorCriticPolicy
from phantom_ppo.ppo_loss import LossSettings, LossTerms, Samples
from phantom_ppo.torch_distributions import log_prob_and_entropy
from phantom_ppo.torch_network import network_on

Array = NDArray[Any]


class TorchBackend:
    """Computes with a copy of the policy's parameters, or on the CPU with the very same memory.

    What torch changes, the policy acts on: plain perceptrons act in NumPy. On a CPU torch is set to one
    thread, because networks of this size are faster that way.
    """

    def __init__(self, policy: MLPActorCriticPolicy, device: str = "cpu") -> None:
        if device == "cpu":
            torch.set_num_threads(1)
        self._policy, self._device = policy, torch.device(device)
        self._network = network_on(policy, self._device)
        self._parameters = [tensor for tensor in self._network.tensors if tensor.numel()]
        is_fused = self._device.type in {"cpu", "cuda"}
        self._adam = torch.optim.Adam(self._parameters, eps=1e-5, fused=is_fused)

    def values(self, features: Array) -> Array:
        """Return the value of each row of features: [B]."""
        with torch.no_grad():
            return _to_numpy(self._network(self._tensor(features))[1])

    def evaluate(self, features: Array, masks: Array | None, actions: Array) -> tuple[Array, Array]:
        """Return how likely each action is now, and the value of each row: log π(a|s) [B] and V(s) [B]."""
        with torch.no_grad():
            outputs, values = self._network(self._tensor(features))
            return _to_numpy(self._likelihood(outputs, actions, masks)[0]), _to_numpy(values)

    def loss(self, samples: Samples, settings: LossSettings) -> tuple[torch.Tensor, LossTerms]:
        """Return the loss on a minibatch, to be differentiated, and its parts.

        It is that of `phantom_ppo.ppo_loss.ppo_loss`.
        """
        outputs, values = self._network(self._tensor(samples.features))
        log_prob, entropy = self._likelihood(outputs, samples.actions, samples.masks)
        epsilon, advantages = settings.clip_range, self._tensor(samples.advantages)
        log_ratio = log_prob - self._tensor(samples.log_probs)
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1.0 - epsilon, 1.0 + epsilon)
        policy_loss = -torch.minimum(ratio * advantages, clipped * advantages).mean()
        value_loss = self._value_loss(values, samples, settings.clip_range_value)
        mean_entropy = entropy.mean()
        loss = (
            policy_loss
            + settings.value_coefficient * value_loss
            - settings.entropy_coefficient * mean_entropy
        )
        with torch.no_grad():
            deviation = (ratio - 1.0).abs()
            found = (
                policy_loss,
                value_loss,
                mean_entropy,
                (ratio - 1.0 - log_ratio).mean(),
                (deviation > epsilon).double().mean(),
                deviation.max(),
            )
            return loss, LossTerms(*torch.stack([part.double() for part in found]).tolist())

    def step(self, samples: Samples, settings: LossSettings) -> tuple[LossTerms, float | None]:
        """Make one gradient step, as `NumpyBackend.step`."""
        loss, terms = self.loss(samples, settings)
        if settings.max_kl is not None and terms.approx_kl > settings.max_kl:
            return terms, None
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, settings.max_grad_norm)
        self._adam.param_groups[0]["lr"] = settings.learning_rate
        self._adam.step()
        if self._device.type != "cpu":
            self._policy.network.parameters[:] = self._flat(self._parameters)
        return terms, float(norm)

    def gradient(self) -> Array:
        """Return the gradient of the last loss that was differentiated, as one vector."""
        return self._flat([torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters])

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimiser, as `NumpyBackend` does."""
        states = [self._adam.state[parameter] for parameter in self._parameters]
        if not states[0]:
            zeros = np.zeros_like(self._flat(self._parameters))
            return {"steps": 0, "mean": zeros, "square": zeros.copy()}
        return {
            "steps": int(states[0]["step"]),
            "mean": self._flat([state["exp_avg"] for state in states]),
            "square": self._flat([state["exp_avg_sq"] for state in states]),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of either backend returned."""
        sizes = [parameter.numel() for parameter in self._parameters]
        means, squares = (np.split(state[name], np.cumsum(sizes)[:-1]) for name in ("mean", "square"))
        for parameter, mean, square in zip(self._parameters, means, squares, strict=True):
            self._adam.state[parameter] = {
                "step": torch.tensor(float(state["steps"]), device=self._device),
                "exp_avg": self._tensor(mean.copy()).view_as(parameter),
                "exp_avg_sq": self._tensor(square.copy()).view_as(parameter),
            }

    def _tensor(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _likelihood(
        self, outputs: torch.Tensor, actions: Array, masks: Array | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        mask = None if masks is None else self._tensor(masks)
        extra = self._network.tensors[-1]
        return log_prob_and_entropy(self._policy.distribution, outputs, extra, self._tensor(actions), mask)

    def _flat(self, tensors: Sequence[torch.Tensor]) -> Array:
        return _to_numpy(torch.cat([tensor.ravel() for tensor in tensors]))

    def _value_loss(self, values: torch.Tensor, samples: Samples, limit: float | None) -> torch.Tensor:
        returns = self._tensor(samples.returns)
        if limit is None:
            return ((values - returns) ** 2).mean()
        old = self._tensor(samples.values)
        clipped = old + (values - old).clamp(-limit, limit)
        return torch.maximum((values - returns) ** 2, (clipped - returns) ** 2).mean()


def _to_numpy(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array
