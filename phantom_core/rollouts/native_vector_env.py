"""`NativeVectorEnv`: the copies that a Gymnasium vector env steps with arithmetic on arrays."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import concatenate, create_empty_array, iterate
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.errors import CheckpointError, ConfigError, error_text, listing
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.measured_env import CopyFacts
from phantom_core.rollouts.row_table import RowTable, StepRows
from phantom_core.rollouts.vector_env import CopyError, VectorEnv
from phantom_core.types import Action, AgentID, Observation, PolicyID
from phantom_core.world.agents import ALL


class NativeVectorEnv(VectorEnv):
    """A `gymnasium.vector.VectorEnv` of single-agent envs, in any autoreset mode.

    Its copies share one stream of random draws, which the seed of copy 0's first episode starts. So the
    number of copies is part of what is played: copy i of 8 and copy i of 4 differ. All copies are
    stepped together, so collect by steps, not by episodes. There is no env object for each copy, so
    metrics are refused, and so is saving.

    True final observations are handed over in every mode, and the step in which a copy only resets
    (mode `NEXT_STEP`) is no transition, and is not counted.
    """

    clips_observations = True

    def __init__(self, envs: gym.vector.VectorEnv[Any, Any, Any], agent_id: AgentID = "agent") -> None:
        """Take a vector env; `agent_id` is what to call the agent of each copy.

        Raises `ConfigError` if the metadata of the vector env do not say how it resets.
        """
        mode = envs.metadata.get("autoreset_mode")
        if not isinstance(mode, AutoresetMode):
            raise ConfigError(
                f"{type(envs.unwrapped).__name__} has metadata['autoreset_mode'] = {mode!r}. Expected one of "
                f"{listing(AutoresetMode)}, so that no transition is made up at the end of an episode."
            )
        self.num_copies = envs.num_envs
        self.env_name = type(envs.unwrapped).__name__
        self._envs = envs
        self._mode = mode
        self._id = agent_id
        seen, done = envs.single_observation_space, envs.single_action_space
        self._facts = CopyFacts(None, (agent_id,), {agent_id: seen}, {agent_id: done})
        self._is_discrete = isinstance(seen, gym.spaces.Discrete)
        self._actions: Any = create_empty_array(done, self.num_copies)
        self._first: Any = None  # the first observations of episodes; None: all copies are to be reset
        self._resetting: list[int] = []  # copies that do nothing else in the next step

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[AgentID, Observation] | None]:
        """Return the first observations of episodes; None: they come with the next step."""
        try:
            if self._first is None:
                self._first = self._rows(self._envs.reset(seed=seeds[0] % 2**32)[0])
            elif self._mode is AutoresetMode.NEXT_STEP:
                self._resetting += numbers
                return [None] * len(numbers)
            elif self._mode is AutoresetMode.DISABLED:
                mask = np.zeros(self.num_copies, dtype=np.bool_)
                mask[list(numbers)] = True
                self._first = self._rows(self._envs.reset(options={"reset_mask": mask})[0])
        except Exception as error:
            raise CopyError(numbers[0]) from error
        return [{self._id: self._first[number]} for number in numbers]

    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[AgentID, Action]]) -> list[StepResult]:
        """Play one step in all copies; raise `ConfigError` if only some are to be stepped."""
        observations, rewards, ends = self._play(numbers, [given[self._id] for given in actions])
        found = enumerate(zip(observations, rewards, strict=True))
        return [ends.get(index) or self._result(*own) for index, own in found]

    def step_rows(self, table: RowTable, actions: Sequence[Action]) -> StepRows:
        """Play one step in all copies; those that are only reset take no notice of their actions."""
        if not table.repeats:
            return super().step_rows(table, actions)
        observations, rewards, ends = self._play(table.env_indices, actions)
        for index in ends:
            rewards[index] = 0.0
        return StepRows(observations, rewards, list(ends.items()))

    def _play(
        self, indices: Sequence[int], actions: Sequence[Action]
    ) -> tuple[Any, list[float], dict[int, StepResult]]:
        """Play one step; return the observations, the rewards and all of the copies whose episode ended."""
        if len(indices) != self.num_copies:
            raise ConfigError(
                f"{self.env_name} steps its {self.num_copies} copies together, but {len(indices)} are to be "
                "played. Collect by steps, not by episodes."
            )
        try:
            found, paid, terminated, truncated, infos = self._envs.step(self._batched(actions))
        except Exception as error:
            raise CopyError(0) from error
        observations, rewards, is_over = self._rows(found), paid.tolist(), terminated | truncated
        for index in self._resetting:
            rewards[index], is_over[index] = 0.0, False
        self._resetting = []
        finals = (
            infos["final_obs"] if self._mode is AutoresetMode.SAME_STEP and is_over.any() else observations
        )
        ends = {}
        for index in np.flatnonzero(is_over).tolist():
            flags = bool(terminated[index]), bool(truncated[index])
            ends[index] = self._result(finals[index], rewards[index], flags)
        if ends and self._mode is AutoresetMode.SAME_STEP:
            self._first = copy.copy(observations)
        return observations, rewards, ends

    def _result(
        self, observation: Observation, reward: float, flags: tuple[bool, bool] = (False, False)
    ) -> StepResult:
        """Return what one copy returned, with whether it was terminated and truncated."""
        terminations, truncations = ({self._id: flag, ALL: flag} for flag in flags)
        return StepResult({self._id: observation}, {self._id: reward}, terminations, truncations, {})

    def abandon(self) -> None:
        """Let the next reset be one of all copies, whatever they were doing."""
        self._first, self._resetting = None, []

    def facts(self, number: int) -> CopyFacts:
        """Return the spaces and the one agent."""
        return self._facts

    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Raise `ConfigError` if there is a metric."""
        if metrics:
            raise ConfigError(
                f"Metrics read env objects, but {self.env_name} has none for each copy. Leave out "
                f"{listing(metrics)}, or use copies of the env."
            )

    def take_metrics(self, number: int) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def policies_for(
        self, number: int, agent_id: AgentID, specs: Mapping[PolicyID, PolicySpec]
    ) -> list[PolicyID]:
        """Return nothing: nobody joins."""
        return []

    def fingerprint(self, number: int) -> str:
        """Raise `CheckpointError`: the copies cannot be saved."""
        raise CheckpointError(
            f"{self.env_name} cannot be saved in the middle of an episode: its copies share one stream of "
            "random draws. Use copies of the env."
        )

    def close(self) -> None:
        """Close the vector env."""
        self._envs.close()

    def _batched(self, actions: Sequence[Action]) -> Any:
        if isinstance(self._actions, np.ndarray):
            self._actions[:] = actions
            return self._actions
        return concatenate(self._envs.single_action_space, actions, self._actions)

    def _rows(self, batched: Any) -> Any:
        """Return a batch as elements, or as an array that is not the vector env's."""
        if isinstance(batched, np.ndarray):
            return batched.tolist() if self._is_discrete else batched.copy()
        return list(iterate(self._envs.observation_space, copy.deepcopy(batched)))


