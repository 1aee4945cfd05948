"""`DistributionPolicy`: a policy whose network chooses a distribution over the actions."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import gymnasium as gym
from numpy.typing import NDArray

from phantom_nn.action_distributions import make_distribution
from phantom_nn.network_policy import BaseNetworkPolicy, FlatNetwork

Array = NDArray[Any]


class DistributionPolicy(BaseNetworkPolicy):
    """Acts by a distribution over the actions, which a network chooses.

    It observes and acts in Box, Discrete, MultiDiscrete and MultiBinary spaces, and in Dict and Tuple
    spaces of these, with or without an action mask. A subclass makes the network.

    Attributes:
        distribution: the family of distributions of its actions.
        network: what it acts by; all its parameters are one vector.
    """

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

    @abstractmethod
    def make_network(self) -> FlatNetwork:
        """Make the network, before its first weights are drawn."""

    def likeliest(self, observations: Any, outputs: Array) -> Any:
        """Return the likeliest action for each of B observations, given what the network says of them."""
        return self.distribution.to_env(self.distribution.mode(outputs, self.layout.mask(observations)))
