"""`to_aec`: one of our envs as an `AECEnv` of PettingZoo, where one agent acts at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pettingzoo import AECEnv

import phantom_core as ph
from phantom_pettingzoo.pettingzoo_methods import PettingZooMethods


def to_aec(env: ph.MultiAgentEnv) -> AECEnv:
    """Return an env as an `AECEnv` of PettingZoo.

    Agents are selected when they are to decide: in a turn-based env those whose turn it is, and nobody
    else. Those that decide in the same step of the env are selected one after the other, and see
    nothing of each other's actions; the step is played when the last of them has acted. `last()` gives
    the agent's newest observation and all that it was paid since its last action. An agent that ended
    is selected once more, before all others, to take its last reward; its action is then None.
    Observations with an action mask are passed on as they are. An action outside the agent's space is
    handed to the env, unlike in `to_parallel`: PettingZoo's own `api_test` plays 0 in every space, whether
    it is in it or not. PettingZoo's `AssertOutOfBoundsWrapper` refuses it where spaces are discrete.

    Args:
        env: the env. It is played from now on through what is returned.

    Raises:
        ConfigError: if `env` is a class or no multi-agent env, or has no strategic agent.
    """
    return PhantomAECEnv(env)


class PhantomAECEnv(PettingZooMethods, AECEnv):  # type: ignore[misc]  # PettingZoo ships no types
    """An env of phantom_core, played one agent at a time: what `to_aec` returns."""

    def __init__(self, env: ph.MultiAgentEnv) -> None:
        super().__init__(env)
        self.agent_selection: ph.AgentID | None = None
        self._begin()

    def _begin(self) -> None:
        self.rewards: dict[ph.AgentID, float] = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards: dict[ph.AgentID, float] = dict.fromkeys(self.agents, 0.0)
        self.terminations: dict[ph.AgentID, bool] = dict.fromkeys(self.agents, False)
        self.truncations: dict[ph.AgentID, bool] = dict.fromkeys(self.agents, False)
        self.infos: dict[ph.AgentID, dict[str, Any]] = {i: self._play.infos.get(i, {}) for i in self.agents}
        self._decided: dict[ph.AgentID, ph.Action] = {}
        self._queue: list[ph.AgentID] = []
        self._ended: list[ph.AgentID] = []

    def reset(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Start an episode, and select the first agent that is to decide."""
        self._play.reset(seed, options)
        self.agents = list(self._play.live_agent_ids)
        self._meet(self.agents)
        self._begin()
        self._play_until_somebody_decides()
        self._select()

    def observe(self, agent: ph.AgentID) -> ph.Observation:
        """Return the newest observation of an agent; before its first, the element nearest to zero."""
        return self._observed(agent)

    def step(self, action: ph.Action) -> None:
        """Take the action of the selected agent; when all have decided, play a step of the env.

        Raises:
            EnvError: if the action is None while the agent is in the episode, or not None after its end.
            EpisodeError: before the first reset, or after the end.
        """
        agent = self.agent_selection
        if not self.agents or agent is None:
            raise ph.errors.EpisodeError(
                f"{type(self).__name__} was stepped outside an episode. Call env.reset()."
            )
        self.rewards = dict.fromkeys(self.rewards, 0.0)
        has_ended = self.terminations[agent] or self.truncations[agent]
        if has_ended != (action is None):
            state, expected = ("ended", "None") if has_ended else ("is in the episode", "an action")
            raise ph.errors.EnvError(f"{agent!r} {state}, but its action is {action!r}. Expected {expected}.")
        if has_ended:
            self._forget(agent)
        else:
            self._cumulative_rewards[agent] = 0.0
            self._decided[agent] = action
            if not self._queue:
                self._play_once()
                self._play_until_somebody_decides()
        self._select()

    def _play_until_somebody_decides(self) -> None:
        while not (self._play.is_over or self._play.deciding_agent_ids):
            self._play_once()
        self._queue = self._play.deciding_agent_ids

    def _play_once(self) -> None:
        decided, self._decided = self._decided, {}
        result = self._play.step(decided)
        for agent in result.terminations:
            if agent == ph.tools.ALL:
                continue
            if agent not in self.rewards:  # it joined
                self._meet([agent])
                self.agents.append(agent)
                self.rewards[agent] = self._cumulative_rewards[agent] = 0.0
            reward = float(result.rewards.get(agent, 0.0))
            self.rewards[agent] += reward
            self._cumulative_rewards[agent] += reward
            self.terminations[agent] = result.terminations[agent]
            self.truncations[agent] = result.truncations[agent]
            self.infos[agent] = self._play.infos.get(agent, {})
            if self.terminations[agent] or self.truncations[agent]:
                self._ended.append(agent)

    def _select(self) -> None:
        """Select an agent that ended, or else the next that is to decide."""
        if self._ended:
            self.agent_selection = self._ended.pop(0)
        elif self._queue:
            self.agent_selection = self._queue.pop(0)

    def _forget(self, agent: ph.AgentID) -> None:
        self.agents.remove(agent)
        for table in (
            self.rewards,
            self._cumulative_rewards,
            self.terminations,
            self.truncations,
            self.infos,
        ):
            del table[agent]
