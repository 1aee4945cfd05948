"""The agents of an env, as whoever plays it reads them: `Population`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym

from phantom_core.envs.env_checks import agent_space, check_initialised
from phantom_core.types import AgentID
from phantom_core.world.agents import Agent, StrategicAgent
from phantom_core.world.network import Network


class Population:
    """What there is to know about the agents of an env.

    Attributes:
        network: the agents and their connections.
    """

    network: Network

    @property
    def agents(self) -> Mapping[AgentID, Agent]:
        """Agent by id, in network order.

        Raises:
            EnvError: if `__init__` did not call that of the base class.
        """
        try:
            return self.network.agents
        except AttributeError:
            check_initialised(self)
            raise

    @property
    def agent_ids(self) -> list[AgentID]:
        """The ids of all agents, in network order."""
        return list(self.network.agent_ids)

    @property
    def strategic_agents(self) -> list[StrategicAgent]:
        """The agents that observe and act, in network order."""
        return [agent for agent in self.agents.values() if isinstance(agent, StrategicAgent)]

    @property
    def non_strategic_agents(self) -> list[Agent]:
        """The agents that only handle and generate messages, in network order."""
        return [agent for agent in self.agents.values() if not isinstance(agent, StrategicAgent)]

    @property
    def strategic_agent_ids(self) -> list[AgentID]:
        """The ids of the agents that observe and act, in network order."""
        return [agent.id for agent in self.strategic_agents]

    @property
    def non_strategic_agent_ids(self) -> list[AgentID]:
        """The ids of the agents that only handle and generate messages, in network order."""
        return [agent.id for agent in self.non_strategic_agents]

    @property
    def observation_spaces(self) -> dict[AgentID, gym.Space[Any]]:
        """Observation space of each strategic agent.

        Raises:
            ConfigError: if one has none.
        """
        return {agent.id: agent_space(agent, "observation_space") for agent in self.strategic_agents}

    @property
    def action_spaces(self) -> dict[AgentID, gym.Space[Any]]:
        """Action space of each strategic agent.

        Raises:
            ConfigError: if one has none.
        """
        return {agent.id: agent_space(agent, "action_space") for agent in self.strategic_agents}

    def __getitem__(self, agent_id: AgentID) -> Agent:
        """Return the agent with this id."""
        return self.network[agent_id]
