"""The rules by which a step is settled: `StepRules`, where a kind of env may differ from the default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from phantom_core.envs.env_checks import check_ignored_actions
from phantom_core.types import Action, AgentID

if TYPE_CHECKING:
    from phantom_core.envs.env import PhantomEnv
    from phantom_core.envs.turns import Turn


class StepRules:
    """What agents see, when they are rewarded, and when an episode ends. The defaults suit new models.

    Set `step_rules` of an env to an instance of a subclass to play by other rules.

    Attributes:
        has_fresh_views: whether agents observe, and are rewarded by, the views as they are after the
            messages were resolved; else as they were at the start of the step.
        pays_unseen: whether a reward is also computed for an agent whose observation is None; it is
            owed until the agent observes.
        reports_leavers: whether who was removed from the network in a step is in its result, as terminated.
        pays_newcomers: whether an agent that joined in a step is rewarded for it.
        has_final_observation: whether an agent that is cut off, and was not to observe, observes once
            more.
        has_first_infos: whether infos are collected with the observations of `reset`.
        needs_reset: whether a step before the first reset, or after the end of an episode, is an error.
    """

    has_fresh_views: ClassVar[bool] = True
    pays_unseen: ClassVar[bool] = True
    reports_leavers: ClassVar[bool] = True
    pays_newcomers: ClassVar[bool] = False
    has_final_observation: ClassVar[bool] = True
    has_first_infos: ClassVar[bool] = True
    needs_reset: ClassVar[bool] = True

    def cut_off(self, env: PhantomEnv, next_turn: Turn | None) -> tuple[bool, bool]:
        """Tell whether everybody is terminated, and truncated, with this step; asked before they observe.

        Args:
            env: the env.
            next_turn: the turn that comes next; None: the turn order ended the episode.
        """
        return env.is_terminated() or next_turn is None, env.is_truncated()

    def note_ends(
        self,
        env: PhantomEnv,
        ended: Iterable[AgentID],
        terminations: Mapping[AgentID, bool],
        truncations: Mapping[AgentID, bool],
    ) -> None:
        """Note which agents ended with this step; who is terminated and truncated counts as terminated.

        Args:
            env: the env, whose `terminated_agent_ids` and `truncated_agent_ids` are added to.
            ended: the agents.
            terminations: whether each agent is terminated.
            truncations: whether each agent is truncated.
        """
        for agent_id in ended:
            noted = env.terminated_agent_ids if terminations[agent_id] else env.truncated_agent_ids
            noted.add(agent_id)

    def conclude(
        self, env: PhantomEnv, *, terminated: bool, truncated: bool, is_deserted: bool
    ) -> tuple[bool, bool]:
        """Return `"__all__"` of terminations and of truncations; asked after the agents observed.

        Args:
            env: the env.
            terminated: what `cut_off` said.
            truncated: likewise.
            is_deserted: whether the last agents that were in play ended or left with this step.
        """
        if is_deserted and not terminated:
            return not env.truncated_agent_ids, truncated or bool(env.truncated_agent_ids)
        return terminated, truncated

    def check_unused_actions(self, env: PhantomEnv, actions: Mapping[AgentID, Action]) -> None:
        """Called if some actions had no use: agents that ended, or whose turn it is not, are no error.

        Raises:
            EnvError: for agents that do not exist, or never act.
        """
        check_ignored_actions(env.agents, actions)
