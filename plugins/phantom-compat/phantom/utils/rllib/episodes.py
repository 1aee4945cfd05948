"""One episode of a rollout: its env, who plays in it, and the steps that are recorded."""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import phantom_core as ph
from phantom.metrics import Metric, logging_helper
from phantom.types import AgentID
from phantom.utils.rllib.choosing import Chooser
from phantom.utils.rollout import Step


class Played(NamedTuple):
    """What came of an episode."""

    steps: list[Step]
    metrics: dict[str, Any]


class Episode:
    """An episode that is played step by step.

    An env of the predecessor is played for `num_steps` steps, whatever ends before. Envs that cannot go on
    after their end, and those without `num_steps`, are played to `"__all__"`.

    Attributes:
        observations: what the agents see now.
        policy_by_agent: the run's policy of each agent that has none of its own.
        own_policies: the custom policy of each agent that has one.
    """

    def __init__(
        self,
        env: Any,
        rollout_id: int,
        policies: Mapping[Any, Any],
        custom_policies: Mapping[AgentID, Any],
        metrics: Mapping[str, Metric[Any]],
        *,
        record_messages: bool,
    ) -> None:
        """Reset the env, with the number of the rollout as its seed, and say who plays.

        Raises:
            ValueError: if a custom policy is for an agent that does not act.
            PolicyMappingError: if another agent has no policy.
        """
        self.env = env
        self._seed = rollout_id
        self._metrics, self._values = metrics, {name: list[Any]() for name in metrics}
        self._records_messages = record_messages
        if record_messages:
            env.network.resolver.enable_tracking = True
        self.observations: Mapping[AgentID, Any] = env.reset(seed=rollout_id)[0]
        self.own_policies = {i: self._made(i, custom_policies[i]) for i in custom_policies}
        self.policy_by_agent = _policy_by_agent(_Others(env, self.own_policies), policies)
        self._choosers: dict[AgentID, Chooser] = {}
        self._steps: list[Step] = []
        self._has_ended = False
        rules = getattr(env, "step_rules", None)
        self._length = None if rules is None or rules.needs_reset else env.num_steps

    @property
    def is_over(self) -> bool:
        """Whether all steps were played."""
        return self._has_ended if self._length is None else len(self._steps) >= self._length

    def chooser(self, agent_id: AgentID) -> Chooser:
        """Return what an agent's choices depend on besides its observations."""
        if agent_id not in self._choosers:
            self._choosers[agent_id] = Chooser(self._seed, self.policy_by_agent[agent_id], agent_id)
        return self._choosers[agent_id]

    def step(self, actions: dict[AgentID, Any]) -> None:
        """Play a step, and record it."""
        env = self.env
        stage = getattr(env, "current_stage", None)
        if self._records_messages:
            env.network.resolver.clear_tracked_messages()
        result = env.step(actions)
        messages = (
            copy.deepcopy(list(env.network.resolver.tracked_messages)) if self._records_messages else None
        )
        seen, self.observations = self.observations, result.observations
        self._steps.append(
            Step(
                len(self._steps),
                dict(seen),
                dict(result.rewards),
                dict(result.terminations),
                dict(result.truncations),
                dict(result.infos),
                actions,
                messages,
                stage,
            )
        )
        logging_helper(env, self._metrics, self._values)
        self._has_ended = result.terminations["__all__"] or result.truncations["__all__"]

    def played(self) -> Played:
        """Return the steps, and the metrics as they are reduced in evaluation."""
        reduced = {name: one.reduce(self._values[name], "evaluate") for name, one in self._metrics.items()}
        return Played(self._steps, reduced)

    def _made(self, agent_id: AgentID, policy_class: Any) -> Any:
        """Return a custom policy; its draws from the action space follow from the rollout."""
        if agent_id not in self.env.strategic_agent_ids:
            raise ValueError(
                f"custom_policy_mapping has a policy for {agent_id!r}, but the agents that act are: "
                f"{ph.tools.listing(self.env.strategic_agent_ids)}. Name one of them."
            )
        action_space = copy.deepcopy(self.env.action_spaces[agent_id])
        action_space.seed(ph.seeding.small_seed(ph.seeding.derive_seed(self._seed, "custom", agent_id)))
        return policy_class(self.env.observation_spaces[agent_id], action_space)


class _Others:
    """The agents of an env without some of them, as `phantom_core.make_policies` reads them."""

    def __init__(self, env: Any, without: Mapping[AgentID, Any]) -> None:
        self.agents = {i: agent for i, agent in env.agents.items() if i not in without}
        self.strategic_agent_ids = [i for i in env.strategic_agent_ids if i not in without]
        self.observation_spaces, self.action_spaces = env.observation_spaces, env.action_spaces


def _policy_by_agent(others: _Others, policies: Mapping[Any, Any]) -> dict[AgentID, Any]:
    """Return which policy of the run each agent has; policies whose agents are not there do not count."""
    if not others.strategic_agent_ids:
        return {}
    agents = others.agents.values()
    meant = {i: (policy, who) for i, (policy, who) in policies.items() if any(map(who, agents))}
    return dict(ph.make_policies(others, meant or policies).policy_by_agent)
