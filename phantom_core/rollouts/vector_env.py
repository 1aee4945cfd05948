"""`VectorEnv`: n copies of an env, stepped together; and the copies that live in this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Mapping, Sequence
from typing import Any, Protocol

import gymnasium as gym

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.env_host import EnvHost
from phantom_core.rollouts.solo_envs import CopyError, SoloEnvs, local_solo_envs
from phantom_core.types import Action, AgentID, Observation, PolicyID


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

    def solo(self) -> SoloEnvs | None:
        """Return the copies as envs of one agent that acts in every step; None: they are not such envs."""
        return None

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
        """Take the copies, of one class and configuration."""
        self.num_copies = len(envs)
        self.env_name = type(envs[0]).__name__
        self._hosts = [EnvHost(env) for env in envs]
        self._solo: SoloEnvs | None = None

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[AgentID, Observation] | None]:
        """Start an episode in each of these copies, one after the other."""
        found: list[dict[AgentID, Observation] | None] = []
        number = 0
        try:
            for number, seed in zip(numbers, seeds, strict=True):
                found.append(self._hosts[number].reset(seed))
        except Exception as error:
            raise CopyError(number) from error
        return found

    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[AgentID, Action]]) -> list[StepResult]:
        """Play one step in each of these copies, one after the other."""
        hosts = self._hosts
        found = []
        number = 0
        try:
            for number, chosen in zip(numbers, actions):  # noqa: B905  strict costs as much as the loop
                found.append(hosts[number].step(chosen))
        except Exception as error:
            raise CopyError(number) from error
        return found

    def solo(self) -> SoloEnvs | None:
        """Return the copies without their dicts, if all are such envs and nobody measures beside them."""
        return self._solo

    def facts(self, number: int) -> EnvFacts:
        """Return the copy itself."""
        return self._hosts[number].env

    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Record these metrics after each step from now on."""
        for host in self._hosts:
            host.measure(metrics, mode)
        self._solo = None if metrics else local_solo_envs([host.env for host in self._hosts])

    def take_metrics(self, number: int) -> dict[str, Any]:
        """Return the reduced metrics of the episode that just ended in a copy."""
        return self._hosts[number].take_metrics()

    def policies_for(
        self, number: int, agent_id: AgentID, specs: Mapping[PolicyID, PolicySpec]
    ) -> list[PolicyID]:
        """Return the policies whose rule holds for an agent that joined a copy."""
        return self._hosts[number].policies_for(agent_id, specs)

    def fingerprint(self, number: int) -> str:
        """Return a hash of the states of a copy's named generators."""
        return self._hosts[number].fingerprint()

    def close(self) -> None:
        """Close every copy."""
        for host in self._hosts:
            host.env.close()
