"""`TorchQPolicy`: a Q-network that is any `torch.nn.Module`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from phantom_dqn.q_module import QModule
from phantom_dqn.q_policy import MLPQPolicy
from phantom_nn import check_network_settings, import_module_class, name_of_class


@dataclass(frozen=True, kw_only=True)
class TorchQPolicyConfig:
    """Settings of the policy `torch-q-network`."""

    network: Any
    """A torch.nn.Module class, or where to import it from, such as `my_package.nets:PriceNet`."""
    normalize_observations: bool = False
    """Whether numbers in observations are shifted and scaled by their running mean and deviation."""
    observation_clip: float = 10.0
    """Bound on the size of an observation that was normalised; others are never clipped."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        check_network_settings("torch-q-network", observation_clip=self.observation_clip)


class TorchQPolicy(MLPQPolicy):
    """Acts by the values of a network of the user's, trained by `dqn` with `backend="torch"`.

    The module is made as `network(observation_space, num_outputs)`. Called with batched observations as
    float32 tensors it returns the values of all options, [B, num_outputs]: of a MultiDiscrete action those
    of the first choice, then those of the second, and so on. A Box or MultiBinary comes as [B, *shape], a
    Discrete or MultiDiscrete one-hot as [B, sizes], a Dict or Tuple as dict or tuple of these; of an
    observation with a mask the module sees what is under `observation`.

    What it computes may depend on the observation only: no dropout, no batch normalisation.
    """

    config_class = TorchQPolicyConfig
    title = "torch-q-network"

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Make the module.

        Raises:
            ConfigError: if it cannot be imported, or a space has no numbers.
        """
        super().__init__(observation_space, action_space, **config)
        self.given_settings["network"] = name_of_class(self.config.network)

    def make_network(self) -> QModule:
        """Make the module; its weights are drawn by `seed`."""
        module_class = import_module_class(self.title, self.config.network)
        return QModule(module_class, self.layout, self.branches.num_options)
