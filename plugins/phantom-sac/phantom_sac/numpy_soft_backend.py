"""`NumpySoftBackend`: the gradient steps of SAC by hand, in NumPy."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phantom_nn import FlatAdam, SquashedDraw, polyak
from phantom_sac.actor_networks import ActorNetwork
from phantom_sac.soft_actor import MLPSoftActorPolicy
from phantom_sac.soft_critic import TwinCritic
from phantom_sac.soft_losses import (
    Minibatch,
    StepReport,
    StepSettings,
    actor_loss,
    critic_loss,
    soft_targets,
)
from phantom_sac.temperature import EPSILON, Temperature

Array = NDArray[Any]


class NumpySoftBackend:
    """Changes the policy's own network in place, and keeps critics, their targets and the temperature.

    New actions for what was observed and for what followed come from one pass of the actor; only the first
    half of it has a part in the actor's loss.
    """

    def __init__(self, policy: MLPSoftActorPolicy, critic: TwinCritic, temperature: Temperature) -> None:
        """Take over a policy.

        Args:
            policy: its network is that of the actor.
            critic: with its first weights.
            temperature: α.
        """
        assert isinstance(policy.network, ActorNetwork)  # the trainer sees to it
        self._actor, self._bounded = policy.network, policy.distribution.is_bounded
        self._critic, self._target = critic, copy.deepcopy(critic)
        self._temperature = temperature
        self._actor_adam = FlatAdam(self._actor.parameters, EPSILON)
        self._critic_adam = FlatAdam(critic.parameters, EPSILON)

    def descend(self, minibatches: Sequence[Minibatch], settings: StepSettings) -> list[StepReport]:
        """Make a gradient step on each minibatch."""
        return [self._step(batch, settings) for batch in minibatches]

    def _step(self, batch: Minibatch, settings: StepSettings) -> StepReport:
        rate, rows, alpha = settings.learning_rate, len(batch), self._temperature.value
        draw = self.draw(batch)
        log_prob = draw.log_prob[:rows]
        self._temperature.learn(log_prob, rate)
        loss, value = self.differentiate_critic(batch, draw, alpha)
        self._critic_adam.step(self._critic.gradient, rate)
        loss_of_actor = self.differentiate_actor(batch, draw, alpha)
        self._actor_adam.step(self._actor.gradient, rate)
        polyak(self._target.parameters, self._critic.parameters, settings.target_rate)
        return StepReport(loss, loss_of_actor, value, -float(log_prob.mean()), alpha)

    def draw(self, batch: Minibatch) -> SquashedDraw:
        """Draw actions for what was observed and, after them, for what followed: 2B rows."""
        both = np.concatenate([batch.features, batch.next_features])
        return SquashedDraw(*self._actor.forward_moments(both), batch.noise, self._bounded)

    def differentiate_critic(self, batch: Minibatch, draw: SquashedDraw, alpha: float) -> tuple[float, float]:
        """Return the critics' loss and a mean value, and leave the gradient in the critics."""
        rows = len(batch)
        targets = soft_targets(
            batch.rewards,
            batch.discounts,
            self._target.values(batch.next_features, draw.actions[rows:]),
            draw.log_prob[rows:],
            alpha,
        )
        values = self._critic.values(batch.features, batch.actions)
        loss, d_first, d_second = critic_loss(values, targets)
        self._critic.learn(d_first, d_second)
        return loss, float(values[0].mean())

    def differentiate_actor(self, batch: Minibatch, draw: SquashedDraw, alpha: float) -> float:
        """Return the actor's loss, and leave the gradient in the actor; `draw` was its last pass."""
        rows = len(batch)
        values = self._critic.values(batch.features, draw.actions[:rows])
        loss, d_first, d_second = actor_loss(values, draw.log_prob[:rows], alpha)
        d_actions = self._critic.action_gradient(d_first, d_second)
        d_log_prob = np.full(rows, alpha / rows, draw.log_prob.dtype)
        self._actor.backward_moments(*draw.gradients(d_actions, d_log_prob))
        return loss

    @property
    def gradients(self) -> tuple[Array, Array]:
        """The gradients of the last losses of actor and critics, as one vector each."""
        return self._actor.gradient, self._critic.gradient

    def state_dict(self) -> dict[str, Any]:
        """Return critics, targets, temperature and optimisers."""
        return {
            "critic": self._critic.parameters.copy(),
            "target": self._target.parameters.copy(),
            "critic_optimizer": self._critic_adam.state_dict(),
            "actor_optimizer": self._actor_adam.state_dict(),
            "temperature": self._temperature.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of either backend returned."""
        self._critic.parameters[:] = state["critic"]
        self._target.parameters[:] = state["target"]
        self._critic_adam.load_state_dict(state["critic_optimizer"])
        self._actor_adam.load_state_dict(state["actor_optimizer"])
        self._temperature.load_state_dict(state["temperature"])
