"""What our envs as PettingZoo's `ParallelEnv` and as its `AECEnv` have in common."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym

from phantom_core.adapters.playthrough import Playthrough
from phantom_core.adapters.space_elements import as_numpy, blank
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.types import AgentID, Observation


class PettingZooMethods:
    """Agents, spaces and rendering of one of our envs, as PettingZoo asks for them.

    Attributes:
        env: our env.
        agents: the ids of the agents that are in the episode; empty before the first reset.
        possible_agents: the ids of all agents that were there so far.
    """

    def __init__(self, env: MultiAgentEnv) -> None:
        if not env.strategic_agent_ids:
            env.reset()  # it may build its network there
        if not env.strategic_agent_ids:
            raise ConfigError(
                f"{type(env).__name__} has no strategic agent, so PettingZoo has nobody to ask."
            )
        self.env = env
        self.agents: list[AgentID] = []
        self.possible_agents: list[AgentID] = list(env.strategic_agent_ids)
        self.render_mode: str | None = getattr(env, "render_mode", None)
        self.metadata: dict[str, Any] = {
            "name": type(env).__name__,
            "render_modes": [] if self.render_mode is None else [self.render_mode],
        }
        self._play = Playthrough(env)
        self._observation_spaces: dict[AgentID, gym.Space[Any]] = {}
        self._action_spaces: dict[AgentID, gym.Space[Any]] = {}

    def observation_space(self, agent: AgentID) -> gym.Space[Any]:
        """Return the agent's observation space: a copy, always the same object."""
        if agent not in self._observation_spaces:
            self._observation_spaces[agent] = copy.deepcopy(self.env.observation_spaces[agent])
        return self._observation_spaces[agent]

    def action_space(self, agent: AgentID) -> gym.Space[Any]:
        """Return the agent's action space: a copy, always the same object."""
        if agent not in self._action_spaces:
            self._action_spaces[agent] = copy.deepcopy(self.env.action_spaces[agent])
        return self._action_spaces[agent]

    def render(self) -> Any:
        """Return what our env's own `render` returns; None if it has none."""
        render = getattr(self.env, "render", None)
        return None if render is None else render()

    def close(self) -> None:
        """Close our env."""
        self.env.close()

    def _observed(self, agent: AgentID) -> Observation:
        """Return the newest observation of an agent, blank if it made none in this episode."""
        space = self.observation_space(agent)
        if agent not in self._play.observations:
            return blank(space)
        return as_numpy(space, self._play.observations[agent])

    def _follow(self) -> None:
        """Take over who is in the episode, after a step or reset."""
        self.agents = list(self._play.live_agent_ids)
        self.possible_agents += [agent for agent in self.agents if agent not in self.possible_agents]
