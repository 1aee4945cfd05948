"""`MLPQPolicy`: acts by the values that a multilayer perceptron gives to each option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_dqn.action_branches import ActionBranches
from phantom_dqn.q_network import QNetwork
from phantom_nn import FlatNetwork, NetworkPolicy, check_network_settings
from phantom_nn.mlp import Activation

Array = NDArray[Any]


class ValueNetwork(FlatNetwork, Protocol):
    """A network of values, as a policy uses it."""

    def q_values(self, features: Array) -> Array:
        """Return the values of all options for features [B, width]: [B, A]."""


@dataclass(frozen=True)
class QPolicyConfig:
    """Settings of the policy `mlp-q-network`."""

    hidden_sizes: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""
    activation: Activation = "relu"
    """What follows each hidden layer."""
    is_dueling: bool = False
    """Whether the value of an observation and the advantages of actions have a last hidden layer each."""
    normalize_observations: bool = False
    """Whether numbers in observations are shifted and scaled by their running mean and deviation."""
    observation_clip: float = 10.0
    """Bound on the size of an observation that was normalised; others are never clipped."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        check_network_settings(
            "mlp-q-network", hidden_sizes=self.hidden_sizes, observation_clip=self.observation_clip
        )


class MLPQPolicy(NetworkPolicy):
    """Takes the most valuable action; while it learns, with probability ε any that is allowed.

    It takes observations of Box, Discrete, MultiDiscrete and MultiBinary spaces, and of Dict and Tuple
    spaces of these, with or without an action mask, and acts in Discrete and MultiDiscrete spaces. Of a
    MultiDiscrete action each choice is valued by itself.

    Attributes:
        branches: the choices of which an action consists.
        network: gives each option of each choice a value.
        epsilon: the probability of a random action in `sample_actions`; the trainer sets it.
    """

    config_class: ClassVar[type | None] = QPolicyConfig
    title = "mlp-q-network"
    network: ValueNetwork

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Make a network for these spaces.

        Raises:
            ConfigError: if a space has no numbers, an action is no choice, or a mask does not fit it.
        """
        super().__init__(observation_space, action_space, **config)
        self.branches = ActionBranches(action_space)
        self.check_mask(self.branches.num_options)
        self.epsilon = 0.0
        self.network = self.make_network()

    def make_network(self) -> ValueNetwork:
        """Make the network, before its first weights are drawn."""
        return QNetwork(
            self.layout.width,
            self.config.hidden_sizes,
            self.branches,
            is_dueling=self.config.is_dueling,
            activation=self.config.activation,
        )

    def compute_actions(self, observations: Any) -> Any:
        """Return the most valuable action for each of B observations."""
        return self.branches.to_env(self._best(observations, self.layout.mask(observations)))

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, Mapping[str, Any]]:
        """Return the most valuable action, or with probability ε any, for each of B observations."""
        mask, epsilon = self.layout.mask(observations), self.epsilon
        if len(self.branches) == 1:
            first = np.array(rng.uniform())
            rest = first[:, None] / (epsilon or 1.0)  # below ε that is uniform in [0, 1), too
        else:  # as many draws whether a row explores or not: what it does is its own affair
            draws = rng.uniforms(1 + len(self.branches))
            first, rest = draws[:, 0], draws[:, 1:]
        explores = first < epsilon
        if not np.logical_or.reduce(explores):
            return self._best(observations, mask), {}
        random = self.branches.actions(self.branches.random(np.where(explores[:, None], rest, 0.0), mask))
        if np.logical_and.reduce(explores):
            return random, {}
        actions = self._best(observations, mask)
        actions[explores] = random[explores]
        return actions, {}

    def env_actions(self, actions: Any) -> Any:
        """Return actions in the type of the space."""
        return self.branches.to_env(actions)

    def _best(self, observations: Any, mask: Array | None) -> Array:
        values = self.network.q_values(self.features(observations))
        return self.branches.actions(self.branches.best(values, mask))
