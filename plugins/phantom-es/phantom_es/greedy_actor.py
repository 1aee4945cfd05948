"""`GreedyActorPolicy`: acts by a perceptron, always the same way in the same place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from phantom_nn import MLP, NetworkPolicy, check_network_settings, make_distribution
from phantom_nn.mlp import Activation


@dataclass(frozen=True)
class GreedyActorConfig:
    """Settings of the policy `greedy-actor`."""

    hidden_sizes: tuple[int, ...] = ()
    """Widths of the hidden layers; none: the outputs are linear functions of what is observed."""
    activation: Activation = "tanh"
    """What follows each hidden layer."""
    normalize_observations: ClassVar[bool] = False
    observation_clip: ClassVar[float] = 10.0

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        check_network_settings(
            "greedy-actor", hidden_sizes=self.hidden_sizes, observation_clip=self.observation_clip
        )


class ActorMLP(MLP):
    """A perceptron with one head."""

    def __init__(
        self, num_inputs: int, hidden_sizes: tuple[int, ...], num_outputs: int, activation: Activation
    ) -> None:
        super().__init__(num_inputs, hidden_sizes, {"policy": num_outputs}, activation=activation)

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw orthogonal weights, small ones in the head: at first all actions are near the middle."""
        self.draw_orthogonal(rng, {"policy": 0.01})


class GreedyActorPolicy(NetworkPolicy):
    """Takes the likeliest action of the distribution that a perceptron chooses; never draws.

    It observes and acts in Box, Discrete, MultiDiscrete and MultiBinary spaces, and in Dict and Tuple
    spaces of these, with or without an action mask. In a Box the perceptron's outputs are actions: −1 and 1
    stand for two finite bounds.

    Attributes:
        distribution: the family of distributions of its actions.
        network: the perceptron.
    """

    config_class: ClassVar[type | None] = GreedyActorConfig
    conformance: ClassVar[Mapping[str, Any]] = {"idle_settings": ("activation",)}  # of linear ones
    title = "greedy-actor"
    network: ActorMLP

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Make a network for these spaces.

        Raises:
            ConfigError: if a space has no numbers, or a mask does not fit the actions.
        """
        super().__init__(observation_space, action_space, **config)
        self.distribution = make_distribution(action_space)
        self.check_mask(self.distribution.mask_width)
        self.network = ActorMLP(
            self.layout.width,
            self.config.hidden_sizes,
            self.distribution.num_outputs,
            self.config.activation,
        )

    def compute_actions(self, observations: Any) -> Any:
        """Return the likeliest action for each of B observations."""
        outputs = self.network.head(self.features(observations))
        return self.distribution.to_env(self.distribution.mode(outputs, self.layout.mask(observations)))
