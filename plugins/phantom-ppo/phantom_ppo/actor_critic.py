"""`MLPActorCriticPolicy`: a policy and a value function, each a multilayer perceptron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from phantom_ppo.actor_policy import ActorConfig, ActorPolicy, FeedForwardActorPolicy, FeedForwardNetwork
from phantom_ppo.twin_mlp import TwinMLP


class ActorCriticPolicy(ActorPolicy):
    """Samples actions from a distribution that a network chooses; a second network values observations.

    This is what `ppo` trains. Both networks are in `network`.
    """


@dataclass(frozen=True)
class ActorCriticConfig(ActorConfig):
    """Settings of the policy `mlp-actor-critic`."""

    hidden_sizes: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers, of the actor and of the critic."""

    title: ClassVar[str] = "mlp-actor-critic"


class MLPActorCriticPolicy(ActorCriticPolicy, FeedForwardActorPolicy):
    """An actor-critic whose networks are two multilayer perceptrons."""

    config_class: ClassVar[type | None] = ActorCriticConfig
    title = ActorCriticConfig.title

    def make_network(self) -> FeedForwardNetwork:
        """Make both networks, before their first weights are drawn."""
        return TwinMLP(
            self.layout.width,
            self.config.hidden_sizes,
            self.distribution.num_outputs,
            self.distribution.num_extra,
            activation=self.config.activation,
        )
