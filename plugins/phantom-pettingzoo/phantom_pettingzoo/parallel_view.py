"""`to_parallel`: one of our envs as a `ParallelEnv` of PettingZoo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pettingzoo import ParallelEnv

import phantom_core as ph
from phantom_pettingzoo.pettingzoo_methods import PettingZooMethods


def to_parallel(env: ph.MultiAgentEnv) -> ParallelEnv:
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
        ConfigError: if `env` is a class or no multi-agent env, or has no strategic agent.
    """
    return PhantomParallelEnv(env)


class PhantomParallelEnv(PettingZooMethods, ParallelEnv):  # type: ignore[misc]  # PettingZoo ships no types
    """An env of phantom_core, played by all agents at once: what `to_parallel` returns."""

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[ph.AgentID, ph.Observation], dict[ph.AgentID, dict[str, Any]]]:
        """Start an episode."""
        self._play.reset(seed, options)
        self.agents = list(self._play.live_agent_ids)
        self._meet(self.agents)
        return self._everyone_observed(self.agents), self._everyones_infos(self.agents, self._play.infos)

    def step(
        self, actions: Mapping[ph.AgentID, ph.Action]
    ) -> tuple[
        dict[ph.AgentID, ph.Observation],
        dict[ph.AgentID, float],
        dict[ph.AgentID, bool],
        dict[ph.AgentID, bool],
        dict[ph.AgentID, dict[str, Any]],
    ]:
        """Play one step of the env.

        Raises:
            EnvError: if an action that is used is outside the agent's space.
            EpisodeError: before the first reset, or after the end.
        """
        has_turn = set(self._play.deciding_agent_ids)
        known = set(self.possible_agents)
        used = {i: a for i, a in actions.items() if i in has_turn or i not in known}
        for agent, action in used.items():
            if agent in has_turn:
                self._play.check_action(agent, action)
        result = self._play.step(used)
        self.agents = list(self._play.live_agent_ids)
        agents = [agent for agent in result.terminations if agent != ph.tools.ALL]
        self._meet(agents)  # one that joins in the last step, too
        return (
            self._everyone_observed(agents),
            {agent: float(result.rewards.get(agent, 0.0)) for agent in agents},
            {agent: result.terminations[agent] for agent in agents},
            {agent: result.truncations[agent] for agent in agents},
            self._everyones_infos(agents, result.infos),
        )

    def _everyone_observed(self, agents: list[ph.AgentID]) -> dict[ph.AgentID, ph.Observation]:
        return {agent: self._observed(agent) for agent in agents}

    def _everyones_infos(
        self, agents: list[ph.AgentID], infos: Mapping[ph.AgentID, dict[str, Any]]
    ) -> dict[ph.AgentID, dict[str, Any]]:
        has_turn = set(self._play.deciding_agent_ids)
        return {agent: {**infos.get(agent, {}), "has_turn": agent in has_turn} for agent in agents}
