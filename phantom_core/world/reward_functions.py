"""Reward functions compute the reward of an agent for a step from its context. A chain is their sum.

`envs/reward_ledger.py` determines when a reward is delivered.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TypeAlias

from phantom_core.world.agents import Context
from phantom_core.world.parts import flattened

__all__ = ["ChainedReward", "ConstantReward", "RewardFunction"]


class RewardFunction(ABC):
    """Computes the reward of an agent from its context.

    Pass it to a `StrategicAgent` as `reward_function`; several agents may share one.
    """

    @abstractmethod
    def reward(self, ctx: Context) -> float:
        """Return the reward for the current step."""

    def chain(self, others: RewardFunctions) -> ChainedReward:
        """Return the sum of this reward and the others."""
        return ChainedReward([self, others])

    def reset(self) -> None:
        """Called at the start of each episode, before the agent resets: clear the state."""


RewardFunctions: TypeAlias = "RewardFunction | Iterable[RewardFunctions]"
"""A reward function, or a nested collection of them."""


class ConstantReward(RewardFunction):
    """The same reward in every step."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def reward(self, ctx: Context) -> float:
        """Return the value."""
        return self.value


class ChainedReward(RewardFunction):
    """The sum of several rewards.

    Attributes:
        reward_functions: the reward functions, in order.
    """

    def __init__(self, reward_functions: RewardFunctions) -> None:
        """Flatten the reward functions; raise ConfigError if an element is not one."""
        parts = flattened(reward_functions, RewardFunction, type(self).__name__)
        self.reward_functions: list[RewardFunction] = parts

    def reward(self, ctx: Context) -> float:
        """Return the sum."""
        return sum([part.reward(ctx) for part in self.reward_functions])

    def chain(self, others: RewardFunctions) -> ChainedReward:
        """Return the sum of these rewards and the others."""
        return ChainedReward([self.reward_functions, others])

    def reset(self) -> None:
        """Reset every reward function."""
        for part in self.reward_functions:
            part.reset()
