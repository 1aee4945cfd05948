"""`CentralBackend`: an actor that sees what its agent sees, and a critic that sees everything, in NumPy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phantom_nn import MLP, ActorMLP, FlatAdam, clip_norm
from phantom_nn.mlp import Activation
from phantom_ppo.actor_policy import MLPStochasticActorPolicy
from phantom_ppo.central_view import CentralView
from phantom_ppo.numpy_backend import NumpyBackend
from phantom_ppo.ppo_loss import LossSettings, Minibatch, Samples, Step
from phantom_ppo.value_scale import ValueScale

Array = NDArray[Any]
HEAD: Final = "critic"


class CentralCritic:
    """What the trainer keeps of a critic: what it sees, its network, and the scale of its values.

    Attributes:
        view: what it sees.
        network: from that to a value.
        scale: the running moments of returns; None: values are learned as they are.
    """

    def __init__(
        self,
        view: CentralView,
        hidden_sizes: Sequence[int],
        activation: Activation,
        rng: np.random.Generator,
        *,
        is_scaled: bool,
    ) -> None:
        """Draw orthogonal weights: gain √2 in hidden layers, 1 for the head."""
        self.view = view
        self.network = MLP(view.width, hidden_sizes, {HEAD: 1}, activation=activation)
        self.network.draw_orthogonal(rng, {HEAD: 1.0})
        self.scale = ValueScale(self.network, HEAD) if is_scaled else None


class CentralBackend(NumpyBackend):
    """Computes with a policy's actor and a critic of the trainer's, each with an optimiser of its own.

    A row of features is what the actor sees, and behind it what the critic sees: [B, D + C]. Gradients
    of the two are clipped each by itself; the norm that is reported is the actor's.
    """

    def __init__(self, policy: MLPStochasticActorPolicy, critic: CentralCritic) -> None:
        super().__init__(policy, _SideBySide(policy.network, critic.network, policy.layout.width))
        self.critic = critic
        self._critic_adam = FlatAdam(critic.network.parameters)

    def values(self, features: Array) -> Array:
        """Return the value of each row of features: [B]."""
        return self._restored(super().values(features))

    def evaluate(self, features: Array, masks: Array | None, actions: Array) -> tuple[Array, Array]:
        """Return how likely each action is now, and the value of each row: log π(a|s) [B] and V(s) [B]."""
        log_probs, values = super().evaluate(features, masks, actions)
        return log_probs, self._restored(values)

    def descend(
        self, samples: Samples, minibatches: Iterable[Minibatch], settings: LossSettings
    ) -> list[Step]:
        """Make a gradient step on each minibatch, until the policy has moved too far.

        Returns are taken into the running moments before.
        """
        scale = self.critic.scale
        if scale is not None:
            scale.see(samples.returns)
            values, returns = scale.normalised(samples.values), scale.normalised(samples.returns)
            samples = replace(samples, values=values, returns=returns)
        return super().descend(samples, minibatches, settings)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both optimisers, and the critic."""
        critic = self.critic
        return {
            "actor": super().state_dict(),
            "critic": self._critic_adam.state_dict(),
            "critic_parameters": critic.network.parameters.copy(),
            "critic_inputs": critic.view.state_dict(),
            "values": {} if critic.scale is None else critic.scale.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        critic = self.critic
        super().load_state_dict(state["actor"])
        self._critic_adam.load_state_dict(state["critic"])
        critic.network.parameters[:] = state["critic_parameters"]
        critic.view.load_state_dict(state["critic_inputs"])
        if critic.scale is not None:
            critic.scale.load_state_dict(state["values"])

    def _restored(self, values: Array) -> Array:
        scale = self.critic.scale
        return values if scale is None else scale.restored(values)

    def _follow_gradient(self, settings: LossSettings) -> float:
        gradient = self.critic.network.gradient
        clip_norm(gradient, settings.max_grad_norm)
        self._critic_adam.step(gradient, settings.learning_rate)
        return super()._follow_gradient(settings)


class _SideBySide:
    """An actor and a critic on different columns of the same rows; the vectors are the actor's."""

    def __init__(self, actor: ActorMLP, critic: MLP, actor_width: int) -> None:
        self._actor, self._critic = actor, critic
        self._actors, self._critics = np.s_[:, :actor_width], np.s_[:, actor_width:]
        self.parameters, self.gradient, self.extra = actor.parameters, actor.gradient, actor.extra

    def values(self, features: Array) -> Array:
        return self._critic.head(features[self._critics])[:, 0]

    def evaluate(self, features: Array) -> tuple[Array, ...]:
        return *self._actor.evaluate(features[self._actors]), *self._critic.evaluate(features[self._critics])

    def forward(self, features: Array) -> tuple[Array, ...]:
        return *self._actor.forward(features[self._actors]), *self._critic.forward(features[self._critics])

    def backward(self, *d_heads: Array, d_extra: Array | float = 0.0) -> None:
        d_outputs, d_values = d_heads
        self._actor.backward(d_outputs, d_extra=d_extra)
        self._critic.backward(d_values)
