"""`VectorEnv`: n copies of an env, stepped together; and the copies that live in this process."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from phantom_core.envs.plain_values import as_flag, as_float, not_a_step
from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.errors import ConfigError, EnvError
from phantom_core.metrics import Metric, Mode
from phantom_core.policies.batching import rows_of
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.measured_env import CopyFacts, MeasuredEnv, check_apart, check_is_env
from phantom_core.rollouts.row_table import ListsOfRows, RowTable, StepRows
from phantom_core.rollouts.space_batcher import is_integer_array
from phantom_core.types import Action, AgentID, Observation, PolicyID

_new: Final = tuple.__new__  # of a StepRows: a third of the time of StepRows(...)


class CopyError(Exception):
    """A copy of the env raised `__cause__`; if it lives in a worker, `place` is where in the user's code."""

    def __init__(self, number: int, place: str = "") -> None:
        super().__init__(number)
        self.number = number
        self.place = place


class VectorEnv(ABC):
    """n copies of an env that are stepped together and reset one by one.

    The collector plays it. Every method takes the numbers of the copies that are meant, from 0 to
    n - 1; copies that are not named stand still.

    Attributes:
        num_copies: n.
        env_name: what the env is called in messages.
        saves_episodes: whether the episodes that go on can be saved without the actions that were played in
            them; then there are `episode_state` and `restore_episode`.
        takes_arrays: whether `step_rows` takes actions of Discrete spaces as an int64 array too, where all
            policies returned arrays; else it gets a list of ints.
        clips_observations: whether finite observations beyond the bounds of a Box are clipped to them, with a
            warning, instead of being an error: for envs of others, whose bounds nobody here can mend.
    """

    num_copies: int
    env_name: str
    saves_episodes: bool = False
    takes_arrays: bool = False
    clips_observations: bool = False

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
        if is_integer_array(actions):
            actions = rows_of(actions)
        chosen = [
            dict(zip(copy.agent_ids, actions[first:end]))  # noqa: B905  as many as there are rows
            for copy, first, end in table.bounds
        ]
        results = self.step(table.env_indices, chosen)
        return table.sort(results, [self.facts(index).acting_agent_ids for index in table.env_indices])

    def abandon(self) -> None:
        """A step was broken off; every copy is reset before the next one."""

    @abstractmethod
    def facts(self, number: int) -> MultiAgentEnv | CopyFacts:
        """Return what a copy says about itself; it is always up to date."""

    def states(self, numbers: Sequence[int]) -> list[Any]:
        """Return the global state of each of these copies, an element of the `state_space` of its facts.

        Needed only where that is not None.

        Raises:
            EnvError: if the subclass does not override it.
            CopyError: if a copy raises.
        """
        raise EnvError(
            f"{type(self).__name__} has a state_space, but no states(). Override it, and return the global "
            "state of each of these copies."
        )

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

    def carried(self, number: int, *, is_over: bool) -> dict[str, Any] | None:
        """Return the `state_dict` of a copy before the episode that goes on; `is_over`: before the next.

        None, the default: its episodes share nothing.
        """
        return None

    def carry(self, number: int, state: Mapping[str, Any]) -> None:
        """Give a copy what `carried` returned, before its next reset; called where that is not None."""

    def episode_state(self, number: int) -> dict[str, Any]:
        """Return where the episode of a copy stands: arrays and JSON values, nested in dicts and lists.

        What metrics recorded in it is part of that. Called where `saves_episodes` is set.

        Raises:
            CopyError: if the copy raises.
        """
        raise EnvError(f"{type(self).__name__} sets saves_episodes, but has no episode_state(). Override it.")

    def restore_episode(self, number: int, seed: int, state: Mapping[str, Any]) -> None:
        """Let a copy stand where it stood when `episode_state` was called, in the episode of this seed.

        Raises:
            CopyError: if the copy raises.
        """
        raise EnvError(
            f"{type(self).__name__} sets saves_episodes, but has no restore_episode(). Override it."
        )

    @abstractmethod
    def close(self) -> None:
        """Close every copy."""


