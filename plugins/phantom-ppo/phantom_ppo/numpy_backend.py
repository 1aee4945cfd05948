"""`NumpyBackend`: gradients by hand, in NumPy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from phantom_nn import FlatAdam, clip_norm
from phantom_ppo.actor_policy import ActorPolicy
from phantom_ppo.ppo_loss import LossSettings, LossTerms, Minibatch, Samples, Step, ppo_loss
from phantom_ppo.twin_mlp import TwinMLP

Array = NDArray[Any]


class ActorCriticNetwork(Protocol):
    """An actor and a critic with gradients by hand, such as `TwinMLP`.

    Attributes:
        parameters: one vector.
        gradient: the vector that `backward` writes.
        extra: those of the parameters that do not depend on the input.
    """

    parameters: Array
    gradient: Array
    extra: Array

    def values(self, features: Array) -> Array:
        """Return what the critic says about features [B, inputs]: [B]."""

    def evaluate(self, features: Array) -> tuple[Array, ...]:
        """Return outputs [B, outputs] and values [B, 1] of many rows."""

    def forward(self, features: Array) -> tuple[Array, ...]:
        """Return outputs and values; keep what `backward` needs."""

    def backward(self, *d_heads: Array, d_extra: Array | float = 0.0) -> None:
        """Write the gradient of a loss, given those for outputs and values."""


class NumpyBackend:
    """Computes with the policy's own networks and changes their parameters in place."""

    def __init__(self, policy: ActorPolicy, network: ActorCriticNetwork | None = None) -> None:
        """Take over a policy; `network` is its actor with a critic, by default its own network."""
        if network is None:
            assert isinstance(policy.network, TwinMLP)  # the trainer sees to it
            network = policy.network
        self._network, self._distribution = network, policy.distribution
        self._adam = FlatAdam(network.parameters)

    def values(self, features: Array) -> Array:
        """Return the value of each row of features: [B]."""
        return self._network.values(features)

    def evaluate(self, features: Array, masks: Array | None, actions: Array) -> tuple[Array, Array]:
        """Return how likely each action is now, and the value of each row: log π(a|s) [B] and V(s) [B]."""
        outputs, values = self._network.evaluate(features)
        likelihood = self._distribution.likelihood(outputs, self._network.extra, actions, masks)
        return likelihood.log_prob, values[:, 0]

    def loss(self, samples: Samples, settings: LossSettings) -> LossTerms:
        """Return the loss on a minibatch and leave its gradient in the network."""
        network = self._network
        outputs, values = network.forward(samples.features)
        likelihood = self._distribution.likelihood(outputs, network.extra, samples.actions, samples.masks)
        terms, gradients = ppo_loss(likelihood.log_prob, likelihood.entropy, values[:, 0], samples, settings)
        d_outputs, d_extra = likelihood.gradients(gradients.d_log_prob, gradients.d_entropy)
        network.backward(d_outputs, gradients.d_values[:, None], d_extra=d_extra)
        return terms

    def descend(
        self, samples: Samples, minibatches: Iterable[Minibatch], settings: LossSettings
    ) -> list[Step]:
        """Make a gradient step on each minibatch, until the policy has moved too far."""
        steps = []
        for rows, advantages in minibatches:
            terms, norm = self.step(samples.minibatch(rows, advantages), settings)
            steps.append((terms, norm))
            if norm is None:
                break
        return steps

    def step(self, samples: Samples, settings: LossSettings) -> Step:
        """Make one gradient step on a minibatch.

        Returns:
            The loss before the step, and the norm of its gradient; no norm, if no step was made
            because the policy has moved too far already.
        """
        terms = self.loss(samples, settings)
        if settings.max_kl is not None and terms.approx_kl > settings.max_kl:
            return terms, None
        return terms, self._follow_gradient(settings)

    def _follow_gradient(self, settings: LossSettings) -> float:
        """Change the parameters; return the norm that their gradient had."""
        norm = clip_norm(self._network.gradient, settings.max_grad_norm)
        self._adam.step(self._network.gradient, settings.learning_rate)
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimiser."""
        return self._adam.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._adam.load_state_dict(state)
