"""`GymnasiumEnv`: any single-agent Gymnasium env as an env with one agent."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym

from phantom_core.envs.plain_values import as_first, as_flag, as_float, not_a_step
from phantom_core.envs.step_result import StepResult
from phantom_core.errors import ConfigError, EnvError, error_text, listing
from phantom_core.seeding import small_seed
from phantom_core.trust import check_may_import
from phantom_core.types import Action, AgentID, Observation
from phantom_core.world.agents import ALL, Agent
from phantom_core.world.strategic_agents import StrategicAgent


class GymnasiumAgent(StrategicAgent):
    """Stands for whoever acts in the Gymnasium env; only its id and spaces are used."""


class GymnasiumEnv:
    """A single-agent Gymnasium env as an env with one agent.

    Observations, rewards, terminations, truncations (also those of time-limit wrappers) and infos are
    passed on as they are; rewards and flags become plain floats and bools. If the env itself, without its
    wrappers, has `state_dict` and `load_state_dict`, what they hold is carried from one episode to the next,
    also in a run that is resumed.

    Some well-known envs, such as LunarLander-v3, leave the bounds of the Box that they declare. A policy then
    gets what they observed clipped to these, and a warning says so once.

    Attributes:
        gym_env: the Gymnasium env.
        acting_agent_ids: None: the one agent acts in every step.
        clips_observations: True.
    """

    acting_agent_ids: None = None
    clips_observations = True

    def __init__(
        self,
        env: str | gym.Env[Any, Any] | Callable[..., gym.Env[Any, Any]],
        *,
        agent_id: AgentID = "agent",
        **make_kwargs: Any,
    ) -> None:
        """Wrap an env.

        Args:
            env: an env; the id of a registered one, such as `"FrozenLake-v1"` or `"module:Name-v0"`; or
                a class or function that makes one.
            agent_id: what to call the agent.
            **make_kwargs: passed to `gymnasium.make` with the id (`render_mode`, `max_episode_steps`, what
                the env itself takes), or to the class or function.

        Raises:
            ConfigError: if there is no env with this id, it cannot be made, its `reset` takes no seed, or
                there are arguments for an env that is made already.
        """
        self.gym_env: gym.Env[Any, Any] = _make(env, make_kwargs)
        _check_takes_seed(self.gym_env.unwrapped)
        self._id = agent_id
        self._agent = GymnasiumAgent(agent_id)
        self._agent.observation_space = self.gym_env.observation_space
        self._agent.action_space = self.gym_env.action_space
        inner: Any = self.gym_env.unwrapped
        is_own = hasattr(type(self), "state_dict")  # a subclass says what is carried over
        if not is_own and hasattr(inner, "state_dict") and hasattr(inner, "load_state_dict"):
            self.state_dict, self.load_state_dict = inner.state_dict, inner.load_state_dict

    @property
    def agents(self) -> Mapping[AgentID, Agent]:
        """The one agent, by id."""
        return {self._id: self._agent}

    @property
    def strategic_agent_ids(self) -> list[AgentID]:
        """The id of the one agent."""
        return [self._id]

    @property
    def observation_spaces(self) -> dict[AgentID, gym.Space[Any]]:
        """The observation space of the env, by agent id."""
        return {self._id: self.gym_env.observation_space}

    @property
    def action_spaces(self) -> dict[AgentID, gym.Space[Any]]:
        """The action space of the env, by agent id."""
        return {self._id: self.gym_env.action_space}

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[AgentID, Observation], dict[AgentID, dict[str, Any]]]:
        """Start an episode; return observation and info by agent id.

        The seed is passed on modulo 2**31, because some envs take no larger ones.
        """
        given = {} if options is None else {"options": dict(options)}
        observation, info = as_first(self.gym_env.reset(seed=small_seed(seed), **given))
        return {self._id: observation}, {self._id: info}

    def step(self, actions: Mapping[AgentID, Action]) -> StepResult:
        """Play one step with the agent's action; `EnvError` if there is none, or the env returns no step."""
        agent_id = self._id
        if agent_id not in actions:
            given = f"The actions are for: {listing(actions)}."
            raise EnvError(f"There is no action for {agent_id!r}, the one agent of this env. {given}")
        result = self.gym_env.step(actions[agent_id])
        try:
            observation, reward, terminated, truncated, info = result
        except (TypeError, ValueError):
            raise not_a_step(result) from None
        terminated, truncated = as_flag("terminated", terminated), as_flag("truncated", truncated)
        flags = {agent_id: terminated, ALL: terminated}, {agent_id: truncated, ALL: truncated}
        return StepResult({agent_id: observation}, {agent_id: as_float(reward)}, *flags, {agent_id: info})

    @property
    def bare_step(self) -> Callable[[Action], tuple[Observation, Any, bool, bool, dict[str, Any]]] | None:
        """The Gymnasium env's own `step`, for whoever needs no dicts; None: a subclass plays otherwise."""
        is_own = type(self).step is GymnasiumEnv.step and type(self).reset is GymnasiumEnv.reset
        return self.gym_env.step if is_own else None

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the env says about itself, such as its render modes."""
        return self.gym_env.metadata

    @property
    def render_mode(self) -> str | None:
        """The render mode of the env."""
        return self.gym_env.render_mode

    def render(self) -> Any:
        """Return what the env's own `render` returns."""
        return self.gym_env.render()

    def close(self) -> None:
        """Close the Gymnasium env."""
        self.gym_env.close()


def _make(
    env: str | gym.Env[Any, Any] | Callable[..., gym.Env[Any, Any]], make_kwargs: Mapping[str, Any]
) -> gym.Env[Any, Any]:
    """Return an env, made if need be."""
    if isinstance(env, gym.Env):
        if make_kwargs:
            raise ConfigError(
                f"GymnasiumEnv got {', '.join(make_kwargs)} beside an env that is made already. Pass the "
                "id of an env instead, or set it where you make the env."
            )
        return env
    if isinstance(env, str) and ".py:" in env:
        raise ConfigError(
            f"GymnasiumEnv got {env!r}. {_EXPECTED} In a run file, name a function of yours that returns "
            "ph.GymnasiumEnv(YourEnv): env = './file.py:make_env'."
        )
    if isinstance(env, str) and ":" in env:  # Gymnasium imports what is before it
        check_may_import(env, "the id of a Gymnasium env")
    name = repr(env) if isinstance(env, str) else getattr(env, "__name__", repr(env))
    try:
        made = gym.make(env, **make_kwargs) if isinstance(env, str) else env(**make_kwargs)
    except Exception as error:  # whatever a stranger's constructor raises
        who = "Gymnasium" if isinstance(env, str) else "GymnasiumEnv"
        raise ConfigError(f"{who} could not make {name}: {error_text(error)}.") from error
    if not isinstance(made, gym.Env):
        raise ConfigError(f"GymnasiumEnv got {name}, which makes a {type(made).__name__}. {_EXPECTED}")
    return made


_EXPECTED = "Expected a gymnasium.Env, what makes one, or the id of a registered one."


def _check_takes_seed(env: gym.Env[Any, Any]) -> None:
    parameters = inspect.signature(env.reset).parameters
    if "seed" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    raise ConfigError(
        f"{type(env).__name__}.reset() takes no seed, so its episodes could not be repeated. Write "
        "reset(self, *, seed=None, options=None), call super().reset(seed=seed) in it, and draw from "
        "self.np_random."
    )
