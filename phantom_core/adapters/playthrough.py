"""`Playthrough`: an env as its adapters see it: who is in the episode, what each saw, who is to decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.errors import ConfigError
from phantom_core.types import Action, AgentID, Observation
from phantom_core.world.agents import ALL


class Playthrough:
    """Plays an env and remembers what its agents know.

    An agent is to decide when it has observed something that it has not acted on yet, and the env lets
    it act now: the rule of the collector.

    Attributes:
        env: the env.
        live_agent_ids: the strategic agents that are in the episode.
        observations: the newest observation of each agent that observed in this episode.
        infos: the info that came with it.
        is_over: whether there is no step to play.
    """

    def __init__(self, env: MultiAgentEnv) -> None:
        """Look at an env.

        Raises:
            ConfigError: if it is none, or a class.
        """
        if isinstance(env, type) or not hasattr(env, "strategic_agent_ids"):
            name = f"the class {env.__name__}" if isinstance(env, type) else f"a {type(env).__name__}"
            raise ConfigError(
                f"Expected a multi-agent env, but got {name}. Give an instance of a ph.PhantomEnv, or an "
                "adapter such as ph.PettingZooEnv."
            )
        self.env = env
        self._go_on_with([])
        self.observations: dict[AgentID, Observation] = {}
        self.infos: dict[AgentID, dict[str, Any]] = {}
        self.is_over = True
        self._unanswered: dict[AgentID, None] = {}  # those who observed and have not acted on it

    def reset(self, seed: int | None, options: Mapping[str, Any] | None = None) -> None:
        """Start an episode."""
        observations, infos = self.env.reset(seed=seed, options=options)
        self.observations, self.infos = dict(observations), dict(infos)
        self._go_on_with(list(self.env.strategic_agent_ids))
        self._unanswered = dict.fromkeys(observations)
        self.is_over = False

    @property
    def deciding_agent_ids(self) -> list[AgentID]:
        """The agents that are to decide now, in the order in which they observed."""
        if self.is_over:
            return []
        acting = self.env.acting_agent_ids
        acting = frozenset(acting) if isinstance(acting, tuple) else acting
        return [agent_id for agent_id in self._unanswered if acting is None or agent_id in acting]

    def step(self, actions: Mapping[AgentID, Action]) -> StepResult:
        """Play one step with the actions of agents that are to decide.

        Returns:
            What the env returned, with the flags completed: when the episode ends they say of every
            agent how, and an agent that is gone without a word is truncated.
        """
        result = self.env.step(actions)
        observed = result.observations
        for agent_id in actions:
            self._unanswered.pop(agent_id, None)
        self.observations.update(observed)
        self.infos.update(result.infos)
        self._unanswered.update(dict.fromkeys(observed))
        terminations, truncations = result.terminations, result.truncations
        is_quiet = True not in terminations.values() and True not in truncations.values()
        if is_quiet and terminations.keys() == self._expected:
            return result  # nobody joined, left or ended
        result = self._with_all_flags(result)
        self._note_changes(result)
        return result

    def _note_changes(self, result: StepResult) -> None:
        """Note who is in the episode from now on."""
        live: list[AgentID] = []
        for agent_id, terminated in result.terminations.items():
            has_ended = terminated or result.truncations[agent_id]
            if agent_id == ALL:
                self.is_over = has_ended
            elif has_ended:
                self._unanswered.pop(agent_id, None)
            else:
                live.append(agent_id)
        self._go_on_with(live)

    def _go_on_with(self, live_agent_ids: list[AgentID]) -> None:
        self.live_agent_ids = live_agent_ids
        self._expected = {*live_agent_ids, ALL}  # whose flags a step without changes returns

    def _with_all_flags(self, result: StepResult) -> StepResult:
        known_terminations, known_truncations = result.terminations, result.truncations
        all_terminated, all_truncated = known_terminations[ALL], known_truncations[ALL]
        terminations: dict[AgentID, bool] = {}
        truncations: dict[AgentID, bool] = {}
        for agent_id in dict.fromkeys((*self.live_agent_ids, *known_terminations)):
            terminated = bool(known_terminations.get(agent_id, False))
            truncated = bool(known_truncations.get(agent_id, agent_id not in known_terminations))
            if not (terminated or truncated):
                terminated, truncated = bool(all_terminated), bool(all_truncated)
            terminations[agent_id], truncations[agent_id] = terminated, truncated
        return result._replace(terminations=terminations, truncations=truncations)
