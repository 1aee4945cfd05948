"""`StackelbergEnv`: a state machine of two stages, in which leaders and followers act in turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phantom_core.envs.agent_selection import AgentSelection, as_tuple, check_ids, is_rule, select, selects
from phantom_core.envs.env import check_network
from phantom_core.envs.stages import FiniteStateMachineEnv, FSMStage
from phantom_core.errors import ConfigError, listing
from phantom_core.types import AgentID
from phantom_core.world.agents import Agent
from phantom_core.world.network import Network
from phantom_core.world.strategic_agents import StrategicAgent
from phantom_core.world.supertypes import Supertype


class StackelbergEnv(FiniteStateMachineEnv):
    """An env in which the leaders act in odd steps and the followers, who observe after them, in even steps.

    Rewards of both sides are computed in the followers' step, when the outcome of both decisions is known,
    and returned with the next observation. Plain agents that are in neither list generate messages in
    every step, after the others.
    """

    def __init__(
        self,
        num_steps: int | None,
        network: Network,
        leader_agents: AgentSelection,
        follower_agents: AgentSelection,
        *,
        env_supertype: Supertype | Mapping[str, Any] | None = None,
        agent_supertypes: Mapping[AgentID, Supertype | Mapping[str, Any]] | None = None,
    ) -> None:
        """Initialise the env.

        Args:
            num_steps: the time limit of an episode, in steps; an even number lets both sides act equally
                often; None: no limit.
            network: the agents and their connections.
            leader_agents: ids or rules of the agents that act first, in order, as in `FSMStage`.
            follower_agents: ids or rules of the agents that act after them, in order.
            env_supertype: as in `PhantomEnv`.
            agent_supertypes: as in `PhantomEnv`.

        Raises:
            ConfigError: if a side is empty, an id is unknown or occurs twice, an agent is on both sides, a
                strategic agent is on neither, or `PhantomEnv` raises.
        """
        name = type(self).__name__
        check_network(name, network)
        leaders = as_tuple(name, "leader_agents", leader_agents) or ()
        followers = as_tuple(name, "follower_agents", follower_agents) or ()
        agents = network.agents
        check_ids(name, "leader_agents", leaders, agents)
        check_ids(name, "follower_agents", followers, agents)
        _check_sides(name, select(leaders, agents), select(followers, agents), agents)
        for side, selection in (("leader_agents", leaders), ("follower_agents", followers)):
            if not selection:
                raise ConfigError(f"{name} got no {side}. Name at least one agent, or use PhantomEnv.")
        self._leaders, self._followers = leaders, followers
        sides = (*leaders, *followers)
        players = [item for item in sides if is_rule(item) or isinstance(agents[item], StrategicAgent)]
        stages = [
            FSMStage("leaders", [*leaders, self._takes_no_side], [], ["followers"]),
            FSMStage("followers", [*followers, self._takes_no_side], players, ["leaders"]),
        ]
        super().__init__(
            num_steps,
            network,
            "leaders",
            stages=stages,
            env_supertype=env_supertype,
            agent_supertypes=agent_supertypes,
        )

    @property
    def leader_agents(self) -> tuple[AgentID, ...]:
        """The ids of the agents that act in odd steps, in order."""
        return select(self._leaders, self.agents)

    @property
    def follower_agents(self) -> tuple[AgentID, ...]:
        """The ids of the agents that act in even steps, in order."""
        return select(self._followers, self.agents)

    def _takes_no_side(self, agent: Agent) -> bool:
        sides = (*self._leaders, *self._followers)
        return not isinstance(agent, StrategicAgent) and not any(selects(item, agent) for item in sides)


def _check_sides(
    name: str, leaders: tuple[AgentID, ...], followers: tuple[AgentID, ...], agents: Mapping[AgentID, Agent]
) -> None:
    both = [agent_id for agent_id in leaders if agent_id in followers]
    if both:
        raise ConfigError(f"{name} got {listing(both)} as leader and as follower. Name each agent once.")
    others = [agent for agent_id, agent in agents.items() if agent_id not in (*leaders, *followers)]
    neither = [agent.id for agent in others if isinstance(agent, StrategicAgent)]
    if neither:
        raise ConfigError(
            f"{name} has strategic agents that neither lead nor follow, and so would never act: "
            f"{listing(neither)}. Name them in leader_agents or in follower_agents."
        )
