"""From observation to action."""

from abc import abstractmethod
from typing import Any

import gymnasium as gym

import phantom_core as ph


class Policy(ph.Policy):
    """Chooses actions for the agents that use it. Subclasses take settings as parameters of their own."""

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, action_space)

    @abstractmethod
    def compute_action(self, observation: Any) -> Any:
        """Return an action."""
