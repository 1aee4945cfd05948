"""`SoloEnvs`: copies of an env with one agent that acts in every step, stepped without dicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

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


class SoloEnvs(Protocol):
    """Copies of an env with one agent that acts in every step.

    Attributes:
        agent_id: what the agent is called in every copy.
    """

    agent_id: AgentID

    def step(self, numbers: Sequence[int], actions: Sequence[Action]) -> SoloStep:
        """Play one step in each of these copies.

        Raises:
            CopyError: if a copy raises.
        """


class LocalSoloEnvs:
    """Copies in this process, stepped one after the other."""

    def __init__(self, agent_id: AgentID, steps: Sequence[Callable[[Action], Any]]) -> None:
        self.agent_id = agent_id
        self._steps = steps

    @classmethod
    def of(cls, envs: Sequence[MultiAgentEnv]) -> LocalSoloEnvs | None:
        """Return the copies as such envs; None: not every one of them offers a `bare_step`."""
        found = [getattr(env, "bare_step", None) for env in envs]
        steps = [step for step in found if step is not None]
        ids = {agent_id for env in envs for agent_id in env.strategic_agent_ids}
        return cls(ids.pop(), steps) if len(steps) == len(envs) and len(ids) == 1 else None

    def step(self, numbers: Sequence[int], actions: Sequence[Action]) -> SoloStep:
        """Play one step in each of these copies."""
        steps = self._steps
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
