"""`ActorPolicy`: draws actions from a distribution that a network chooses; `mlp-stochastic-actor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import gymnasium as gym
from numpy.typing import NDArray

import phantom_core as ph
from phantom_nn import ActorMLP, DistributionPolicy, FlatNetwork, NetworkPolicy, check_network_settings
from phantom_nn.mlp import Activation
from phantom_ppo.sequences import Inputs

Array = NDArray[Any]


class Network(FlatNetwork, Protocol):
    """What a policy acts by.

    Attributes:
        extra: those of the parameters that do not depend on the input; the last ones of the vector.
    """

    extra: Array


class FeedForwardNetwork(Network, Protocol):
    """A network without a memory."""

    def policy_outputs(self, features: Array) -> Array:
        """Return what the actor says about features [B, width]: [B, outputs]."""


class ActorPolicy(DistributionPolicy):
    """Samples actions from a distribution that a network chooses.

    The finished policy takes the likeliest action. Its `config_class` has the field `log_std_init`, and those
    that `NetworkPolicy` wants.

    Attributes:
        layout: how observations become features.
        distribution: the family of distributions of its actions.
        network: what it acts by; all its parameters are one vector.
        moments: mean and deviation of the features, part of the policy; they stand still while it acts.
    """

    network: Network

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Make the network for these spaces.

        Raises:
            ConfigError: if a space has no numbers, or a mask does not fit the actions.
        """
        super().__init__(observation_space, action_space, **config)
        self.network.extra[:] = self.config.log_std_init  # there is none without a Box

    def inputs(self, batch: ph.Trajectories, sequence_length: int) -> tuple[Inputs, Inputs]:
        """Return what networks are given: for each decision, and for what followed each trajectory.

        Args:
            batch: what the policy's agents went through.
            sequence_length: most decisions of a sequence; only a policy with a memory is given sequences.
        """
        return self.features(batch.observations), self.features(batch.next_observations)

    def env_actions(self, actions: Any) -> Any:
        """Scale what was drawn in a Box to its bounds and clip it there; others stay as they are."""
        return self.distribution.to_env(actions)


class FeedForwardActorPolicy(ActorPolicy, NetworkPolicy):
    """An `ActorPolicy` without a memory."""

    network: FeedForwardNetwork

    def compute_actions(self, observations: Any) -> Any:
        """Return the likeliest action for each of B observations."""
        return self.likeliest(observations, self.network.policy_outputs(self.features(observations)))

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, Mapping[str, Any]]:
        """Draw an action for each of B observations; what is drawn in a Box is not clipped."""
        outputs = self.network.policy_outputs(self.features(observations))
        mask = self.layout.mask(observations)
        return self.distribution.sample(outputs, self.network.extra, rng, mask), {}


@dataclass(frozen=True)
class ActorConfig:
    """Settings of the policy `mlp-stochastic-actor`."""

    hidden_sizes: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""
    activation: Activation = "tanh"
    """What follows each hidden layer."""
    log_std_init: float = 0.0
    """First logarithm of the deviation of actions in a Box, in units of half its width."""
    normalize_observations: bool = False
    """Whether numbers in observations are shifted and scaled by their running mean and deviation."""
    observation_clip: float = 10.0
    """Bound on the size of an observation that was normalised; others are never clipped."""

    title: ClassVar[str] = "mlp-stochastic-actor"

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        check_network_settings(
            self.title, hidden_sizes=self.hidden_sizes, observation_clip=self.observation_clip
        )


class MLPStochasticActorPolicy(FeedForwardActorPolicy):
    """An actor that is a multilayer perceptron; its critic is the trainer's.

    As `ActorPolicy` says, it takes most spaces and acts in most. What the critic sees, and whether there is
    one, makes no difference to it: it acts on its own observation alone.
    """

    config_class: ClassVar[type | None] = ActorConfig
    title = ActorConfig.title
    network: ActorMLP

    def make_network(self) -> ActorMLP:
        """Make the perceptron, before its first weights are drawn."""
        return ActorMLP(
            self.layout.width,
            self.config.hidden_sizes,
            self.distribution.num_outputs,
            self.distribution.num_extra,
            activation=self.config.activation,
        )
