"""What is wrong with single observations: outside their space, infinite, of a wrong dtype, changed later."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph
from phantom_testing.episode_trace import fingerprint
from phantom_testing.findings import Finding
from phantom_testing.play_episode import MASK, EnvCheck, Moment


class SpaceCheck(EnvCheck):
    """Whether each observation is in its space, and finite."""

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Compare every observation with the space of its agent."""
        spaces = moment.env.observation_spaces
        for agent_id, observation in moment.observations.items():
            if agent_id in spaces:
                misfit = find_misfit(spaces[agent_id], observation)
                if misfit is not None:
                    yield moment.finding(*misfit, agent_id)


class MaskCheck(EnvCheck):
    """Whether every action mask allows an action."""

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Look at the mask of each agent that observed and is to act."""
        acting = moment.env.acting_agent_ids
        for agent_id, observation in moment.observations.items():
            mask = observation.get(MASK) if isinstance(observation, Mapping) else None
            is_asked = not moment.is_over and not _has_ended(agent_id, moment)
            if mask is None or not is_asked or (acting is not None and agent_id not in acting):
                continue
            if not np.any(mask):
                yield moment.finding(
                    "no-allowed-action",
                    f"its {MASK} {np.asarray(mask).tolist()} allows no action. Allow at least one.",
                    agent_id,
                )


class AliasingCheck(EnvCheck):
    """Whether an observation stays as it was when it was returned."""

    def __init__(self) -> None:
        self._newest: dict[ph.AgentID, tuple[int, ph.Observation, str]] = {}

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Compare each agent's newest observation but one with how it was."""
        if moment.step == 0:
            self._newest = {}
        for agent_id, observation in moment.observations.items():
            if agent_id in self._newest:
                step, earlier, print_then = self._newest[agent_id]
                if fingerprint(earlier) != print_then:
                    yield moment.finding(
                        "observation-changed-later",
                        f"its observation of step {step} changed in place until step {moment.step}. Return a "
                        "new object in each step, such as a copy of the array.",
                        agent_id,
                    )
            self._newest[agent_id] = moment.step, observation, fingerprint(observation)


def find_misfit(space: gym.Space[Any], observation: ph.Observation, path: str = "") -> tuple[str, str] | None:
    """Return the kind of finding and a message if an observation is not in its space, or infinite."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Box warns of lists, which it takes
        is_inside = space.contains(observation)
    if is_inside:
        return _find_infinity(observation, path)
    if isinstance(space, gym.spaces.Dict) and isinstance(observation, Mapping):
        if set(observation) != set(space.spaces):
            message = (
                f"its observation{path} has the keys {sorted(map(str, observation))}, but its space has "
                f"{sorted(space.spaces)}. Return exactly these."
            )
            return "observation-outside-space", message
        parts = [(part, observation[key], f"{path}[{key!r}]") for key, part in space.spaces.items()]
    elif isinstance(space, gym.spaces.Tuple) and isinstance(observation, (tuple, list)):
        numbered = enumerate(zip(space.spaces, observation, strict=False))
        parts = [(part, value, f"{path}[{number}]") for number, (part, value) in numbered]
    else:
        parts = []
    for part in parts:
        misfit = find_misfit(*part)
        if misfit is not None:
            return misfit
    return _of_a_leaf(space, observation, path)


def _of_a_leaf(space: gym.Space[Any], observation: ph.Observation, path: str) -> tuple[str, str]:
    name = f"its observation{path}"
    if isinstance(space, gym.spaces.Box) and isinstance(observation, np.ndarray):
        if observation.shape != space.shape:
            message = (
                f"{name} has shape {observation.shape}, but its space is {space}. Change one of the two."
            )
            return "observation-outside-space", message
        if observation.dtype.kind == "f" and np.isnan(observation).any():
            message = (
                f"{name} is NaN at {_first(np.isnan(observation))}. Find where it comes from: a division by "
                "zero, for instance, or a value that was never set."
            )
            return "observation-not-a-number", message
        if _is_cast(space, observation):
            message = (
                f"{name} is {observation.dtype}, but its space is {space}. It is faster to return it as "
                f"{space.dtype}: np.asarray(observation, np.{space.dtype})."
            )
            return "observation-cast", message
        if not np.can_cast(observation.dtype, space.dtype):
            message = (
                f"{name} is {observation.dtype}, but its space is {space}. Return it as {space.dtype}: "
                f"np.asarray(observation, np.{space.dtype})."
            )
            return "observation-dtype", message
        index = _first((observation < space.low) | (observation > space.high))
        message = (
            f"{name} is {observation[index]} at {index}, but its space goes from {space.low[index]} to "
            f"{space.high[index]} there. Change encode_observation() or the space."
        )
        return "observation-outside-space", message
    message = (
        f"{name} is {observation!r} ({type(observation).__name__}), but its space is {space}. Change "
        "encode_observation() or the space."
    )
    return "observation-outside-space", message


def _is_cast(space: gym.spaces.Box, observation: Any) -> bool:
    """Tell whether training casts a float to the smaller type of its space."""
    if observation.dtype.kind != "f" or np.dtype(space.dtype).kind != "f" or observation.dtype == space.dtype:
        return False
    with np.errstate(over="ignore"):
        return bool(space.contains(observation.astype(space.dtype)))


def _find_infinity(observation: ph.Observation, path: str) -> tuple[str, str] | None:
    if isinstance(observation, Mapping):
        parts = [(part, f"{path}[{key!r}]") for key, part in observation.items()]
    elif isinstance(observation, (tuple, list)):
        parts = [(part, f"{path}[{number}]") for number, part in enumerate(observation)]
    else:
        array = np.asarray(observation)
        if array.dtype.kind == "f" and np.isinf(array).any():
            where = _first(np.isinf(array))
            message = f"its observation{path} is infinite at {where}. Clip it, and bound its space."
            return "observation-infinite", message
        return None
    return next((misfit for part in parts if (misfit := _find_infinity(*part)) is not None), None)


def _first(where: Any) -> tuple[int, ...]:
    return tuple(int(number) for number in np.argwhere(where)[0])


def _has_ended(agent_id: ph.AgentID, moment: Moment) -> bool:
    result = moment.result
    return result is not None and bool(result.terminations.get(agent_id) or result.truncations.get(agent_id))
