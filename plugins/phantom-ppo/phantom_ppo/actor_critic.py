"""`MLPActorCriticPolicy`: a policy and a value function, each a multilayer perceptron."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_ppo.action_distributions import DiagonalGaussian, make_distribution
from phantom_ppo.observation_layout import ObservationLayout, batch_of_one
from phantom_ppo.running_moments import RunningMoments
from phantom_ppo.twin_mlp import Activation, TwinMLP

Array = NDArray[Any]


class Network(Protocol):
    """An actor and a critic, as a policy uses them.

    Attributes:
        parameters: all parameters as one vector; whoever writes into it changes the networks.
        extra: those of them that do not depend on the input; the last ones of the vector.
    """

    parameters: Array
    extra: Array

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw the first weights; `extra` stays as it is."""

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
        if any(size < 1 for size in self.hidden_sizes):
            raise ph.errors.ConfigError(
                f"mlp-actor-critic got hidden_sizes={self.hidden_sizes}. Expected positive integers."
            )
        if self.observation_clip <= 0.0:
            raise ph.errors.ConfigError(
                f"mlp-actor-critic got observation_clip={self.observation_clip}. Expected a positive number."
            )


class MLPActorCriticPolicy(ph.Policy):
    """Samples actions from a distribution that a network chooses; a second network values observations.

    It takes observations of Box, Discrete, MultiDiscrete and MultiBinary spaces, and of Dict and Tuple
    spaces of these, with or without an action mask, and acts in Discrete, MultiDiscrete, MultiBinary and
    Box spaces. The finished policy takes the likeliest action.

    Attributes:
        layout: how observations become features.
        distribution: the family of distributions of its actions.
        network: both networks; all their parameters are one vector.
        moments: mean and deviation of the features, part of the policy; they stand still while it acts.
    """

    config_class: ClassVar[type | None] = ActorCriticConfig

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Make networks for these spaces.

        Raises:
            ConfigError: if a space has no numbers, or a mask does not fit the actions.
        """
        super().__init__(observation_space, action_space, **config)
        self.layout = ObservationLayout(observation_space)
        self.distribution = make_distribution(action_space)
        self._check_mask()
        self.network = self.make_network()
        if isinstance(self.distribution, DiagonalGaussian):
            self.network.extra[:] = self.config.log_std_init
        self.moments = RunningMoments(self.layout.width)
        self._prepare_scaling()

    def make_network(self) -> Network:
        """Make both networks, before their first weights are drawn."""
        return TwinMLP(
            self.layout.width,
            self.config.hidden_sizes,
            self.distribution.num_outputs,
            self.distribution.num_extra,
            activation=self.config.activation,
        )

    def seed(self, rng: np.random.Generator) -> None:
        """Draw the first weights."""
        self.network.initialise(rng)

    def compute_action(self, observation: ph.Observation) -> ph.Action:
        """Return the likeliest action."""
        action = self.compute_actions(batch_of_one(self.observation_space, observation))[0]
        return action.item() if isinstance(self.action_space, gym.spaces.Discrete) else np.asarray(action)

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

    def features(self, observations: Any) -> Array:
        """Return batched observations as the networks take them: float32 [B, width]."""
        return self.scaled(self.layout.features(observations))

    def scaled(self, features: Array) -> Array:
        """Return features normalised, if this policy does that."""
        if not self.config.normalize_observations:
            return features
        limit = self.config.observation_clip
        scaled: Array = (features - self._shift) * self._factor
        return np.clip(scaled, -limit, limit, out=scaled)

    def see(self, features: Array) -> None:
        """Take features [B, width], not yet normalised, into the running mean and deviation."""
        if self.config.normalize_observations:
            self.moments.update(features)
            self._prepare_scaling()

    def state_dict(self) -> dict[str, Any]:
        """Return the parameters as one vector, and the moments of the observations."""
        state: dict[str, Any] = {"parameters": self.network.parameters.copy()}
        if self.config.normalize_observations:
            state["observations"] = self.moments.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Raises:
            CheckpointError: if it belongs to other spaces or other settings.
        """
        parameters = np.asarray(state["parameters"])
        if parameters.shape != self.network.parameters.shape:
            raise ph.errors.CheckpointError(
                f"The saved mlp-actor-critic has {parameters.size} parameters, but this policy has "
                f"{self.network.parameters.size}. Load it into a policy with the spaces and the settings "
                "that it was trained with."
            )
        self.network.parameters[:] = parameters
        if self.config.normalize_observations:
            self.moments.load_state_dict(state["observations"])
            self._prepare_scaling()

    def _prepare_scaling(self) -> None:
        """Leave what is one-hot as it is, and everything before the first update."""
        is_number = self.layout.is_number
        self._shift = np.where(is_number, self.moments.mean, 0.0).astype(np.float32)
        self._factor = np.where(is_number, 1.0 / self.moments.scale, 1.0).astype(np.float32)

    def _check_mask(self) -> None:
        wanted, found = self.distribution.mask_width, self.layout.mask_width
        if not found or found == wanted:
            return
        reason = f"a mask of {found} entries, but it has {wanted} choices" if wanted else "a mask"
        raise ph.errors.ConfigError(
            f"The observations come with {reason} for the action space {self.action_space}. Give the mask "
            "one entry for each choice of a Discrete or MultiDiscrete space, or leave it out."
        )
