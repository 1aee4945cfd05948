"""`MLPActorCriticPolicy`: a policy and a value function, each a multilayer perceptron."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

import phantom_core as ph
from phantom_nn import NetworkPolicy, check_network_settings
from phantom_nn.mlp import Activation
from phantom_ppo.base_actor_critic import ActorCriticPolicy, Network
from phantom_ppo.twin_mlp import TwinMLP

Array = NDArray[Any]


class FeedForwardNetwork(Network, Protocol):
    """An actor and a critic without a memory."""

    def policy_outputs(self, features: Array) -> Array:
        """Return what the actor says about features [B, width]: [B, outputs]."""


@dataclass(frozen=True)
class ActorCriticConfig:
    """Settings of the policy `mlp-actor-critic`."""

    hidden_sizes: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers, of the actor and of the critic."""
    activation: Activation = "tanh"
    """What follows each hidden layer."""
    log_std_init: float = 0.0
    """First logarithm of the deviation of actions in a Box, in units of half its width."""
    normalize_observations: bool = False
    """Whether numbers in observations are shifted and scaled by their running mean and deviation."""
    observation_clip: float = 10.0
    """Bound on the size of an observation that was normalised; others are never clipped."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        check_network_settings(
            "mlp-actor-critic", hidden_sizes=self.hidden_sizes, observation_clip=self.observation_clip
        )


class MLPActorCriticPolicy(ActorCriticPolicy, NetworkPolicy):
    """An actor-critic whose networks are two multilayer perceptrons."""

    config_class: ClassVar[type | None] = ActorCriticConfig
    title = "mlp-actor-critic"
    network: FeedForwardNetwork

    def make_network(self) -> FeedForwardNetwork:
        """Make both networks, before their first weights are drawn."""
        return TwinMLP(
            self.layout.width,
            self.config.hidden_sizes,
            self.distribution.num_outputs,
            self.distribution.num_extra,
            activation=self.config.activation,
        )

    def compute_actions(self, observations: Any) -> Any:
        """Return the likeliest action for each of B observations."""
        outputs = self.network.policy_outputs(self.features(observations))
        return self.distribution.to_env(self.distribution.mode(outputs, self.layout.mask(observations)))

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, Mapping[str, Any]]:
        """Draw an action for each of B observations; what is drawn in a Box is not clipped."""
        outputs = self.network.policy_outputs(self.features(observations))
        mask = self.layout.mask(observations)
        return self.distribution.sample(outputs, self.network.extra, rng, mask), {}
