"""`TorchActorCriticPolicy`: an actor-critic whose network is any `torch.nn.Module`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from phantom_nn import import_module_class, name_of_class
from phantom_ppo.actor_critic import MLPActorCriticPolicy
from phantom_ppo.torch_network import ActorCriticModule


@dataclass(frozen=True, kw_only=True)
class TorchActorCriticConfig:
    """Settings of the policy `torch-actor-critic`."""

    network: Any
    """A torch.nn.Module class, or where to import it from, such as `my_package.nets:PriceNet`."""
    log_std_init: float = 0.0
    """First logarithm of the deviation of actions in a Box, in units of half its width."""
    normalize_observations: bool = False
    """Whether numbers in observations are shifted and scaled by their running mean and deviation."""
    observation_clip: float = 10.0
    """Bound on the size of an observation that was normalised; others are never clipped."""


class TorchActorCriticPolicy(MLPActorCriticPolicy):
    """An actor-critic with a network of the user's, trained by `ppo` with `backend="torch"`.

    The module is made as `network(observation_space, num_outputs)`. Called with batched observations as
    float32 tensors it returns `(outputs, values)`: what the distribution of the actions needs, as
    [B, num_outputs] (logits, or the means of a Box), and the values [B]. A Box or MultiBinary comes as
    [B, *shape], a Discrete or MultiDiscrete one-hot as [B, sizes], a Dict or Tuple as dict or tuple of
    these; of an observation with a mask the module sees what is under `observation`.

    What it computes may depend on the observation only: no dropout, no batch normalisation.
    """

    config_class = TorchActorCriticConfig

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Make the module.

        Raises:
            ConfigError: if it cannot be imported, or a space has no numbers.
        """
        super().__init__(observation_space, action_space, **config)
        self.given_settings["network"] = name_of_class(self.config.network)

    def make_network(self) -> ActorCriticModule:
        """Make the module; its weights are drawn by `seed`."""
        module_class = import_module_class("torch-actor-critic", self.config.network)
        sizes = self.distribution.num_outputs, self.distribution.num_extra
        return ActorCriticModule(module_class, self.layout, *sizes)
