"""`PlayedEnv`: a user's env as a study plays it: shocks come before its steps, and it is read after them."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import gymnasium as gym

import phantom_core as ph
from phantom_experiments.collecting import MISSING, Collect, plain, reader, reduced
from phantom_experiments.over_agents import selected
from phantom_experiments.treatments import Treatment


def played(
    env: ph.MultiAgentEnv,
    make_env: Callable[[], ph.MultiAgentEnv],
    treatment: Treatment,
    collect: Collect,
) -> PlayedEnv:
    """Return an env around another one; messages call it by the name of that one."""
    name = type(env).__name__
    kind = type(name, (PlayedEnv,), {"__doc__": PlayedEnv.__doc__})
    around: PlayedEnv = kind(env, make_env, treatment, collect)
    return around


class PlayedEnv:
    """A thin layer around an env, which the collector plays.

    A shock may change what no reset restores, such as a parameter, and so may a step that raises; the next
    episode is played in a new env.

    Attributes:
        env: the user's env.
        num_episodes: how many episodes of the task are over.
        has_failed_in_reset: whether the newest episode never began.
    """

    def __init__(
        self,
        env: ph.MultiAgentEnv,
        make_env: Callable[[], ph.MultiAgentEnv],
        treatment: Treatment,
        collect: Collect,
    ) -> None:
        """Prepare what is read, and when."""
        self.env = env
        self._make_env = make_env
        self._recorder: Any = None
        self._is_spoilt = False  # by a shock or an exception
        self._treatment, self._collect = treatment, collect
        self._read_env = [(name, reader(source)) for name, source in collect.env.items()]
        self._read_agents = [
            (selection, [(name, reader(source)) for name, source in sources.items()])
            for selection, sources in collect.agents
        ]
        self._writes_steps = collect.steps and bool(collect.env)
        self._until = collect.until
        self._keys: Mapping[str, Any] = {}
        self._rows: dict[str, list[dict[str, Any]]] = {"episodes": [], "agents": [], "steps": []}
        self.num_episodes = 0
        self.has_failed_in_reset = False
        self._begin_episode(None)

    # ------------------------------------------------------------------ what the collector asks for

    @property
    def agents(self) -> Mapping[ph.AgentID, ph.Agent]:
        """Agent by id."""
        return self.env.agents

    @property
    def strategic_agent_ids(self) -> Sequence[ph.AgentID]:
        """The ids of the agents that observe and act."""
        return self.env.strategic_agent_ids

    @property
    def observation_spaces(self) -> Mapping[ph.AgentID, gym.Space[Any]]:
        """Observation space of each strategic agent."""
        return self.env.observation_spaces

    @property
    def action_spaces(self) -> Mapping[ph.AgentID, gym.Space[Any]]:
        """Action space of each strategic agent."""
        return self.env.action_spaces

    @property
    def acting_agent_ids(self) -> Container[ph.AgentID] | None:
        """The ids of the agents that may act in the next step; None: every agent."""
        return self.env.acting_agent_ids

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[ph.AgentID, Any], dict[ph.AgentID, dict[str, Any]]]:
        """Start an episode."""
        self._begin_episode(seed)
        self.has_failed_in_reset = True
        if self._is_spoilt:
            self.env.close()
            self.env = self._make_env()
            self._is_spoilt = False
            self.record(self._recorder)
        found = self.env.reset(seed=seed, options=options)
        self.has_failed_in_reset = False
        return found

    def step(self, actions: Mapping[ph.AgentID, Any]) -> ph.StepResult:
        """Play one step: apply the shocks that are due, step the env, and record."""
        self._step += 1
        if self._step == self._next_shock:
            self._apply_shocks()
        result = self.env.step(actions)
        if self._step == self._next_record:
            self._record(result)
        return result

    def close(self) -> None:
        """Close the env."""
        self.env.close()

    # ------------------------------------------------------------------ the rows

    def record(self, recorder: Any) -> None:
        """Give the env a recorder, or take it away: None."""
        if recorder is not self._recorder or recorder is not None:
            self.env.recorder = recorder  # type: ignore[attr-defined]  # raises where there is none
        self._recorder = recorder

    def begin_task(self, keys: Mapping[str, Any]) -> None:
        """Begin with rows that have these keys."""
        self._keys = keys
        self._rows = {"episodes": [], "agents": [], "steps": []}
        self.num_episodes = 0
        self.has_failed_in_reset = False

    def take_rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of the task, by table."""
        return self._rows

    def finish(self, summary: ph.EpisodeSummary) -> None:
        """Add the rows of an episode that ended."""
        row = self._episode_row()
        row["steps"] = summary.length
        if summary.episode_returns:
            row["mean_reward"] = math.fsum(summary.episode_returns.values()) / len(summary.episode_returns)
        for name, source in self._collect.env.items():
            values = self._values.get(name)
            if values:
                value = reduced(name, source, values, self._collect.reduce.get(name))
                if value is not MISSING:
                    row[name] = plain(value)
        agents = self._agent_rows(summary)  # before anything is added: it may raise
        self._rows["episodes"].append(row)
        self._rows["agents"] += agents
        self._rows["steps"] += self._step_rows
        self.num_episodes += 1

    def fail(self, sentence: str) -> None:
        """Add the row of an episode that raised."""
        self._is_spoilt = True
        self._rows["episodes"].append({**self._episode_row(), "error": sentence, "step": self._step})
        self.num_episodes += 1

    def _episode_row(self) -> dict[str, Any]:
        return {**self._keys, "episode": self.num_episodes, "episode_seed": self._seed}

    def _begin_episode(self, seed: int | None) -> None:
        self._seed, self._step = seed, 0
        self._values: dict[str, list[Any]] = {name: [] for name, _ in self._read_env}
        self._agent_values: dict[ph.AgentID, tuple[str, dict[str, list[Any]]]] = {}
        self._step_rows: list[dict[str, Any]] = []
        collect = self._collect
        has_values = self._read_env or self._read_agents
        first = collect.burn_in + collect.every
        is_wanted = has_values and (self._until is None or first <= self._until)
        self._next_record = first if is_wanted else 0
        shocks = self._treatment.shocks
        self._shock_number = 0
        self._next_shock = shocks[0].step if shocks else 0

    def _apply_shocks(self) -> None:
        shocks, seed = self._treatment.shocks, self._seed
        assert seed is not None
        self._is_spoilt = True
        while self._shock_number < len(shocks) and shocks[self._shock_number].step == self._step:
            shocks[self._shock_number].apply(self.env, seed, self._shock_number)
            self._shock_number += 1
        has_more = self._shock_number < len(shocks)
        self._next_shock = shocks[self._shock_number].step if has_more else 0

    def _record(self, result: ph.StepResult) -> None:
        """Read everything after a step."""
        env, of_step = self.env, {}
        for name, read in self._read_env:
            value = read(env, result)
            if value is not MISSING:
                of_step[name] = value = plain(value)
                self._values[name].append(value)
        if self._writes_steps:
            row = {**self._keys, "episode": self.num_episodes, "step": self._step, **of_step}
            self._step_rows.append(row)
        for selection, readers in self._read_agents:
            for agent in selected(env.agents, selection):
                values = self._agent_values.setdefault(agent.id, (type(agent).__name__, {}))[1]
                for name, read in readers:
                    values.setdefault(name, []).append(plain(read(agent, result)))
        following = self._step + self._collect.every
        self._next_record = following if self._until is None or following <= self._until else 0

    def _agent_rows(self, summary: ph.EpisodeSummary) -> list[dict[str, Any]]:
        returns, recorded, agents = summary.episode_returns, self._agent_values, self.env.agents
        if not returns and not recorded:
            return []
        sources = {name: source for _, own in self._collect.agents for name, source in own.items()}
        ids = [i for i in agents if i in returns or i in recorded]
        ids += [i for i in dict.fromkeys((*recorded, *returns)) if i not in agents]  # those that left
        rows = []
        for agent_id in ids:
            name, values = recorded.get(agent_id) or (_class_name(agents.get(agent_id)), {})
            row = {**self._keys, "episode": self.num_episodes, "agent": _plain_id(agent_id), "class": name}
            if agent_id in returns:
                row["reward"] = returns[agent_id]
            for value_name, of_agent in values.items():
                reduction = self._collect.reduce.get(value_name)
                row[value_name] = plain(reduced(value_name, sources[value_name], of_agent, reduction))
            rows.append(row)
        return rows


def _class_name(agent: ph.Agent | None) -> str | None:
    return None if agent is None else type(agent).__name__


def _plain_id(agent_id: ph.AgentID) -> Any:
    return agent_id if isinstance(agent_id, (str, int)) else repr(agent_id)