class LocalVectorEnv(VectorEnv):
    """Copies of an env in this process."""

    def __init__(self, envs: Sequence[MultiAgentEnv]) -> None:
        """Take the copies, of one class and configuration.

        Raises:
            ConfigError: if there is none, one is no env, or two are one object, or adapters of one object.
        """
        if not isinstance(envs, Sequence) or not envs:
            raise ConfigError(f"Expected a list of envs, or a ph.VectorEnv, but got {envs!r}.")
        for env in envs:
            check_is_env(env)
        check_apart(envs)
        self.num_copies = len(envs)
        self.env_name = type(envs[0]).__name__
        self.saves_episodes = all(getattr(env, "saves_episodes", False) for env in envs)
        self.clips_observations = all(getattr(env, "clips_observations", False) for env in envs)
        self._envs = [MeasuredEnv(env) for env in envs]
        self._bare_steps: list[Callable[[Action], Any]] = []  # of envs of one agent, if nobody measures

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[dict[AgentID, Observation] | None]:
        """Start an episode in each of these copies, one after the other."""
        return self._call("reset", numbers, seeds)

    def step(self, numbers: Sequence[int], actions: Sequence[Mapping[AgentID, Action]]) -> list[StepResult]:
        """Play one step in each of these copies, one after the other."""
        return self._call("step", numbers, actions)

    def step_rows(self, table: RowTable, actions: Sequence[Action]) -> StepRows:
        """Play one step, one copy after the other; an env of one agent without its dicts."""
        if self._bare_steps and len(table.rows) == len(table.copies):
            return self._step_bare(table, actions)
        envs = self._envs
        found: ListsOfRows = ([], [], [])
        observations, rewards, _ = found
        copy = table.copies[0]
        try:
            for place, (copy, first, end) in enumerate(table.bounds):
                env = envs[copy.env_index]
                result = env.step(dict(zip(copy.agent_ids, actions[first:end])))  # noqa: B905  as many
                if copy.is_expected(result, env.env.acting_agent_ids):
                    observations += result.observations.values()
                    rewards += result.rewards.values()
                else:
                    copy.set_apart(found, place, result)
        except Exception as error:
            raise CopyError(copy.env_index) from error
        return _new(StepRows, found)

    def _call(self, name: str, numbers: Sequence[int], given: Sequence[Any]) -> list[Any]:
        """Call a method of each of these copies with what it is given; return what comes back."""
        envs = self._envs
        found = []
        number = 0
        try:
            for number, argument in zip(numbers, given):  # noqa: B905  strict costs as much as the loop
                found.append(getattr(envs[number], name)(argument))
        except Exception as error:
            raise CopyError(number) from error
        return found

    def _step_bare(self, table: RowTable, actions: Sequence[Action]) -> StepRows:
        steps, repeats = self._bare_steps, table.repeats
        found: ListsOfRows = ([], [], [])
        observations, rewards, others = found
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
        return _new(StepRows, found)

    def facts(self, number: int) -> MultiAgentEnv | CopyFacts:
        """Return the copy itself."""
        return self._envs[number].env

    def states(self, numbers: Sequence[int]) -> list[Any]:
        """Return the global state of each of these copies."""
        found = []
        for number in numbers:
            try:
                found.append(self._envs[number].state())
            except Exception as error:
                raise CopyError(number) from error
        return found

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

    def carried(self, number: int, *, is_over: bool) -> dict[str, Any] | None:
        """Return the `state_dict` of a copy before the episode that goes on; `is_over`: before the next."""
        env = self._envs[number]
        return env.carried_over() if is_over else env.carried_in()

    def carry(self, number: int, state: Mapping[str, Any]) -> None:
        """Give a copy what `carried` returned."""
        self._envs[number].carry(state)

    def episode_state(self, number: int) -> dict[str, Any]:
        """Return where the episode of a copy stands."""
        try:
            return self._envs[number].episode_state()
        except Exception as error:
            raise CopyError(number) from error

    def restore_episode(self, number: int, seed: int, state: Mapping[str, Any]) -> None:
        """Let a copy stand where it stood when `episode_state` was called."""
        try:
            self._envs[number].restore_episode(seed, state)
        except Exception as error:
            raise CopyError(number) from error

    def close(self) -> None:
        """Close every copy, also if closing one of them raises."""
        with contextlib.ExitStack() as stack:
            for env in reversed(self._envs):
                stack.callback(env.env.close)
