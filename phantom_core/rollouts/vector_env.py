"""`VectorEnv`: n copies of an env, stepped together; and the copies that live in this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, Protocol

import gymnasium as gym

from phantom_core.envs.plain_values import as_flag, as_float, not_a_step
from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.measured_env import MeasuredEnv, check_apart
from phantom_core.rollouts.row_table import RowTable, StepRows
from phantom_core.types import Action, AgentID, Observation, PolicyID


class CopyError(Exception):
    """A copy of the env raised; `__cause__` is what it raised.

    Attributes:
        number: the index of the copy.
        place: where in the user's code it was raised, if that was in a worker.
    """

    def __init__(self, number: int, place: str = "") -> None:
        super().__init__(number)
        self.number = number
        self.place = place


class EnvFacts(Protocol):
    """What a copy of an env says about itself; a part of `MultiAgentEnv`."""

    @property
    def acting_agent_ids(self) -> Container[AgentID] | None:
        """Who may act in the next step; None: everybody."""

    @property
    def strategic_agent_ids(self) -> Sequence[AgentID]:
        """The agents that observe and act now."""

    @property
    def observation_spaces(self) -> Mapping[AgentID, gym.Space[Any]]:
        """Observation space of each strategic agent."""

    @property
    def action_spaces(self) -> Mapping[AgentID, gym.Space[Any]]:
        """Action space of each strategic agent."""


class VectorEnv(ABC):
    """n copies of an env that are stepped together and reset one by one.

    The collector plays it. Every method takes the numbers of the copies that are meant, from 0 to
    n - 1; copies that are not named stand still.

    Attributes:
        num_copies: n.
        env_name: what the env is called in messages.
    """

    num_copies: int
    env_name: str

    @abstractmethod
    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[AgentID, Observation] | None]:
        """Start an episode in each of these copies; return the first observations of each.

        None says that they come with what the next step returns, in which the copy does nothing else.

        Raises:
            CopyError: if a copy raises.
        """

    @abstractmethod
    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[AgentID, Action]]) -> list[StepResult]:
        """Play one step in each of these copies.

        Raises:
            CopyError: if a copy raises.
        """

    def step_rows(self, table: RowTable, actions: Sequence[Action]) -> StepRows:
        """Play one step in the copies of a table, with one action for each of its rows.

        The default calls `step`. A subclass that has the results as arrays overrides it.

        Raises:
            CopyError: if a copy raises.
        """
        results = self.step(table.env_indices, table.chosen(actions))
        return table.sort(results, [self.facts(index).acting_agent_ids for index in table.env_indices])

    def abandon(self) -> None:
        """A step was broken off; every copy is reset before the next one."""

    @abstractmethod
    def facts(self, number: int) -> EnvFacts:
        """Return what a copy says about itself; it is always up to date."""

    @abstractmethod
    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Record these metrics, beside the env, after each step from now on."""

    @abstractmethod
    def take_metrics(self, number: int) -> dict[str, Any]:
        """Return the reduced metrics of the episode that just ended in a copy."""

    @abstractmethod
    def policies_for(
        self, number: int, agent_id: AgentID, specs: Mapping[PolicyID, PolicySpec]
    ) -> list[PolicyID]:
        """Return the policies whose rule, a class or a predicate, holds for an agent that joined a copy."""

    @abstractmethod
    def fingerprint(self, number: int) -> str:
        """Return a hash of the states of a copy's named generators."""

    @abstractmethod
    def close(self) -> None:
        """Close every copy."""


