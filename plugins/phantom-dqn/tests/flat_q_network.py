"""A small network for `torch-q-network`, in a module that a spawned worker can import."""

from typing import Any

import gymnasium as gym
import torch


class FlatQNetwork(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """Two linear layers on a one-hot or flat observation, and waves between them.

    So what is best changes often with the observation, and a clip of it shows.
    """

    def __init__(self, observation_space: gym.Space[Any], num_outputs: int) -> None:
        super().__init__()
        self.first = torch.nn.Linear(gym.spaces.flatdim(observation_space), 16)
        self.second = torch.nn.Linear(16, num_outputs)

    def forward(self, observations: Any) -> Any:
        """Return the values of all options."""
        return self.second(torch.sin(8.0 * self.first(observations.flatten(1))))
