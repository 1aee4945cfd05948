"""`MLPActorCriticPolicy`: a policy and a value function, each a multilayer perceptron."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import gymnasium as gym
from numpy.typing import NDArray

import phantom_core as ph
from phantom_nn import (
    FlatNetwork,
    NetworkPolicy,
    check_network_settings,
    make_distribution,
)
from phantom_nn.mlp import Activation
from phantom_ppo.twin_mlp import TwinMLP

Array = NDArray[Any]


class Network(FlatNetwork, Protocol):
    """An actor and a critic, as a policy uses them.

    Attributes:
        extra: those of the parameters that do not depend on the input; the last ones of the vector.
    """

    extra: Array

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


class MLPActorCriticPolicy(NetworkPolicy):
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
    title = "mlp-actor-critic"
    network: Network

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Make networks for these spaces.

        Raises:
            ConfigError: if a space has no numbers, or a mask does not fit the actions.
        """
        super().__init__(observation_space, action_space, **config)
        self.distribution = make_distribution(action_space)
        self.check_mask(self.distribution.mask_width)
        self.network = self.make_network()
        self.network.extra[:] = self.config.log_std_init  # there is none without a Box

    def make_network(self) -> Network:
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

    def env_actions(self, actions: Any) -> Any:
        """Scale what was drawn in a Box to its bounds and clip it there; others stay as they are."""
        return self.distribution.to_env(actions)
