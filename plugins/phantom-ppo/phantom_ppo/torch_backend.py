"""`TorchBackend`: gradients by PyTorch's autograd, on a CPU or a GPU. Needs `phantom-ppo[torch]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import torch
from numpy.typing import NDArray

from phantom_nn.mlp import CHUNK
from phantom_nn.torch_distributions import log_prob_and_entropy
from phantom_nn.torch_flat_adam import TorchFlatAdam, clip_norm
from phantom_nn.torch_memory import TorchMemory, to_numpy
from phantom_ppo.actor_policy import ActorPolicy
from phantom_ppo.ppo_loss import LossSettings, LossTerms, Minibatch, Samples, Step
from phantom_ppo.sequences import Inputs
from phantom_ppo.torch_network import network_on

Array = NDArray[Any]
_APPROX_KL: Final = [field.name for field in fields(LossTerms)].index("approx_kl")


class TorchBackend:
    """Computes with a copy of the policy's parameters, or on the CPU with the very same memory.

    What torch changes, the policy acts on: plain perceptrons act in NumPy. On a CPU torch is set to one
    thread, because networks of this size are faster that way. To another device samples go once per
    update, and weights and what is logged come back once; no step waits for the device, unless `max_kl`
    asks after each one. The rows of a minibatch and their advantages are sent with each step.

    All parameters are one flat vector, and so are their gradients: the many small operations of one step
    are what costs time with networks of this size.
    """

    def __init__(self, policy: ActorPolicy, device: str = "cpu") -> None:
        """Take over a policy.

        Raises:
            ConfigError: if there is no such device.
        """
        self._distribution = policy.distribution
        self._memory = memory = TorchMemory(policy.network.parameters, device, "ppo")
        self._network = network_on(policy, memory.parameters)
        memory.collect_gradients(self._network.tensors)
        self._adam = TorchFlatAdam(memory.parameters)

    @property
    def gradient(self) -> Array:
        """The gradient of the last loss, as one vector."""
        return to_numpy(self._memory.gradient)

    def values(self, features: Inputs) -> Array:
        """Return the value of each row of features: [B]."""
        return to_numpy(self._look_up(features)[1])

    def evaluate(self, features: Inputs, masks: Array | None, actions: Array) -> tuple[Array, Array]:
        """Return how likely each action is now, and the value of each row: log π(a|s) [B] and V(s) [B]."""
        outputs, values = self._look_up(features)
        mask = None if masks is None else self._memory.tensor(masks)
        with torch.no_grad():
            log_probs, _ = self._likelihood(outputs, self._memory.tensor(actions), mask)
        return to_numpy(log_probs), to_numpy(values)

    def descend(
        self, samples: Samples, minibatches: Iterable[Minibatch], settings: LossSettings
    ) -> list[Step]:
        """Make a gradient step on each minibatch, as `NumpyBackend.descend`."""
        self._memory.pull()
        moved, found, is_too_far = self._moved(samples), [], False
        for rows, advantages in minibatches:
            terms = self._differentiate(self._picked(moved, rows, advantages), settings)
            norm = clip_norm(self._memory.gradient, settings.max_grad_norm)
            found.append((*terms, norm))
            is_too_far = settings.max_kl is not None and bool(terms[_APPROX_KL] > settings.max_kl)
            if is_too_far:
                break
            self._adam.step(self._memory.gradient, settings.learning_rate)
        self._memory.push()
        steps: list[Step] = [(LossTerms(*terms), norm) for *terms, norm in _numbers(found)]
        return [*steps[:-1], (steps[-1][0], None)] if is_too_far else steps

    def loss(self, samples: Samples, settings: LossSettings) -> LossTerms:
        """Return the loss on a minibatch, that of `phantom_ppo.ppo_loss.ppo_loss`, and keep its gradient."""
        minibatch = self._picked(self._moved(samples), None, samples.advantages)
        return LossTerms(*_numbers([self._differentiate(minibatch, settings)])[0])

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimiser, as `NumpyBackend` does."""
        return self._adam.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of either backend returned."""
        self._adam.load_state_dict(state)

    def _look_up(self, features: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return outputs [B, outputs] and values [B] of the policy as it acts, without gradients."""
        chunk = CHUNK if self._memory.device == "cpu" else len(features)
        with torch.no_grad():
            self._memory.pull()
            parts = [self._values(part) for part in self._memory.tensor(features).split(chunk)]
            outputs, values = zip(*parts, strict=True)
            return torch.cat(outputs), torch.cat(values)

    def _differentiate(self, samples: Any, settings: LossSettings) -> tuple[torch.Tensor, ...]:
        """Write the gradient of the loss on a minibatch of tensors; return the fields of `LossTerms`."""
        outputs, values = self._values(samples.features)
        log_prob, entropy = self._likelihood(outputs, samples.actions, samples.masks)
        epsilon, advantages = settings.clip_range, samples.advantages
        log_ratio = log_prob - samples.log_probs
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1.0 - epsilon, 1.0 + epsilon)
        surrogate = torch.minimum(ratio * advantages, clipped * advantages)
        value_error = _value_error(values, samples, settings.clip_range_value)
        loss = settings.value_coefficient * value_error - surrogate - settings.entropy_coefficient * entropy
        self._memory.gradient.zero_()
        loss.mean().backward()
        with torch.no_grad():
            change = ratio - 1.0
            deviation = change.abs()
            return (
                -surrogate.mean(),
                value_error.mean(),
                entropy.mean(),
                (change - log_ratio).mean(),
                (deviation > epsilon).mean(dtype=ratio.dtype),
                deviation.max(),
            )

    def _picked(self, samples: Any, rows: Array | None, advantages: Array) -> Any:
        """Return a minibatch of what `_moved` returned."""
        index = None if rows is None else self._memory.tensor(rows)
        return samples.minibatch(index, self._memory.tensor(advantages))

    def _values(self, features: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return outputs [B, outputs] and values [B], with gradients."""
        outputs, values = self._network(features)
        return outputs, values.reshape(len(outputs))

    def _moved(self, samples: Samples) -> Any:
        """Return samples whose arrays are tensors on the device."""
        arrays = [getattr(samples, field.name) for field in fields(samples)]
        tensors: list[Any] = [None if array is None else self._memory.tensor(array) for array in arrays]
        return Samples(*tensors)

    def _likelihood(
        self, outputs: torch.Tensor, actions: torch.Tensor, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return log_prob_and_entropy(self._distribution, outputs, self._network.tensors[-1], actions, mask)


def _value_error(values: torch.Tensor, samples: Any, limit: float | None) -> torch.Tensor:
    error = (values - samples.returns) ** 2
    if limit is None:
        return error
    clipped = samples.values + (values - samples.values).clamp(-limit, limit)
    return torch.maximum(error, (clipped - samples.returns) ** 2)


def _numbers(rows: Sequence[Sequence[torch.Tensor]]) -> list[list[float]]:
    """Return rows of scalars as floats: one transfer for all."""
    table: list[list[float]] = (
        torch.stack([number for row in rows for number in row]).reshape(len(rows), -1).tolist()
    )
    return table
