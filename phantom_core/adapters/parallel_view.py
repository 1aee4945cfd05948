"""`to_parallel`: one of our envs as a `ParallelEnv` of PettingZoo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phantom_core.adapters.pettingzoo_library import import_pettingzoo
from phantom_core.adapters.pettingzoo_methods import PettingZooMethods
from phantom_core.adapters.space_elements import check_action
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.types import Action, AgentID, Observation
from phantom_core.world.agents import ALL


def to_parallel(env: MultiAgentEnv) -> Any:
    """Return an env as a `ParallelEnv` of PettingZoo.

    One of its steps is one step of the env. PettingZoo wants every live agent in every dict of every
    step, whoever's turn it is. So an agent that did not observe in a step is shown its newest
    observation once more (before its first one: the element of its space nearest to zero), its reward
    is 0, and its info is empty but for one entry. What it earned meanwhile is paid with its next
    observation or at its end, as always. In each info, `has_turn` says whether the action that the
    agent gives next is used; other actions are ignored. One that is used has to be in the agent's space.

    An agent that terminates, is truncated or leaves has its flag set, and is gone from `agents`; at the
    time limit all are truncated. Observations with an action mask are passed on as they are.

    Args:
        env: the env. It is played from now on through what is returned.

    Raises:
        ConfigError: if PettingZoo is not installed, or the env has no strategic agent.
    """
    env_class: Any = import_pettingzoo("to_parallel").ParallelEnv

    class PhantomParallelEnv(_ParallelMethods, env_class):  # type: ignore[misc]  # it ships no types
        """One of our envs; its methods are those of the first base class."""

    return PhantomParallelEnv(env)


class _ParallelMethods(PettingZooMethods):
    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[AgentID, Observation], dict[AgentID, dict[str, Any]]]:
        """Start an episode."""
        self._play.reset(seed, options)
        self.agents = list(self._play.live_agent_ids)
        self._meet(self.agents)
        return self._everyone_observed(self.agents), self._everyones_infos(self.agents, self._play.infos)

    def step(
        self, actions: Mapping[AgentID, Action]
    ) -> tuple[
        dict[AgentID, Observation],
        dict[AgentID, float],
        dict[AgentID, bool],
        dict[AgentID, bool],
        dict[AgentID, dict[str, Any]],
    ]:
        """Play one step of the env.

        Raises:
            EnvError: if an action that is used is outside the agent's space.
            EpisodeError: before the first reset, or after the end.
        """
        has_turn = set(self._play.deciding_agent_ids)
        known = set(self.possible_agents)
        used = {i: a for i, a in actions.items() if i in has_turn or i not in known}
        for agent in has_turn.intersection(used):
            check_action(self.action_space(agent), agent, used[agent])
        result = self._play.step(used)
        self.agents = list(self._play.live_agent_ids)
        agents = [agent for agent in result.terminations if agent != ALL]
        self._meet(agents)  # one that joins in the last step, too
        return (
            self._everyone_observed(agents),
            {agent: float(result.rewards.get(agent, 0.0)) for agent in agents},
            {agent: result.terminations[agent] for agent in agents},
            {agent: result.truncations[agent] for agent in agents},
            self._everyones_infos(agents, result.infos),
        )

    def _everyone_observed(self, agents: list[AgentID]) -> dict[AgentID, Observation]:
        return {agent: self._observed(agent) for agent in agents}

    def _everyones_infos(
        self, agents: list[AgentID], infos: Mapping[AgentID, dict[str, Any]]
    ) -> dict[AgentID, dict[str, Any]]:
        has_turn = set(self._play.deciding_agent_ids)
        return {agent: {**infos.get(agent, {}), "has_turn": agent in has_turn} for agent in agents}