def make_native(first: MultiAgentEnv, copies: int) -> NativeVectorEnv:
    """Return the vector env that the makers of a registered env, a `GymnasiumEnv`, offer beside it.

    It has the keyword arguments and the time limit of the given env. Raises `ConfigError` if there is none,
    or it would play otherwise.
    """
    env = getattr(first, "gym_env", None)
    spec = getattr(env, "spec", None)
    if spec is None or spec.vector_entry_point is None:
        name = type(first).__name__ if spec is None else spec.id
        problem = "has no vector env of its own (vector_entry_point)"
        raise ConfigError(f"{name} {problem}. Use vectorization_mode='sync'.")
    limits, changes = [], []
    if getattr(first, "bare_step", None) is None:
        changes.append(f"play without the step() or reset() of {type(first).__name__}")
    while isinstance(env, gym.Wrapper):
        if type(env) is TimeLimit:
            limits.append(env._max_episode_steps)  # noqa: SLF001  it has no public name
        elif type(env) not in (OrderEnforcing, PassiveEnvChecker):
            changes.append(f"play without the wrapper {type(env).__name__}")
        env = env.env
    registered = gym.spec(spec.id).max_episode_steps
    if not limits and registered is not None:
        changes.append(f"end each episode after {registered} steps")
    if changes:
        advice = "Change the env, or use vectorization_mode='sync'."
        raise ConfigError(f"The vector env that {spec.id} offers would {changes[0]}. {advice}")
    limit = {"max_episode_steps": min(limits)} if limits and min(limits) != registered else {}
    settings = {"vectorization_mode": "vector_entry_point", **spec.kwargs, **limit}
    try:
        envs = gym.make_vec(spec.id, copies, **settings)
    except Exception as error:  # whatever a stranger's constructor raises
        problem = f"could not be made: {error_text(error)}"
        raise ConfigError(f"The vector env of {spec.id} {problem}. Use vectorization_mode='sync'.") from error
    return NativeVectorEnv(envs, next(iter(first.agents)))
