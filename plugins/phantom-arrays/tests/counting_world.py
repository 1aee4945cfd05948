"""A game that many play at once, and that is easily learned."""

from typing import Any

import gymnasium as gym
import numpy as np

import phantom_arrays as pa


class Counter(pa.StrategicPopulation):
    """Has to choose the number of its step, modulo 3."""

    observation_space = gym.spaces.Discrete(3)
    action_space = gym.spaces.Discrete(3)
    right = pa.state(np.bool_)
    offset = pa.state(np.int64, lambda self: self.draw.integers(3))

    def decode_actions(self, actions: Any) -> None:
        self.right = actions == (self.current_step - 1 + self.offset) % 3

    def encode_observations(self) -> Any:
        return (self.current_step + self.offset) % 3

    def compute_rewards(self) -> Any:
        return self.right


class CounterEnv(pa.ArrayEnv):
    """Many counters, which share a policy."""

    state_space = gym.spaces.Box(0.0, 1.0, (1,), np.float64)

    def __init__(self, size: int = 20) -> None:
        super().__init__(10, [Counter("counters", size)])

    def state(self) -> Any:
        return self["counters"].total(self["counters"].right)[:, None] / self.models["counters"].size
