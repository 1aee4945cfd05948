"""`MLPActorCriticPolicy`: a policy and a value function, each a multilayer perceptron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from phantom_ppo.actor_policy import ActorConfig, ActorPolicy, Network
from phantom_ppo.twin_mlp import TwinMLP


@dataclass(frozen=True)
class ActorCriticConfig(ActorConfig):
    """Settings of the policy `mlp-actor-critic`."""

    hidden_sizes: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers, of the actor and of the critic."""

    title: ClassVar[str] = "mlp-actor-critic"


class MLPActorCriticPolicy(ActorPolicy):
    """Samples actions from a distribution that a network chooses; a second network values observations.

    It observes and acts in Box, Discrete, MultiDiscrete and MultiBinary spaces, and in Dict and Tuple
    spaces of these, with or without an action mask. The finished policy takes the likeliest action.

    Attributes:
        layout: how observations become features.
        distribution: the family of distributions of its actions.
        network: both networks; all their parameters are one vector.
        moments: mean and deviation of the features, part of the policy; they stand still while it acts.
    """

    config_class: ClassVar[type | None] = ActorCriticConfig
    title = ActorCriticConfig.title

    def make_network(self) -> Network:
        """Make both networks, before their first weights are drawn."""
        return TwinMLP(
            self.layout.width,
            self.config.hidden_sizes,
            self.distribution.num_outputs,
            self.distribution.num_extra,
            activation=self.config.activation,
        )
