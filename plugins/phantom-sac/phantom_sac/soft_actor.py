"""`MLPSoftActorPolicy`: acts by a Gaussian that a perceptron chooses and a tanh keeps in bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_nn import FlatNetwork, NetworkPolicy, SquashedGaussian, check_network_settings
from phantom_nn.mlp import Activation
from phantom_sac.actor_networks import GaussianActor, StateDependentActor
from phantom_sac.soft_critic import TwinCritic

Array = NDArray[Any]


class Actor(FlatNetwork, Protocol):
    """An actor, as a policy uses it."""

    def moments(self, features: Array) -> tuple[Array, Array]:
        """Return means and log-deviations, [B, K] each, for features [B, width]."""


@dataclass(frozen=True)
class SoftActorConfig:
    """Settings of the policy `mlp-soft-actor`."""

    hidden_sizes: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""
    activation: Activation = "relu"
    """What follows each hidden layer."""
    state_dependent_exploration: bool = False
    """Whether one function of the state makes the noise of all actions until the next update."""
    log_std_init: float = -3.0
    """First logarithm of each deviation of what makes that noise."""
    normalize_observations: bool = False
    """Whether numbers in observations are shifted and scaled by their running mean and deviation."""
    observation_clip: float = 10.0
    """Bound on the size of an observation that was normalised; others are never clipped."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        check_network_settings(
            "mlp-soft-actor", hidden_sizes=self.hidden_sizes, observation_clip=self.observation_clip
        )


class MLPSoftActorPolicy(NetworkPolicy):
    """Draws actions from a Gaussian whose moments a network chooses; a tanh keeps them within their bounds.

    It takes observations of Box, Discrete, MultiDiscrete and MultiBinary spaces, and of Dict and Tuple
    spaces of these, and acts in a Box of floats. In a dimension without two finite bounds the Gaussian is a
    plain one. The finished policy takes the means.

    Attributes:
        distribution: the family of distributions of its actions.
        network: the actor.
        is_uniform: whether `sample_actions` draws actions uniformly from [−1, 1]; the trainer sets it.
    """

    config_class: ClassVar[type | None] = SoftActorConfig
    title = "mlp-soft-actor"
    network: Actor

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Make a network for these spaces.

        Raises:
            ConfigError: if an observation has no numbers or a mask, or the action space is no Box of floats.
        """
        super().__init__(observation_space, action_space, **config)
        self.distribution = SquashedGaussian(action_space, self.title)
        self.check_mask(0)
        self.is_uniform = False
        self._holds_noise = False
        self._noise: Array | None = None
        self.network = self.make_network()

    def make_network(self) -> Actor:
        """Make the actor, before its first weights are drawn."""
        width, config = self.layout.width, self.config
        if not config.state_dependent_exploration:
            sizes = width, config.hidden_sizes, self.distribution
            return GaussianActor(*sizes, activation=config.activation)
        return StateDependentActor(
            width,
            config.hidden_sizes,
            self.distribution.num_actions,
            log_std_init=config.log_std_init,
            activation=config.activation,
        )

    def make_critic(self, hidden_sizes: tuple[int, ...] | None, rng: np.random.Generator) -> Any:
        """Make critics for this policy, with first weights; they are no part of it.

        Args:
            hidden_sizes: widths of the hidden layers of each; None for those of the actor.
            rng: draws the weights.
        """
        sizes = self.config.hidden_sizes if hidden_sizes is None else hidden_sizes
        width, activation = self.layout.width, self.config.activation
        critic = TwinCritic(width, self.distribution.num_actions, sizes, activation=activation)
        critic.initialise(rng)
        return critic

    def compute_actions(self, observations: Any) -> Any:
        """Return the mean action for each of B observations."""
        means, _ = self.network.moments(self.features(observations))
        return self.distribution.to_env(self.distribution.squash(means))

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, Mapping[str, Any]]:
        """Draw an action for each of B observations: float32 [B, K], in [−1, 1] where there are bounds."""
        number = self.distribution.num_actions
        if self.is_uniform:
            return (2.0 * rng.uniforms(number) - 1.0).astype(np.float32), {}
        features = self.features(observations)
        if isinstance(self.network, StateDependentActor):
            return self.distribution.squash(self.network.noisy(features, self._matrices(rng))), {}
        means, log_std = self.network.moments(features)
        noise = rng.normals(number).astype(means.dtype)
        return self.distribution.squash(means + np.exp(log_std) * noise), {}

    def env_actions(self, actions: Any) -> Any:
        """Scale what was drawn to the bounds, and clip it where there is only one."""
        return self.distribution.to_env(actions)

    def renew_noise(self) -> None:
        """Draw the matrices of state-dependent exploration anew with the next action, and then keep them.

        A policy of which this was never asked draws them for each action.
        """
        self._holds_noise, self._noise = True, None

    @property
    def noise(self) -> Array | None:
        """The matrices that are kept, [B, width of φ, K], one for each row; None if there are none."""
        return self._noise

    @noise.setter
    def noise(self, matrices: Array | None) -> None:
        self._holds_noise, self._noise = True, matrices

    def _matrices(self, rng: ph.RowStreams) -> Array:
        """Return a matrix for each row, the same as before if they are kept for as many rows."""
        kept, network = self._noise, self.network
        assert isinstance(network, StateDependentActor)
        if kept is not None and len(kept) == len(rng):
            return kept
        shape = network.width, network.num_actions
        drawn: Array = rng.normals(shape[0] * shape[1]).astype(np.float32).reshape(-1, *shape)
        if self._holds_noise:
            self._noise = drawn
        return drawn
