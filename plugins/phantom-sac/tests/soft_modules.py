"""Small modules for `torch-soft-actor`, which a spawned worker can import."""

from typing import Any

import gymnasium as gym
import torch


class Actor(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """A hidden layer on a one-hot or flat observation."""

    def __init__(self, observation_space: gym.Space[Any], num_outputs: int) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(gym.spaces.flatdim(observation_space), 16)
        self.outputs = torch.nn.Linear(16, num_outputs)

    def forward(self, observations: Any) -> Any:
        """Return means and log-deviations."""
        return self.outputs(torch.tanh(self.hidden(observations.flatten(1))))


class Critic(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """A hidden layer on an observation and an action."""

    def __init__(self, observation_space: gym.Space[Any], num_actions: int) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(gym.spaces.flatdim(observation_space) + num_actions, 16)
        self.value = torch.nn.Linear(16, 1)

    def forward(self, observations: Any, actions: Any) -> Any:
        """Return the value of each action."""
        both = torch.cat([observations.flatten(1), actions], 1)
        return self.value(torch.tanh(self.hidden(both)))[:, 0]
