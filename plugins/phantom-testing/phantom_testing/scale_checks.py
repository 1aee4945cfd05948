"""Whether observations and rewards are of a size that a network can learn from."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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

_LATE: Final = 10.0
"""So many times the size of an episode's other rewards is its last one, in LunarLander 30 times."""
_LATE_SHARE: Final = 0.1
"""So much of the sizes of all rewards are those last ones."""

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


@dataclass(slots=True)
class _Earned:
    """What an agent earned: the rewards with which it terminated, and in numbers all others."""

    last: list[float] = field(default_factory=list)
    number: int = 0
    whole: float = 0.0  # the sum of their sizes
    norm: float = 0.0  # √ of the sum of their squares, none of which is formed: it might overflow

    def add(self, reward: float, *, is_last: bool) -> None:
        """Take in a reward."""
        if is_last:
            self.last.append(reward)
        else:
            self.number += 1
            self.whole += abs(reward)
            self.norm = math.hypot(self.norm, reward)

    @property
    def share(self) -> float:
        """How much of the sizes of all rewards are those of the last ones."""
        late = sum(map(abs, self.last))
        return late / (late + self.whole) if late else 0.0

    @property
    def is_late(self) -> bool:
        """Whether the last reward of an episode is what most of it comes down to."""
        if self.number < _ENOUGH * len(self.last) or self.share < _LATE_SHARE:
            return False
        return math.hypot(*self.last) / math.sqrt(len(self.last)) >= _LATE * self.norm / math.sqrt(
            self.number
        )

    @property
    def size(self) -> float:
        """The root mean square of the rewards, without late ones."""
        if self.is_late:
            return self.norm / math.sqrt(self.number)
        return math.hypot(self.norm, *self.last) / math.sqrt(self.number + len(self.last))


class RewardScaleCheck(EnvCheck):
    """Whether rewards are so large, or come so late, that the defaults of a trainer do not suit them.

    Looks at agents that observe a Box of floats: for them networks learn, not tables.
    """

    def __init__(self) -> None:
        self._earned: defaultdict[ph.AgentID, _Earned] = defaultdict(_Earned)

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Take in what each agent earned."""
        if moment.result is not None:
            spaces, ends = moment.env.observation_spaces, moment.result.terminations
            for agent_id, reward in moment.result.rewards.items():
                is_for_networks = agent_id in spaces and _has_floats(spaces[agent_id])
                if is_for_networks and isinstance(reward, Real) and math.isfinite(reward):
                    self._earned[agent_id].add(float(reward), is_last=_is_true(ends.get(agent_id)))
        return iter(())

    def finish(self) -> Iterator[Finding]:
        """Name each agent whose rewards are large, or late."""
        for agent_id, earned in self._earned.items():
            if earned.is_late:
                yield Finding(
                    check="late-reward",
                    message=f"{earned.share:.0%} of what it earned, in size, came with an episode's end. "
                    "Set gamma=0.999, gae_lambda=0.98, copies=16, steps_per_copy=256, epochs=10 and "
                    "minibatch_size=64 for the trainer ppo, or reward it on the way.",
                    agent_id=agent_id,
                )
            if earned.size > _LARGE_REWARD:
                yield Finding(
                    check="reward-scale",
                    message=f"its rewards have a root mean square of {earned.size:.3g}. Set "
                    "normalize_rewards=True for the trainer ppo, or scale them in compute_reward().",
                    agent_id=agent_id,
                )


def _is_true(flag: object) -> bool:
    return isinstance(flag, (bool, np.bool_)) and bool(flag)


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
