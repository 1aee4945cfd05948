"""`ActorPolicy`: draws actions from a distribution that a network chooses; and `mlp-actor`, the plainest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_nn import (
    MLP,
    BaseNetworkPolicy,
    FlatNetwork,
    NetworkPolicy,
    check_network_settings,
    make_distribution,
)
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


class ActorPolicy(BaseNetworkPolicy):
    """Samples actions from a distribution that a network chooses.

    It observes and acts in Box, Discrete, MultiDiscrete and MultiBinary spaces, and in Dict and Tuple
    spaces of these, with or without an action mask. The finished policy takes the likeliest action.

    A subclass makes the network. Its `config_class` has the field `log_std_init`, and those that
    `NetworkPolicy` wants.

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
        self.distribution = make_distribution(action_space)
        self.check_mask(self.distribution.mask_width)
        self.network = self.make_network()
        self.network.extra[:] = self.config.log_std_init  # there is none without a Box

    @abstractmethod
    def make_network(self) -> Network:
        """Make the network, before its first weights are drawn."""

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
        outputs = self.network.policy_outputs(self.features(observations))
        return self.distribution.to_env(self.distribution.mode(outputs, self.layout.mask(observations)))

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, Mapping[str, Any]]:
        """Draw an action for each of B observations; what is drawn in a Box is not clipped."""
        outputs = self.network.policy_outputs(self.features(observations))
        mask = self.layout.mask(observations)
        return self.distribution.sample(outputs, self.network.extra, rng, mask), {}


@dataclass(frozen=True)
class ActorConfig:
    """Settings of the policy `mlp-actor`."""

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

    title: ClassVar[str] = "mlp-actor"

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        check_network_settings(
            self.title, hidden_sizes=self.hidden_sizes, observation_clip=self.observation_clip
        )


class MLPActorPolicy(FeedForwardActorPolicy):
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


class ActorMLP(MLP):
    """A multilayer perceptron with one head: the outputs that the distribution of the actions needs."""

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        num_outputs: int,
        num_extra: int = 0,
        *,
        activation: Activation = "tanh",
        dtype: type[np.floating[Any]] = np.float32,
    ) -> None:
        heads = {"actor": num_outputs}
        super().__init__(
            num_inputs, hidden_sizes, heads, num_extra=num_extra, activation=activation, dtype=dtype
        )

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw orthogonal weights: gain √2 in hidden layers, 0.01 for the head; biases become 0."""
        self.draw_orthogonal(rng, {"actor": 0.01})

    def policy_outputs(self, features: Array) -> Array:
        """Return what it says about features [B, inputs]: [B, outputs]."""
        return self.head(features)
