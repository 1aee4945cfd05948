"""What our envs as PettingZoo's `ParallelEnv` and as its `AECEnv` have in common."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import gymnasium as gym

import phantom_core as ph
from phantom_pettingzoo.space_elements import as_numpy, blank


class PettingZooMethods:
    """Agents, spaces and rendering of one of our envs, as PettingZoo asks for them.

    Attributes:
        env: our env.
        agents: the ids of the agents that are in the episode; empty before the first reset.
        possible_agents: the ids of all agents that were there so far.
        state_space: a copy of the space of our env's global state; not there if it has none.
    """

    def __init__(self, env: ph.MultiAgentEnv) -> None:
        self._play = ph.tools.Playthrough(env)
        if not env.strategic_agent_ids:
            env.reset()  # it may build its network there
        if not env.strategic_agent_ids:
            raise ph.errors.ConfigError(
                f"{type(env).__name__} has no strategic agent, so PettingZoo has nobody to ask."
            )
        self.env = env
        self.agents: list[ph.AgentID] = []
        self.possible_agents: list[ph.AgentID] = []
        self.render_mode: str | None = getattr(env, "render_mode", None)
        self.metadata: dict[str, Any] = {
            "name": type(env).__name__,
            "render_modes": [] if self.render_mode is None else [self.render_mode],
            **getattr(env, "metadata", {}),
        }
        self._observation_spaces: dict[ph.AgentID, gym.Space[Any]] = {}
        self._action_spaces: dict[ph.AgentID, gym.Space[Any]] = {}
        self._meet(env.strategic_agent_ids)
        space: gym.Space[Any] | None = getattr(env, "state_space", None)
        if space is not None:
            self.state_space = copy.deepcopy(space)

    def observation_space(self, agent: ph.AgentID) -> gym.Space[Any]:
        """Return the agent's observation space: a copy, always the same object."""
        return self._space(self._observation_spaces, agent)

    def action_space(self, agent: ph.AgentID) -> gym.Space[Any]:
        """Return the agent's action space: a copy, always the same object."""
        return self._space(self._action_spaces, agent)

    def state(self) -> Any:
        """Return the global state of our env, as NumPy holds it; raise `EnvError` if it has none."""
        if not hasattr(self, "state_space"):
            raise ph.errors.EnvError(
                f"{type(self.env).__name__} has no global state: state_space is None. Give it state_space "
                "and state()."
            )
        env: Any = self.env
        return as_numpy(self.state_space, env.state())

    def render(self) -> Any:
        """Return what our env's own `render` returns; None if it has none."""
        render = getattr(self.env, "render", None)
        return None if render is None else render()

    def close(self) -> None:
        """Close our env."""
        self.env.close()

    def _observed(self, agent: ph.AgentID) -> ph.Observation:
        """Return the newest observation of an agent, blank if it made none in this episode."""
        space = self.observation_space(agent)
        if agent not in self._play.observations:
            return blank(space)
        return as_numpy(space, self._play.observations[agent])

    def _meet(self, agents: Iterable[ph.AgentID]) -> None:
        """Note the spaces of agents that were not there before."""
        new = [agent for agent in agents if agent not in self._observation_spaces]
        if new:
            observation_spaces, action_spaces = self.env.observation_spaces, self.env.action_spaces
            for agent in new:
                self._observation_spaces[agent] = copy.deepcopy(observation_spaces[agent])
                self._action_spaces[agent] = copy.deepcopy(action_spaces[agent])
            self.possible_agents += new

    @staticmethod
    def _space(spaces: Mapping[ph.AgentID, gym.Space[Any]], agent: ph.AgentID) -> gym.Space[Any]:
        if agent not in spaces:
            raise ph.errors.EnvError(
                f"There is no agent {agent!r}.{ph.tools.did_you_mean(agent, spaces)} Those that were there "
                f"so far: {ph.tools.listing(spaces)}."
            )
        return spaces[agent]
