"""`SoloEnvs`: copies of an env with one agent that acts in every step, stepped without dicts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from phantom_core.envs.plain_values import as_flag, as_float, not_a_step
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.types import Action, AgentID, Observation


class CopyError(Exception):
    """A copy of the env raised; `__cause__` is what it raised.

    Attributes:
        number: the number of the copy.
        place: where in the user's code it was raised, if that was in a worker.
    """

    def __init__(self, number: int, place: str = "") -> None:
        super().__init__(number)
        self.number = number
        self.place = place


class SoloEnd(NamedTuple):
    """The end of a copy's episode.

    Attributes:
        place: which of the copies that were stepped.
        observation: what the agent observed last.
        is_terminated: whether it ended by the rules of the world.
        is_truncated: whether it was cut off.
    """

    place: int
    observation: Observation
    is_terminated: bool
    is_truncated: bool


class SoloStep(NamedTuple):
    """What one step of n copies returns.

    Attributes:
        observations: what each agent observed: n elements, or an array [n, ...] that is the caller's.
        rewards: what each earned.
        ends: the episodes that ended.
    """

    observations: Any
    rewards: list[float]
    ends: list[SoloEnd]


@dataclass(frozen=True, slots=True)
class SoloEnvs:
    """Copies of an env with one agent that acts in every step.

    Attributes:
        agent_id: what the agent is called in every copy.
        step: plays one step in the copies with these numbers; raises `CopyError` if one raises.
    """

    agent_id: AgentID
    step: Callable[[Sequence[int], Sequence[Action]], SoloStep]


def local_solo_envs(envs: Sequence[MultiAgentEnv]) -> SoloEnvs | None:
    """Return copies in this process without their dicts; None: not every one offers a `bare_step`."""
    found = [getattr(env, "bare_step", None) for env in envs]
    steps = [step for step in found if step is not None]
    ids = {agent_id for env in envs for agent_id in env.strategic_agent_ids}
    if len(steps) != len(envs) or len(ids) != 1:
        return None
    return SoloEnvs(ids.pop(), functools.partial(_step_one_by_one, steps))


def _step_one_by_one(
    steps: Sequence[Callable[[Action], Any]], numbers: Sequence[int], actions: Sequence[Action]
) -> SoloStep:
    observations: list[Observation] = []
    rewards: list[float] = []
    ends: list[SoloEnd] = []
    number = 0
    try:
        for number, action in zip(numbers, actions):  # noqa: B905  strict costs as much as the loop
            result = steps[number](action)
            try:
                observation, reward, terminated, truncated, _ = result
            except (TypeError, ValueError):
                raise not_a_step(result) from None
            observations.append(observation)
            rewards.append(reward if type(reward) is float else as_float(reward))
            if terminated or truncated:
                flags = as_flag("terminated", terminated), as_flag("truncated", truncated)
                ends.append(SoloEnd(len(rewards) - 1, observation, *flags))
    except Exception as error:
        raise CopyError(number) from error
    return SoloStep(observations, rewards, ends)
