"""`ActorCriticPolicy`: what every policy has that `ppo` trains."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

import gymnasium as gym
from numpy.typing import NDArray

import phantom_core as ph
from phantom_nn import BaseNetworkPolicy, FlatNetwork, make_distribution
from phantom_ppo.sequences import Inputs

Array = NDArray[Any]


class Network(FlatNetwork, Protocol):
    """An actor and a critic.

    Attributes:
        extra: those of the parameters that do not depend on the input; the last ones of the vector.
    """

    extra: Array


class ActorCriticPolicy(BaseNetworkPolicy):
    """Samples actions from a distribution that a network chooses; a second network values observations.

    It observes and acts in Box, Discrete, MultiDiscrete and MultiBinary spaces, and in Dict and Tuple
    spaces of these, with or without an action mask. The finished policy takes the likeliest action.

    Attributes:
        layout: how observations become features.
        distribution: the family of distributions of its actions.
        network: both networks; all their parameters are one vector.
        moments: mean and deviation of the features, part of the policy; they stand still while it acts.
    """

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

    @abstractmethod
    def make_network(self) -> Network:
        """Make both networks, before their first weights are drawn."""

    def inputs(self, batch: ph.Trajectories, sequence_length: int) -> tuple[Inputs, Inputs]:
        """Return what the networks are given: for each decision, and for what followed each trajectory.

        Args:
            batch: what the policy's agents went through.
            sequence_length: most decisions of a sequence; only a policy with a memory is given sequences.
        """
        return self.features(batch.observations), self.features(batch.next_observations)

    def env_actions(self, actions: Any) -> Any:
        """Scale what was drawn in a Box to its bounds and clip it there; others stay as they are."""
        return self.distribution.to_env(actions)
