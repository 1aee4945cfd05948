"""`BaseNetworkPolicy`, `NetworkPolicy`: what policies have in common whose parameters are one flat vector."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_nn.feature_scaler import FeatureScaler
from phantom_nn.observation_layout import ObservationLayout, batch_of_one
from phantom_nn.running_moments import RunningMoments

Array = NDArray[Any]


class FlatNetwork(Protocol):
    """Networks whose parameters are one vector.

    Attributes:
        parameters: the vector; whoever writes into it changes the networks.
    """

    parameters: Array

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw the first weights."""


class BaseNetworkPolicy(ph.BasePolicy):
    """A policy that sees features, acts by a network, and is saved as one vector of parameters.

    One with a memory derives from `ph.RecurrentPolicy`, too; any other is a `NetworkPolicy`. A subclass sets
    `network` in its constructor and acts in `compute_actions`. Its `config_class` has the fields
    `normalize_observations` and `observation_clip`.

    Attributes:
        title: what the policy is called in messages.
        layout: how observations become features.
        network: the networks that it acts by; all their parameters are one vector.
    """

    title: ClassVar[str]
    network: FlatNetwork

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Check settings, and lay out the observations.

        Raises:
            ConfigError: if a setting is out of its range, or the observations have a part without numbers.
        """
        super().__init__(observation_space, action_space, **config)
        self.layout = ObservationLayout(observation_space)
        self._scaler = FeatureScaler(self.layout.is_number, self.config.observation_clip)

    @property
    def moments(self) -> RunningMoments:
        """Mean and deviation of the features, part of the policy; they stand still while it acts."""
        return self._scaler.moments

    def seed(self, rng: np.random.Generator) -> None:
        """Draw the first weights."""
        self.network.initialise(rng)

    def features(self, observations: Any) -> Array:
        """Return batched observations as the networks take them: float32 [B, width]."""
        return self.scaled(self.layout.features(observations))

    def scaled(self, features: Array) -> Array:
        """Return features normalised, if this policy does that."""
        return self._scaler(features) if self.config.normalize_observations else features

    def see(self, features: Array) -> None:
        """Take features [B, width], not yet normalised, into the running mean and deviation."""
        if self.config.normalize_observations:
            self._scaler.see(features)

    def state_dict(self) -> dict[str, Any]:
        """Return the parameters as one vector, and the moments of the observations."""
        state: dict[str, Any] = {"parameters": self.network.parameters.copy()}
        if self.config.normalize_observations:
            state["observations"] = self._scaler.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Raises:
            CheckpointError: if it belongs to other spaces or other settings.
        """
        parameters = np.asarray(state["parameters"])
        if parameters.shape != self.network.parameters.shape:
            raise ph.errors.CheckpointError(
                f"The saved {self.title} has {parameters.size} parameters, but this policy has "
                f"{self.network.parameters.size}. Load it into a policy with the spaces and the settings "
                "that it was trained with."
            )
        self.network.parameters[:] = parameters
        if self.config.normalize_observations:
            self._scaler.load_state_dict(state["observations"])

    def check_mask(self, wanted: int) -> None:
        """Check that the action mask of the observations, if they have one, has so many entries.

        Args:
            wanted: one entry for each choice; 0 where a mask makes no sense.

        Raises:
            ConfigError: if it has not.
        """
        found = self.layout.mask_width
        if not found or found == wanted:
            return
        reason = f"a mask of {found} entries, but it has {wanted} choices" if wanted else "a mask"
        raise ph.errors.ConfigError(
            f"The observations come with {reason} for the action space {self.action_space}. Give the mask "
            "one entry for each choice of a Discrete or MultiDiscrete space, or leave it out."
        )


class NetworkPolicy(BaseNetworkPolicy, ph.Policy):
    """A policy with a network and without a memory."""

    @abstractmethod
    def compute_actions(self, observations: Any) -> Any:
        """Return the actions of the trained policy for B observations."""

    def compute_action(self, observation: ph.Observation) -> ph.Action:
        """Return the action of the trained policy for one observation."""
        action = self.compute_actions(batch_of_one(self.observation_space, observation))[0]
        if isinstance(self.action_space, gym.spaces.Discrete):
            return action.item()
        return action if isinstance(action, (dict, tuple)) else np.asarray(action)


def check_network_settings(
    title: str, *, hidden_sizes: tuple[int, ...] | None = None, observation_clip: float
) -> None:
    """Check the settings that policies with networks have in common.

    Raises:
        ConfigError: if one is out of its range.
    """
    if hidden_sizes is not None and any(size < 1 for size in hidden_sizes):
        raise ph.errors.ConfigError(f"{title} got hidden_sizes={hidden_sizes}. Expected positive integers.")
    if observation_clip <= 0.0:
        raise ph.errors.ConfigError(
            f"{title} got observation_clip={observation_clip}. Expected a positive number."
        )
