"""What is wrong with single observations or states: outside their space, infinite, changed later."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import gymnasium as gym
import numpy as np

import phantom_core as ph
from phantom_testing.episode_trace import fingerprint
from phantom_testing.findings import Finding
from phantom_testing.play_episode import MASK, EnvCheck, Moment


class Described(NamedTuple):
    """What findings call the value that is looked at.

    Attributes:
        kind: how the names of its findings begin.
        subject: the value in a sentence.
        method: the method that returns it.
        is_clipped: whether finite numbers beyond the bounds of a Box are clipped to them.
    """

    kind: str
    subject: str
    method: str
    is_clipped: bool = False


OBSERVATION: Final = Described("observation", "its observation", "encode_observation()")
CLIPPED: Final = OBSERVATION._replace(is_clipped=True)
STATE: Final = Described("state", "the global state", "state()")


class SpaceCheck(EnvCheck):
    """Whether each observation is in its space, and finite."""

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Compare every observation with the space of its agent."""
        spaces = moment.env.observation_spaces
        described = CLIPPED if getattr(moment.env, "clips_observations", False) else OBSERVATION
        for agent_id, observation in moment.observations.items():
            if agent_id in spaces:
                misfit = find_misfit(spaces[agent_id], observation, described=described)
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


def find_misfit(
    space: gym.Space[Any], value: Any, path: str = "", described: Described = OBSERVATION
) -> tuple[str, str] | None:
    """Return the kind of finding and a message if a value is not in its space, or infinite."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Box warns of lists, which it takes
        is_inside = space.contains(value)
    if is_inside:
        return _find_infinity(value, path, described)
    if isinstance(space, gym.spaces.Dict) and isinstance(value, Mapping):
        if set(value) != set(space.spaces):
            message = (
                f"{described.subject}{path} has the keys {sorted(map(str, value))}, but its space has "
                f"{sorted(space.spaces)}. Return exactly these."
            )
            return f"{described.kind}-outside-space", message
        parts = [(part, value[key], f"{path}[{key!r}]") for key, part in space.spaces.items()]
    elif isinstance(space, gym.spaces.Tuple) and isinstance(value, (tuple, list)):
        numbered = enumerate(zip(space.spaces, value, strict=False))
        parts = [(part, element, f"{path}[{number}]") for number, (part, element) in numbered]
    else:
        parts = []
    for part in parts:
        misfit = find_misfit(*part, described)
        if misfit is not None:
            return misfit
    return _of_a_leaf(space, value, path, described)


def _of_a_leaf(space: gym.Space[Any], value: Any, path: str, described: Described) -> tuple[str, str]:
    name = f"{described.subject}{path}"
    if isinstance(space, gym.spaces.Box) and isinstance(value, np.ndarray):
        if value.shape != space.shape:
            message = f"{name} has shape {value.shape}, but its space is {space}. Change one of the two."
            return f"{described.kind}-outside-space", message
        if value.dtype.kind == "f" and np.isnan(value).any():
            message = (
                f"{name} is NaN at {_first(np.isnan(value))}. Find where it comes from: a division by "
                "zero, for instance, or a value that was never set."
            )
            return f"{described.kind}-not-a-number", message
        if _is_cast(space, value):
            message = (
                f"{name} is {value.dtype}, but its space is {space}. It is faster to return it as "
                f"{space.dtype}: np.asarray({described.kind}, np.{space.dtype})."
            )
            return f"{described.kind}-cast", message
        if not np.can_cast(value.dtype, space.dtype):
            message = (
                f"{name} is {value.dtype}, but its space is {space}. Return it as {space.dtype}: "
                f"np.asarray({described.kind}, np.{space.dtype})."
            )
            return f"{described.kind}-dtype", message
        index = _first((value < space.low) | (value > space.high))
        message = (
            f"{name} is {value[index]} at {index}, but its space goes from {space.low[index]} to "
            f"{space.high[index]} there."
        )
        if described.is_clipped and np.isfinite(value).all():
            return f"{described.kind}-clipped", f"{message} Policies get it clipped to these."
        return f"{described.kind}-outside-space", f"{message} Change {described.method} or the space."
    message = (
        f"{name} is {value!r} ({type(value).__name__}), but its space is {space}. Change "
        f"{described.method} or the space."
    )
    return f"{described.kind}-outside-space", message


def _is_cast(space: gym.spaces.Box, value: Any) -> bool:
    """Tell whether training casts a float to the smaller type of its space."""
    if value.dtype.kind != "f" or np.dtype(space.dtype).kind != "f" or value.dtype == space.dtype:
        return False
    with np.errstate(over="ignore"):
        return bool(space.contains(value.astype(space.dtype)))


def _find_infinity(value: Any, path: str, described: Described) -> tuple[str, str] | None:
    if isinstance(value, Mapping):
        parts = [(part, f"{path}[{key!r}]") for key, part in value.items()]
    elif isinstance(value, (tuple, list)):
        parts = [(part, f"{path}[{number}]") for number, part in enumerate(value)]
    else:
        array = np.asarray(value)
        if array.dtype.kind == "f" and np.isinf(array).any():
            where = _first(np.isinf(array))
            message = f"{described.subject}{path} is infinite at {where}. Clip it, and bound its space."
            return f"{described.kind}-infinite", message
        return None
    return next((misfit for part in parts if (misfit := _find_infinity(*part, described)) is not None), None)


def _first(where: Any) -> tuple[int, ...]:
    return tuple(int(number) for number in np.argwhere(where)[0])


def _has_ended(agent_id: ph.AgentID, moment: Moment) -> bool:
    result = moment.result
    return result is not None and bool(result.terminations.get(agent_id) or result.truncations.get(agent_id))
