"""`TorchSoftActorPolicy`: an actor, and critics, that are any `torch.nn.Module`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import gymnasium as gym
import numpy as np

from phantom_nn import check_network_settings, import_module_class, name_of_class
from phantom_sac.soft_actor import MLPSoftActorPolicy
from phantom_sac.soft_critic import TwinCritic
from phantom_sac.torch_soft_networks import SoftActorModule, TwinCriticModule

CRITIC_SIZES: Final = (64, 64)
"""Widths of the hidden layers of critics, if nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class TorchSoftActorConfig:
    """Settings of the policy `torch-soft-actor`."""

    network: Any
    """A torch.nn.Module class for the actor, or where to import it from, such as `my_package.nets:Driver`."""
    critic_network: Any = None
    """The same for each critic; None: perceptrons on flattened observations."""
    normalize_observations: bool = False
    """Whether numbers in observations are shifted and scaled by their running mean and deviation."""
    observation_clip: float = 10.0
    """Bound on the size of an observation that was normalised; others are never clipped."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        check_network_settings("torch-soft-actor", observation_clip=self.observation_clip)


class TorchSoftActorPolicy(MLPSoftActorPolicy):
    """An actor with a network of the user's, trained by `sac` with `backend="torch"`.

    The actor is made as `network(observation_space, num_outputs)` and called with batched observations as
    float32 tensors; it returns [B, num_outputs]: first the means of all dimensions of the action, then their
    log-deviations. A critic is made as `critic_network(observation_space, num_actions)`, twice, and called
    with observations and actions [B, num_actions]; it returns values [B]. A Box or MultiBinary comes as
    [B, *shape], a Discrete or MultiDiscrete one-hot as [B, sizes], a Dict or Tuple as dict or tuple of these.

    What they compute may depend on what they are given only: no dropout, no batch normalisation.
    """

    config_class = TorchSoftActorConfig
    title = "torch-soft-actor"

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Make the module.

        Raises:
            ConfigError: if it cannot be imported, or a space does not fit.
        """
        super().__init__(observation_space, action_space, **config)
        for name in ("network", "critic_network"):
            if name in self.given_settings:
                self.given_settings[name] = name_of_class(getattr(self.config, name))

    def make_network(self) -> SoftActorModule:
        """Make the module; its weights are drawn by `seed`."""
        module_class = import_module_class(self.title, self.config.network)
        return SoftActorModule(module_class, self.layout, self.distribution)

    def make_critic(self, hidden_sizes: tuple[int, ...] | None, rng: np.random.Generator) -> Any:
        """Make critics for this policy, with first weights; they are no part of it.

        Args:
            hidden_sizes: widths of the hidden layers of each, where they are perceptrons; None for 64, 64.
            rng: draws the weights.
        """
        num_actions = self.distribution.num_actions
        critic: Any
        if self.config.critic_network is None:
            sizes = CRITIC_SIZES if hidden_sizes is None else hidden_sizes
            critic = TwinCritic(self.layout.width, num_actions, sizes)
        else:
            module_class = import_module_class(self.title, self.config.critic_network)
            critic = TwinCriticModule(module_class, self.layout, num_actions)
        critic.initialise(rng)
        return critic
