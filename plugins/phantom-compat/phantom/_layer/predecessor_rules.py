"""How the predecessor settles a step: the core's seams, set to its ways."""

from collections.abc import Container, Iterable, Mapping
from typing import Any, ClassVar

import phantom_core as ph
from phantom.types import AgentID


class PredecessorRules(ph.StepRules):
    """Views are those of the start of the step, no reward without an observation, `"__all__"` by kind."""

    has_fresh_views = False
    notices_changes = False
    observes_in_acting_order = True
    pays_unseen = False
    pays_newcomers = True
    reports_leavers = False
    has_final_observation = False
    has_first_infos = False
    needs_reset = False

    def cut_off(self, env: Any, next_turn: ph.Turn | None) -> tuple[bool, bool]:
        """Leave it to the agents: the time limit shows in `"__all__"` only."""
        return False, False

    def note_ends(
        self,
        env: Any,
        ended: Iterable[AgentID],
        terminations: Mapping[AgentID, bool],
        truncations: Mapping[AgentID, bool],
    ) -> None:
        """Note each end by its kind; who is terminated and truncated counts as both."""
        env.terminated_agent_ids.update(agent_id for agent_id in ended if terminations[agent_id])
        env.truncated_agent_ids.update(agent_id for agent_id in ended if truncations[agent_id])

    def conclude(
        self, env: Any, *, terminated: bool, truncated: bool, is_deserted: bool
    ) -> tuple[bool, bool]:
        """Ask the env, after all agents observed."""
        return env.is_terminated(), env.is_truncated()

    def check_unused_actions(self, env: Any, actions: Mapping[AgentID, Any]) -> None:
        """Ignore actions for nobody and for agents that ended; a plain agent cannot decode one.

        Raises:
            AttributeError: if an agent in play that has no `decode_action` got an action.
        """
        for agent_id in actions:
            if agent_id in env.network.contexts and env.acting_agent_ids is None:
                _ = env.agents[agent_id].decode_action


class StageRules(PredecessorRules):
    """In FSM and Stackelberg envs a reward needs no observation."""

    pays_unseen = True


Kept = dict[AgentID, Any]


class PaidNow(ph.RewardLedger):
    """A reward is returned by the step in which it was computed."""

    returns_none: ClassVar[bool] = True  # what `compute_reward` returns

    def __init__(self) -> None:
        super().__init__()
        self._now: Kept = {}

    def reset(self) -> None:
        """Forget the last step."""
        self._now = {}

    def add(self, agent_id: AgentID, reward: Any) -> None:
        """Keep a reward for the result of the step."""
        self._now[agent_id] = reward

    def settle(
        self, observations: Kept, infos: Kept, payees: Container[AgentID] | None
    ) -> tuple[Kept, Kept, Kept]:
        """Return the rewards of this step."""
        rewards, self._now = self._now, {}
        return observations, rewards, infos


class PaidWhenSeen(ph.RewardLedger):
    """The newest reward of an agent is returned whenever the agent observes, and at the end."""

    returns_none: ClassVar[bool] = True  # of agents that were never rewarded

    def __init__(self, env: Any) -> None:
        super().__init__()
        self.env = env
        self.rewards: Kept = dict.fromkeys(env.strategic_agent_ids)

    def reset(self) -> None:
        """Nobody was rewarded yet."""
        self.rewards = dict.fromkeys(self.env.strategic_agent_ids)

    def add(self, agent_id: AgentID, reward: Any) -> None:
        """Keep the newest reward."""
        self.rewards[agent_id] = reward

    def settle(
        self, observations: Kept, infos: Kept, payees: Container[AgentID] | None
    ) -> tuple[Kept, Kept, Kept]:
        """Return the rewards of those who observe; at the end those of all, None for who has none."""
        if payees is None:
            return observations, dict(self.rewards), infos
        known = {agent_id: self.rewards.get(agent_id) for agent_id in observations}
        return observations, {i: reward for i, reward in known.items() if reward is not None}, infos


class Remembered(PaidWhenSeen):
    """The newest of everything is returned at the end of an FSM env's episode.

    Attributes:
        newest: the observations and infos of the last step alone.
    """

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.observations: Kept = {}
        self.infos: Kept = {}
        self.newest: tuple[Kept, Kept] = ({}, {})

    def reset(self) -> None:
        """Forget the last episode."""
        super().reset()
        self.observations, self.infos = {}, {}

    def settle(
        self, observations: Kept, infos: Kept, payees: Container[AgentID] | None
    ) -> tuple[Kept, Kept, Kept]:
        """Return this step's, with the newest reward or None; at the end the newest of every agent."""
        self.newest = observations, infos
        self.observations.update(observations)
        self.infos.update(infos)
        self.env.enter_next_stage()
        if payees is None or self.env.current_stage is None:
            return dict(self.observations), dict(self.rewards), dict(self.infos)
        return observations, {agent_id: self.rewards.get(agent_id) for agent_id in observations}, infos
