"""`Playthrough`: plays an env and keeps track of its agents, for adapters to other libraries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from phantom_core.envs.reward_ledger import step_with_numbers
from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.errors import ConfigError, EnvError, did_you_mean, listing
from phantom_core.types import Action, AgentID, Observation
from phantom_core.world.agents import ALL


class Playthrough:
    """Plays a multi-agent env and keeps track of its agents: who is in the episode, what each observed.

    An agent is to decide when it has an observation that it has not acted on yet and the env lets it act
    in the next step. This is the rule of the collector, so an adapter that asks `deciding_agent_ids` for
    actions plays the env as training does, in every order of turns.

    Attributes:
        env: the env.
        live_agent_ids: the strategic agents that are in the episode; empty before the first reset and
            after the end of an episode.
        observations: the newest observation of each agent that observed in this episode, also of those
            that ended.
        infos: the newest info of each of these agents.
        is_over: whether `reset` is needed: True before the first episode, and after the end of one.

    >>> import phantom_core as ph
    >>> play = ph.tools.Playthrough(ph.GymnasiumEnv("FrozenLake-v1", is_slippery=False))
    >>> play.reset(seed=1)
    >>> while not play.is_over:
    ...     result = play.step(dict.fromkeys(play.deciding_agent_ids, 1))  # always down
    >>> int(play.observations["agent"]), result.terminations["agent"]
    (12, True)
    """

    def __init__(self, env: MultiAgentEnv) -> None:
        """Keep an env, such as a `ph.PhantomEnv` or `ph.GymnasiumEnv`; `reset` starts the first episode.

        Raises `ConfigError` if it is a class, or no multi-agent env.
        """
        if isinstance(env, type) or not hasattr(env, "strategic_agent_ids"):
            name = f"the class {env.__name__}" if isinstance(env, type) else f"a {type(env).__name__}"
            advice = "Give an instance of a ph.PhantomEnv, or an adapter such as ph.GymnasiumEnv."
            raise ConfigError(f"Expected a multi-agent env, but got {name}. {advice}")
        self.env = env
        self._step = step_with_numbers(env)
        self._go_on_with([])
        self.observations: dict[AgentID, Observation] = {}
        self.infos: dict[AgentID, dict[str, Any]] = {}
        self.is_over = True
        self._unanswered: dict[AgentID, None] = {}  # those who observed and have not acted on it
        self._action_spaces: Mapping[AgentID, gym.Space[Any]] = {}

    def reset(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Start an episode: `observations`, `infos` and `live_agent_ids` are those of its beginning."""
        observations, infos = self.env.reset(seed=seed, options=options)
        self.observations, self.infos = dict(observations), dict(infos)
        self._go_on_with(list(self.env.strategic_agent_ids))
        self._unanswered = dict.fromkeys(observations)
        self.is_over = False

    @property
    def deciding_agent_ids(self) -> list[AgentID]:
        """The agents that are to decide now, in the order in which they observed; none if `is_over`.

        The list may be empty while the episode goes on, when nobody acts in the next step. Play it with
        `step({})`.
        """
        if self.is_over:
            return []
        acting = self.env.acting_agent_ids
        acting = frozenset(acting) if isinstance(acting, tuple) else acting
        return [agent_id for agent_id in self._unanswered if acting is None or agent_id in acting]

    def check_action(self, agent_id: AgentID, action: Action) -> None:
        """Raise if an action is not an element of an agent's action space.

        `step` does not check actions. In a Box an action may have another numeric dtype, and be outside a
        bound by a rounding error: libraries that compute actions between -1 and 1 and stretch them to the
        bounds are off by that much. The space of an agent is read from the env when it is first needed.

        Raises:
            EnvError: if the action is outside the space, or the env has no such strategic agent.
        """
        if agent_id not in self._action_spaces:
            self._action_spaces = self.env.action_spaces  # computed for all agents
        space = self._action_spaces.get(agent_id)
        if space is None:
            hint = did_you_mean(agent_id, self._action_spaces)
            raise EnvError(
                f"There is an action for {agent_id!r}, but no such agent acts.{hint} Agents that act: "
                f"{listing(self._action_spaces)}."
            )
        if not (space.contains(action) or _is_almost_inside(space, action)):
            dtype = f" of dtype {action.dtype}" if isinstance(action, np.ndarray) else ""
            raise EnvError(
                f"The action of {agent_id!r} is {action!r}{dtype}, but its action space is {space}. Give an "
                "element of the space."
            )

    def step(self, actions: Mapping[AgentID, Action]) -> StepResult:
        """Play one step of the env.

        Args:
            actions: the actions of `deciding_agent_ids`, by agent id. They are handed to the env as they
                are; an agent that is left out stays among those that are to decide.

        Returns:
            What the env returned, with the flags completed. Every agent that was in the episode has both
            flags: when the episode ends, an agent without a flag of its own gets the flags of the episode,
            and one that the env no longer mentions is truncated. A reward of None is left out.
        """
        result = self._step(actions)
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


def _is_almost_inside(space: gym.Space[Any], action: Action) -> bool:
    """Tell whether an action is an element of a Box but for its dtype and rounding errors."""
    if not (isinstance(space, gym.spaces.Box) and isinstance(action, np.ndarray)):
        return False
    if action.shape != space.shape or not np.can_cast(action.dtype, space.dtype, "same_kind"):
        return False
    inside = np.clip(action, space.low, space.high)
    return bool(np.allclose(action, inside, rtol=_ROUNDING, atol=_ROUNDING))


_ROUNDING = 1e-6
