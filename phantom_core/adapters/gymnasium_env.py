"""`GymnasiumEnv`: any single-agent Gymnasium env as an env with one agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym

from phantom_core.envs.step_result import StepResult
from phantom_core.errors import ConfigError, EnvError, listing
from phantom_core.types import Action, AgentID, Observation
from phantom_core.world.agents import ALL, Agent, StrategicAgent


class GymnasiumAgent(StrategicAgent):
    """Stands for whoever acts in the Gymnasium env; only its id and spaces are used."""


class GymnasiumEnv:
    """A single-agent Gymnasium env as an env with one agent.

    Observations, rewards, terminations, truncations (also those of time-limit wrappers) and infos are
    passed on as they are.

    Attributes:
        gym_env: the Gymnasium env.
        acting_agent_ids: None: the one agent acts in every step.
    """

    acting_agent_ids: None = None

    def __init__(
        self, env: str | gym.Env[Any, Any], *, agent_id: AgentID = "agent", **make_kwargs: Any
    ) -> None:
        """Wrap an env.

        Args:
            env: an env, or the id of a registered one, such as `"FrozenLake-v1"`.
            agent_id: what to call the agent.
            **make_kwargs: passed to `gymnasium.make` with the id.

        Raises:
            ConfigError: if there is no env with this id, it cannot be made, or there are arguments for
                `gymnasium.make` but no id.
        """
        if isinstance(env, str):
            try:
                env = gym.make(env, **make_kwargs)
            except (gym.error.Error, ImportError, TypeError) as error:
                msg = f"Gymnasium could not make {env!r}: {error}"
                raise ConfigError(msg) from error
        elif make_kwargs:
            msg = (
                f"GymnasiumEnv got {', '.join(make_kwargs)} beside an env that is made already. Pass the "
                "id of an env instead, or set it where you make the env."
            )
            raise ConfigError(msg)
        self.gym_env: gym.Env[Any, Any] = env
        self._id = agent_id
        agent = GymnasiumAgent(agent_id)
        agent.observation_space, agent.action_space = env.observation_space, env.action_space
        self._agent = agent

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
        """Start an episode; return observation and info by agent id."""
        observation, info = self.gym_env.reset(seed=seed, options=None if options is None else dict(options))
        return {self._id: observation}, {self._id: info}

    def step(self, actions: Mapping[AgentID, Action]) -> StepResult:
        """Play one step with the action of the one agent.

        Raises:
            EnvError: if there is no action for it.
        """
        agent_id = self._id
        if agent_id not in actions:
            msg = (
                f"There is no action for {agent_id!r}, the one agent of this env. The actions are for: "
                f"{listing(actions)}."
            )
            raise EnvError(msg)
        observation, reward, terminated, truncated, info = self.gym_env.step(actions[agent_id])
        return StepResult(
            {agent_id: observation},
            {agent_id: float(reward)},
            {agent_id: terminated, ALL: terminated},
            {agent_id: truncated, ALL: truncated},
            {agent_id: info},
        )

    def close(self) -> None:
        """Close the Gymnasium env."""
        self.gym_env.close()