class LocalVectorEnv(VectorEnv):
    """Copies of an env in this process."""

    def __init__(self, envs: Sequence[MultiAgentEnv]) -> None:
        """Take the copies, of one class and configuration.

        Raises:
            ConfigError: if two of them are one object, or adapters of one object.
        """
        check_apart(envs)
        self.num_copies = len(envs)
        self.env_name = type(envs[0]).__name__
        self._envs = [MeasuredEnv(env) for env in envs]
        self._bare_steps: list[Callable[[Action], Any]] = []  # of envs of one agent, if nobody measures

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[AgentID, Observation] | None]:
        """Start an episode in each of these copies, one after the other."""
        found: list[dict[AgentID, Observation] | None] = []
        number = 0
        try:
            for number, seed in zip(numbers, seeds, strict=True):
                found.append(self._envs[number].reset(seed))
        except Exception as error:
            raise CopyError(number) from error
        return found

    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[AgentID, Action]]) -> list[StepResult]:
        """Play one step in each of these copies, one after the other."""
        envs = self._envs
        found = []
        number = 0
        try:
            for number, chosen in zip(numbers, actions):  # noqa: B905  strict costs as much as the loop
                found.append(envs[number].step(chosen))
        except Exception as error:
            raise CopyError(number) from error
        return found

    def step_rows(self, table: RowTable, actions: Sequence[Action]) -> StepRows:
        """Play one step, one copy after the other; an env of one agent without its dicts."""
        if self._bare_steps and len(table.rows) == len(table.copies):
            return self._step_bare(table, actions)
        envs = self._envs
        observations: list[Observation] = []
        rewards: list[float] = []
        others: list[tuple[int, StepResult]] = []
        copy = table.copies[0]
        try:
            for place, (copy, first, end) in enumerate(table.bounds):
                env = envs[copy.env_index]
                result = env.step(dict(zip(copy.agent_ids, actions[first:end])))  # noqa: B905  as many
                if copy.is_expected(result, env.env.acting_agent_ids):
                    observations += result.observations.values()
                    rewards += result.rewards.values()
                else:
                    table.set_apart(place, result, observations, rewards, others)
        except Exception as error:
            raise CopyError(copy.env_index) from error
        return StepRows(observations, rewards, others)

    def _step_bare(self, table: RowTable, actions: Sequence[Action]) -> StepRows:
        steps, repeats = self._bare_steps, table.repeats
        observations: list[Observation] = []
        rewards: list[float] = []
        others: list[tuple[int, StepResult]] = []
        index = 0
        try:
            for index, action in zip(table.env_indices, actions):  # noqa: B905  strict costs as much as the loop
                result = steps[index](action)
                try:
                    observation, reward, terminated, truncated, _ = result
                except (TypeError, ValueError):
                    raise not_a_step(result) from None
                if type(reward) is not float:
                    reward = as_float(reward)
                if terminated or truncated or not repeats:
                    flags = as_flag("terminated", terminated), as_flag("truncated", truncated)
                    others.append((len(rewards), table.alone(len(rewards), observation, reward, *flags)))
                    reward = 0.0
                observations.append(observation)
                rewards.append(reward)
        except Exception as error:
            raise CopyError(index) from error
        return StepRows(observations, rewards, others)

    def facts(self, number: int) -> EnvFacts:
        """Return the copy itself."""
        return self._envs[number].env

    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Record these metrics after each step from now on."""
        for env in self._envs:
            env.measure(metrics, mode)
        found = [getattr(env.env, "bare_step", None) for env in self._envs]
        steps = [step for step in found if step is not None]
        self._bare_steps = steps if len(steps) == len(found) and not metrics else []

    def take_metrics(self, number: int) -> dict[str, Any]:
        """Return the reduced metrics of the episode that just ended in a copy."""
        return self._envs[number].take_metrics()

    def policies_for(
        self, number: int, agent_id: AgentID, specs: Mapping[PolicyID, PolicySpec]
    ) -> list[PolicyID]:
        """Return the policies whose rule holds for an agent that joined a copy."""
        return self._envs[number].policies_for(agent_id, specs)

    def fingerprint(self, number: int) -> str:
        """Return a hash of the states of a copy's named generators."""
        return self._envs[number].fingerprint()

    def close(self) -> None:
        """Close every copy."""
        for env in self._envs:
            env.env.close()
