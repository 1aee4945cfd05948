"""Policies that never learn: random, constant and function. Baselines, opponents and test doubles."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from phantom_core.errors import ConfigError
from phantom_core.policies.batching import BatchedObservations
from phantom_core.policies.policy import Policy
from phantom_core.seeding import RowStreams
from phantom_core.types import Action, Observation

_MASK = "action_mask"


class RandomPolicy(Policy):
    """Draws uniformly from the action space.

    It looks at what it observes only for a mask: where the observations are Dicts with an `action_mask`
    and the actions are Discrete, it draws from those that the mask allows, or from all if it allows none.
    """

    acts_randomly = True

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, action_space)
        self._space = copy.deepcopy(action_space)  # its generator is ours alone
        self._has_mask = (
            isinstance(observation_space, gym.spaces.Dict)
            and _MASK in observation_space.spaces
            and isinstance(action_space, gym.spaces.Discrete)
        )

    def seed(self, rng: np.random.Generator) -> None:
        """Seed the draws."""
        self._space.seed(int(rng.integers(2**31)))

    def compute_action(self, observation: Observation) -> Action:
        """Return a draw from the action space."""
        if self._has_mask and np.any(observation[_MASK]):
            return self._space.sample(mask=np.asarray(observation[_MASK], np.int8))
        return self._space.sample()

    def sample_actions(
        self, observations: BatchedObservations, rng: RowStreams
    ) -> tuple[Sequence[Action], dict[str, Sequence[Any]]]:
        """Return draws that follow from each row's own stream."""
        if isinstance(self._space, gym.spaces.Discrete):
            first, count = int(self._space.start), int(self._space.n)
            if self._has_mask:
                draws = zip(rng.uniform(), observations[_MASK], strict=True)
                return [first + _allowed(draw, mask, count) for draw, mask in draws], {}
            return [first + int(draw * count) for draw in rng.uniform()], {}
        actions = []
        for draw in rng.uniform():
            self._space.seed(int(draw * 2**31))
            actions.append(self._space.sample())
        return actions, {}


@dataclass(frozen=True)
class ConstantConfig:
    """Settings of the policy `constant`."""

    action: Any
    """The action it always takes: an element of the action space, or a number or list that makes one."""


class ConstantPolicy(Policy):
    """Always takes the same action."""

    config_class = ConstantConfig

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        super().__init__(observation_space, action_space, **config)
        self._action = _as_element(action_space, self.config.action)

    def compute_action(self, observation: Observation) -> Action:
        """Return the action."""
        return self._action


@dataclass(frozen=True)
class FunctionConfig:
    """Settings of the policy `function`."""

    function: Callable[[Any], Any]
    """From an observation to an action."""


class FunctionPolicy(Policy):
    """Takes the action that a function makes of the observation."""

    config_class = FunctionConfig

    def compute_action(self, observation: Observation) -> Action:
        """Return what the function makes of the observation."""
        return self.config.function(observation)


def _allowed(draw: float, mask: Any, count: int) -> int:
    """Return the index that a draw in [0, 1) picks among those that a mask allows."""
    allowed = np.flatnonzero(mask)
    return int(allowed[int(draw * len(allowed))]) if len(allowed) else int(draw * count)


def _as_element(space: gym.Space[Any], action: Any) -> Action:
    """Make a number or list from a file an element of the space."""
    element = action
    if isinstance(space, (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)):
        element = np.broadcast_to(np.asarray(action, dtype=space.dtype), space.shape).copy()
    if space.contains(element):
        return element
    msg = (
        f"ConstantPolicy got action={action!r}, which is not in the action space {space}. Give an "
        "element of it."
    )
    raise ConfigError(msg)
