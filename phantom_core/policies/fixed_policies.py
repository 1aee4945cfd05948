"""Policies that do not learn: random, constant and function. Baselines, opponents and test doubles."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from phantom_core.errors import ConfigError
from phantom_core.policies.action_masks import sample_allowed
from phantom_core.policies.policy import BatchedObservations, Policy
from phantom_core.seeding import RowStreams
from phantom_core.types import Action, Observation

_MASK = "action_mask"


class RandomPolicy(Policy):
    """Samples uniformly from the action space.

    If the observations are Dicts with the key `action_mask`, which has an entry for each choice of the
    Discrete and MultiDiscrete parts of an action, it samples from what the mask allows; a choice of which
    the mask allows nothing is free.
    """

    acts_randomly = True

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, action_space)
        self._space = copy.deepcopy(action_space)  # with a generator of its own
        self._has_mask = isinstance(observation_space, gym.spaces.Dict) and _MASK in observation_space.spaces

    def seed(self, rng: np.random.Generator) -> None:
        """Seed the action space."""
        self._space.seed(int(rng.integers(2**31)))

    def compute_action(self, observation: Observation) -> Action:
        """Return a sample of the action space."""
        if self._has_mask:
            return self.sample_allowed(self._space, observation[_MASK])
        return self._space.sample()

    @staticmethod
    def sample_allowed(space: gym.Space[Any], mask: Any) -> Action:
        """Return a random element of a space that an action mask allows, from the space's own generator."""
        return sample_allowed(space, mask)

    def sample_actions(
        self, observations: BatchedObservations, rng: RowStreams
    ) -> tuple[Sequence[Action], dict[str, Sequence[Any]]]:
        """Return samples of the action space, one from the random stream of each row."""
        if isinstance(self._space, gym.spaces.Discrete):
            first, count = int(self._space.start), int(self._space.n)
            if self._has_mask:
                draws = zip(rng.uniform(), observations[_MASK], strict=True)
                return [first + _allowed(draw, mask, count) for draw, mask in draws], {}
            return [first + int(draw * count) for draw in rng.uniform()], {}
        actions = []
        for row, draw in enumerate(rng.uniform()):
            self._space.seed(int(draw * 2**31))
            mask = observations[_MASK][row] if self._has_mask else ()
            actions.append(sample_allowed(self._space, mask))
        return actions, {}


@dataclass(frozen=True)
class ConstantConfig:
    """Settings of the policy `constant`."""

    action: Any
    """The action: an element of the action space, or a number or list that is converted to one."""


class ConstantPolicy(Policy):
    """Always returns the same action."""

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
    """Maps an observation to an action."""


class FunctionPolicy(Policy):
    """Returns the action that a function computes from the observation."""

    config_class = FunctionConfig

    def compute_action(self, observation: Observation) -> Action:
        """Return `function(observation)`."""
        return self.config.function(observation)


def _allowed(draw: float, mask: Any, count: int) -> int:
    """Return the index of an allowed action, chosen by a draw in [0, 1); of any if the mask allows none."""
    allowed = np.flatnonzero(mask)
    return int(allowed[int(draw * len(allowed))]) if len(allowed) else int(draw * count)


def _as_element(space: gym.Space[Any], action: Any) -> Action:
    """Convert a number or list, as a file holds it, to an element of the space."""
    element = action
    if isinstance(space, (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)):
        element = np.broadcast_to(np.asarray(action, dtype=space.dtype), space.shape).copy()
    if space.contains(element):
        return element
    raise ConfigError(
        f"ConstantPolicy got action={action!r}, which is not in the action space {space}. Give an "
        "element of it."
    )
