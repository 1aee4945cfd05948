"""`GRUActorCriticPolicy`: an actor-critic that remembers what it observed before in the episode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_nn import check_network_settings
from phantom_nn.mlp import Activation
from phantom_ppo.actor_critic import ActorCriticPolicy
from phantom_ppo.sequences import Inputs, Sequences, cut_into_sequences
from phantom_ppo.twin_gru import TwinGRU

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class GRUActorCriticConfig:
    """Settings of the policy `gru-actor-critic`."""

    memory_size: int = 64
    """Units of the GRU of the actor, and of that of the critic."""
    encoder_sizes: tuple[int, ...] = (64,)
    """Widths of the layers between observation and GRU, of the actor and of the critic; there may be none."""
    activation: Activation = "tanh"
    """What follows each of these layers."""
    log_std_init: float = 0.0
    """First logarithm of the deviation of actions in a Box, in units of half its width."""
    normalize_observations: bool = False
    """Whether numbers in observations are shifted and scaled by their running mean and deviation."""
    observation_clip: float = 10.0
    """Bound on the size of an observation that was normalised; others are never clipped."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        title = "gru-actor-critic"
        if self.memory_size < 1:
            raise ph.errors.ConfigError(
                f"{title} got memory_size={self.memory_size}. Expected a positive integer."
            )
        if any(size < 1 for size in self.encoder_sizes):
            raise ph.errors.ConfigError(
                f"{title} got encoder_sizes={self.encoder_sizes}. Expected positive integers."
            )
        check_network_settings(title, observation_clip=self.observation_clip)


class GRUActorCriticPolicy(ActorCriticPolicy, ph.RecurrentPolicy):
    """An actor-critic whose networks are gated recurrent units, trained by `ppo` with `backend="torch"`.

    It acts in NumPy and needs no torch once it is trained. The state of an agent is what both networks
    remember, a float array [2, memory_size]: zeros before its first decision in an episode.
    """

    config_class = GRUActorCriticConfig
    title = "gru-actor-critic"
    network: TwinGRU

    def make_network(self) -> TwinGRU:
        """Make both networks, before their first weights are drawn."""
        return TwinGRU(
            self.layout.width,
            self.config.encoder_sizes,
            self.config.memory_size,
            self.distribution.num_outputs,
            self.distribution.num_extra,
            activation=self.config.activation,
        )

    def initial_state(self) -> Array:
        """Return zeros: nothing is remembered."""
        return self.network.initial_state

    def compute_actions(self, observations: Any, state: Any) -> tuple[Any, Array]:
        """Return the likeliest action for each of B observations, and the states after them."""
        outputs, after = self.network.step(self.features(observations), state)
        return self.likeliest(observations, outputs), after

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams, state: Any
    ) -> tuple[Any, Mapping[str, Any], Array]:
        """Draw an action for each of B observations; what is drawn in a Box is not clipped."""
        outputs, after = self.network.step(self.features(observations), state)
        mask = self.layout.mask(observations)
        return self.distribution.sample(outputs, self.network.extra, rng, mask), {}, after

    def inputs(self, batch: ph.Trajectories, sequence_length: int) -> tuple[Inputs, Inputs]:
        """Return the decisions in sequences, and what followed each trajectory as one of length 1."""
        features, following = super().inputs(batch, sequence_length)
        states, advance = batch.initial_states, self.network.advance
        sequences, after = cut_into_sequences(features, batch.starts, states, sequence_length, advance)
        numbers = np.arange(len(after))
        return sequences, Sequences(following, after, numbers, np.zeros_like(numbers))
