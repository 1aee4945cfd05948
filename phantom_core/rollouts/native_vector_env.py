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
        spaces = envs.single_observation_space, envs.single_action_space
        self._observation_space, self._action_space = spaces
        self._facts = CopyFacts(None, (agent_id,), {agent_id: spaces[0]}, {agent_id: spaces[1]})
        self._actions: Any = create_empty_array(spaces[1], self.num_copies)
        anything = copy.deepcopy(spaces[1])
        anything.seed(0)
        self._idle_action = anything.sample()
        self._first: Any = None
        self._is_resetting: set[int] = set()

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[AgentID, Observation] | None]:
        """Return the first observations of episodes; None: they come with the next step."""
        try:
            if self._first is None:
                self._first = self._rows(self._envs.reset(seed=seeds[0] % 2**32)[0])
            elif self._mode is AutoresetMode.NEXT_STEP:
                self._is_resetting.update(numbers)
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
        chosen = [given.get(self._id, self._idle_action) for given in actions]
        observations, rewards, finals, resetting = self._play(numbers, chosen)
        results = []
        for index in range(self.num_copies):
            observation, terminated, truncated = finals.get(index, (observations[index], False, False))
            paid = {} if index in resetting else {self._id: rewards[index]}
            flags = {self._id: terminated, ALL: terminated}, {self._id: truncated, ALL: truncated}
            results.append(StepResult({self._id: observation}, paid, *flags, {}))
        return results

    def step_rows(self, table: RowTable, actions: Sequence[Action]) -> StepRows:
        """Play one step in all copies; those that are only reset take no notice of their actions."""
        observations, rewards, finals, resetting = self._play(table.env_indices, actions)
        if not table.repeats:
            finals = {i: finals.get(i, (observations[i], False, False)) for i in range(self.num_copies)}
        others = []
        for index, (observation, terminated, truncated) in finals.items():
            if index not in resetting:
                others.append((index, table.alone(index, observation, rewards[index], terminated, truncated)))
            rewards[index] = 0.0
        return StepRows(observations, rewards, others)

    def _play(
        self, indices: Sequence[int], actions: Sequence[Action]
    ) -> tuple[Any, list[float], dict[int, tuple[Any, bool, bool]], set[int]]:
        """Play one step; return also what each episode ended with, and the copies that were only reset."""
        if len(indices) != self.num_copies:
            raise ConfigError(
                f"{self.env_name} steps its {self.num_copies} copies together, but {len(indices)} are to be "
                "played. Collect by steps, not by episodes."
            )
        try:
            found, rewards, terminated, truncated, infos = self._envs.step(self._batched(actions))
        except Exception as error:
            raise CopyError(0) from error
        observations = self._rows(found)
        finals = {}
        for index in np.flatnonzero(terminated | truncated).tolist():
            final = observations[index]
            if self._mode is AutoresetMode.SAME_STEP:
                final = infos["final_obs"][index]
            finals[index] = final, bool(terminated[index]), bool(truncated[index])
        if finals and self._mode is AutoresetMode.SAME_STEP:
            self._first = copy.copy(observations)
        resetting, self._is_resetting = self._is_resetting, set()
        return observations, rewards.tolist(), finals, resetting

    def abandon(self) -> None:
        """Let the next reset be one of all copies, whatever they were doing."""
        self._first = None
        self._is_resetting.clear()

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
        return concatenate(self._action_space, actions, self._actions)

    def _rows(self, batched: Any) -> Any:
        """Return a batch as elements, or as an array that is not the vector env's."""
        if isinstance(batched, np.ndarray):
            is_discrete = isinstance(self._observation_space, gym.spaces.Discrete)
            return batched.tolist() if is_discrete else batched.copy()
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
