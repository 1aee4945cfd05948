"""Whether observations and rewards are of a size that a network can learn from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any, Final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_testing.findings import Finding
from phantom_testing.play_episode import EnvCheck, Moment

_SMALL: Final = 0.1
"""A number that changes by less is hardly seen beside others, as the velocity in MountainCar."""
_LARGE: Final = 100.0
"""Numbers of this size saturate a layer of tanh."""

_ENOUGH: Final = 30
"""Fewer observations than this say nothing about how much a number changes."""
_LARGE_REWARD: Final = 6.0
"""Pendulum's rewards, which a critic does not learn as they are, have a size of 7, CartPole's 1."""

Vector = NDArray[np.float64]


class ScaleCheck(EnvCheck):
    """Whether the numbers in vectors of floats are neither nearly constant nor very large.

    Images are left alone, and so are numbers that never change.
    """

    def __init__(self) -> None:
        self._bounds: dict[tuple[ph.AgentID, str], tuple[int, Vector, Vector]] = {}

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Take in what each agent observes."""
        spaces = moment.env.observation_spaces
        for agent_id, observation in moment.observations.items():
            if agent_id in spaces:
                for path, vector in _vectors(spaces[agent_id], observation):
                    key = agent_id, path
                    number, least, most = self._bounds.get(key, (0, vector, vector))
                    self._bounds[key] = number + 1, np.minimum(least, vector), np.maximum(most, vector)
        return iter(())

    def finish(self) -> Iterator[Finding]:
        """Name the first number of each agent that changes too little, or is too large."""
        for (agent_id, path), (number, least, most) in self._bounds.items():
            if number < _ENOUGH:
                continue
            is_large = np.maximum(np.abs(least), np.abs(most)) > _LARGE
            found = np.flatnonzero((most > least) & (is_large | (most - least < _SMALL)))
            if found.size:
                index = int(found[0])
                yield Finding(
                    check="observation-scale",
                    message=f"its observation{path} went from {least[index]:.3g} to {most[index]:.3g} at "
                    f"{(index,)}. Set normalize_observations=True for its policy, or scale it in "
                    "encode_observation().",
                    agent_id=agent_id,
                )


class RewardScaleCheck(EnvCheck):
    """Whether rewards are so large that a critic needs them normalised.

    Looks at agents that observe a Box of floats: for them networks learn, not tables.
    """

    def __init__(self) -> None:
        self._sizes: dict[ph.AgentID, tuple[int, float]] = {}  # how many rewards, and √ of their squares' sum

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Take in what each agent earned."""
        spaces = moment.env.observation_spaces
        for agent_id, reward in ({} if moment.result is None else moment.result.rewards).items():
            is_for_networks = agent_id in spaces and _has_floats(spaces[agent_id])
            if is_for_networks and isinstance(reward, Real) and math.isfinite(reward):
                number, size = self._sizes.get(agent_id, (0, 0.0))
                self._sizes[agent_id] = number + 1, math.hypot(size, float(reward))  # no square overflows
        return iter(())

    def finish(self) -> Iterator[Finding]:
        """Name each agent whose rewards are large."""
        for agent_id, (number, whole) in self._sizes.items():
            size = whole / math.sqrt(number)
            if size > _LARGE_REWARD:
                yield Finding(
                    check="reward-scale",
                    message=f"its rewards have a root mean square of {size:.3g}. Set "
                    "normalize_rewards=True for the trainer ppo, or scale them in compute_reward().",
                    agent_id=agent_id,
                )


def _has_floats(space: gym.Space[Any]) -> bool:
    if isinstance(space, gym.spaces.Dict):
        return any(map(_has_floats, space.spaces.values()))
    if isinstance(space, gym.spaces.Tuple):
        return any(map(_has_floats, space.spaces))
    return isinstance(space, gym.spaces.Box) and np.dtype(space.dtype).kind == "f"


def _vectors(
    space: gym.Space[Any], observation: ph.Observation, path: str = ""
) -> Iterator[tuple[str, Vector]]:
    """Yield every finite vector of floats in an observation, as far as it fits its space."""
    if isinstance(space, gym.spaces.Dict) and isinstance(observation, Mapping):
        for key, part in space.spaces.items():
            if key in observation:
                yield from _vectors(part, observation[key], f"{path}[{key!r}]")
    elif isinstance(space, gym.spaces.Tuple) and isinstance(observation, tuple):
        for number, (part, value) in enumerate(zip(space.spaces, observation, strict=False)):
            yield from _vectors(part, value, f"{path}[{number}]")
    elif isinstance(space, gym.spaces.Box) and isinstance(observation, np.ndarray):
        is_vector = observation.ndim == 1 and observation.shape == space.shape
        if is_vector and np.dtype(space.dtype).kind == "f" and np.isfinite(observation).all():
            yield path, observation.astype(np.float64)
