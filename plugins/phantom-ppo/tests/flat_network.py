"""A small network for `torch-actor-critic`, in a module that a spawned worker can import."""

from typing import Any

import gymnasium as gym
import torch


class FlatNetwork(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """Two linear layers on a one-hot or flat observation."""

    def __init__(self, observation_space: gym.Space[Any], num_outputs: int) -> None:
        super().__init__()
        width = gym.spaces.flatdim(observation_space)
        self.actor, self.critic = torch.nn.Linear(width, num_outputs), torch.nn.Linear(width, 1)

    def forward(self, observations: Any) -> tuple[Any, Any]:
        """Return the logits and the values."""
        flat = observations.flatten(1)
        return self.actor(flat), self.critic(flat)[:, 0]
