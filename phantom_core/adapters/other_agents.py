"""`OtherAgents`: plays given policies for every agent of an env but one."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeGuard

import gymnasium as gym
import numpy as np

from phantom_core.envs.step_result import MultiAgentEnv, Roster
from phantom_core.errors import EnvError, ObservationError, PolicyMappingError
from phantom_core.hooks.plugin_manager import everything_offered
from phantom_core.policies import policy_mapping
from phantom_core.policies.policy import BasePolicy, Policy, RecurrentPolicy
from phantom_core.policies.policy_mapping import AgentSelection, PolicyChoice, PolicyMapping, PolicySpec
from phantom_core.policies.policy_states import PolicyStates
from phantom_core.rollouts.space_batcher import OutsideSpaceError, make_batcher
from phantom_core.seeding import RowStreams, UniformStream, derive_seed, make_rng, small_seed
from phantom_core.types import Action, AgentID, Observation, PolicyID
from phantom_core.world.agents import Agent

OtherPolicies: TypeAlias = (
    PolicyMapping | Mapping[AgentID, PolicyChoice | tuple[PolicyChoice, Mapping[str, Any]]]
)
"""A policy mapping, or by agent id: a policy (an instance, a class, a registered name), or
`(policy, config)`."""


class OtherAgents:
    """Decides for every strategic agent of an env but one."""

    def __init__(self, env: MultiAgentEnv, agent_id: AgentID, other_policies: OtherPolicies) -> None:
        """Build the policies; those that are given as instances are copied."""
        self._env = env
        self._specs = {
            policy_id: replace(spec, agents=_without(agent_id, policy_id, spec.agents))
            for policy_id, spec in _parse(other_policies).items()
        }
        grouped = policy_mapping.group_agents(_OtherRoster(env, agent_id), self._specs)
        groups = {
            policy_id: replace(  # its action space is seeded, so it is its own
                group,
                spec=replace(group.spec, policy=_own(group.spec.policy, policy_id)),
                action_space=copy.deepcopy(group.action_space),
            )
            for policy_id, group in grouped.items()
        }
        self._policy_by_agent = {i: policy_id for policy_id, group in groups.items() for i in group.agent_ids}
        self.policies: dict[PolicyID, BasePolicy] = policy_mapping.make_policies(
            groups, {}, lambda name: everything_offered().find("policy", name).load(), seed=0
        )
        self._batchers = {i: make_batcher(policy.observation_space) for i, policy in self.policies.items()}
        self._streams: dict[PolicyID, UniformStream] = {}
        self._memories: dict[PolicyID, tuple[PolicyStates, dict[AgentID, int]]] = {}  # the row of each agent

    def begin_episode(self, seed: int) -> None:
        """Let all that the policies draw follow from a seed."""
        self._memories.clear()
        for policy_id, policy in self.policies.items():
            self._streams[policy_id] = UniformStream(make_rng(seed, "actions", policy_id))
            policy.action_space.seed(small_seed(derive_seed(seed, "action_space", policy_id)))

    def decide(self, observations: Mapping[AgentID, Observation]) -> dict[AgentID, Action]:
        """Return the actions of the agents that observed this."""
        rows: dict[PolicyID, list[AgentID]] = {}
        for agent_id in observations:
            rows.setdefault(self._policy_of(agent_id), []).append(agent_id)
        decided: dict[AgentID, Action] = {}
        for policy_id, agent_ids in rows.items():
            actions = self._ask(policy_id, agent_ids, [observations[i] for i in agent_ids])
            decided.update(zip(agent_ids, actions, strict=True))
        return decided

    def _ask(
        self, policy_id: PolicyID, agent_ids: Sequence[AgentID], observations: Sequence[Observation]
    ) -> Sequence[Action]:
        """Ask a policy as the collector does: once for all its agents, with batched observations."""
        policy = self.policies[policy_id]
        try:
            batch = self._batchers[policy_id].checked(observations)
        except OutsideSpaceError as error:
            raise ObservationError(
                f"Observation of {agent_ids[error.index]!r} is {observations[error.index]!r}, but its "
                f"observation space is {policy.observation_space}. Change encode_observation() or the space."
            ) from None
        draws = RowStreams([self._streams[policy_id]] * len(observations)) if policy.acts_randomly else None
        if isinstance(policy, RecurrentPolicy):
            memory, known = self._memories.setdefault(policy_id, (PolicyStates(policy), {}))
            for agent_id in agent_ids:
                if agent_id not in known:
                    known[agent_id] = len(known)
                    memory.reset(known[agent_id])
            own = np.array([known[agent_id] for agent_id in agent_ids])
            actions, _ = memory.ask(policy_id, own, memory.take(own), batch, draws)
        elif isinstance(policy, Policy) and draws is not None:
            actions = policy.sample_actions(batch, draws)[0]
        else:
            assert isinstance(policy, Policy)
            actions = policy.compute_actions(batch)
        return actions if draws is None else policy.env_actions(actions)

    def _policy_of(self, agent_id: AgentID) -> PolicyID:
        """Return the policy of an agent; of one that joined, the first that selects it."""
        if agent_id not in self._policy_by_agent:
            agent = self._env.agents[agent_id]
            found = [i for i, spec in self._specs.items() if policy_mapping.applies(spec.agents, agent)]
            if not found:
                raise EnvError(
                    f"Agent {agent_id!r} joined, but other_policies has no policy for it. Select agents that "
                    "join by class or by a predicate."
                )
            self._policy_by_agent[agent_id] = found[0]
        return self._policy_by_agent[agent_id]


class _OtherRoster:
    """The agents of an env without one."""

    def __init__(self, env: Roster, agent_id: AgentID) -> None:
        self.agents = {i: agent for i, agent in env.agents.items() if i != agent_id}
        self.strategic_agent_ids = [i for i in env.strategic_agent_ids if i != agent_id]
        self.observation_spaces: Mapping[AgentID, gym.Space[Any]] = env.observation_spaces
        self.action_spaces: Mapping[AgentID, gym.Space[Any]] = env.action_spaces


def _parse(other_policies: OtherPolicies) -> dict[PolicyID, PolicySpec]:
    """Turn the short forms by agent id into specs; the one parser does the rest."""
    if not isinstance(other_policies, Mapping):
        raise PolicyMappingError(
            f"other_policies is {other_policies!r}. Expected a mapping, such as {{'RIVAL': 'random'}} or "
            "{'rivals': ('random', ['RIVAL'])}."
        )
    specs: dict[Any, Any] = {}
    for key, value in other_policies.items():
        policy_id = key if isinstance(key, str) else repr(key)
        match value:
            case (policy, Mapping() as config) if _is_policy(policy):
                specs[policy_id] = PolicySpec(agents=[key], policy=policy, config=config)
            case _ if _is_policy(value):
                specs[policy_id] = PolicySpec(agents=[key], policy=value)
            case _:
                specs[key] = value
    return policy_mapping.parse_policy_mapping(specs) if specs else {}


def _is_policy(value: object) -> TypeGuard[PolicyChoice]:
    return isinstance(value, (BasePolicy, str)) or (isinstance(value, type) and issubclass(value, BasePolicy))


def _without(agent_id: AgentID, policy_id: PolicyID, agents: AgentSelection) -> AgentSelection:
    """Let a class or a predicate select among the others; refuse a list that names the one agent."""
    if isinstance(agents, type) or callable(agents):

        def others(agent: Agent) -> bool:
            return agent.id != agent_id and policy_mapping.applies(agents, agent)

        others.__name__ = getattr(agents, "__name__", repr(agents))
        return others
    if agent_id in agents:
        raise PolicyMappingError(
            f"other_policies gives policy {policy_id!r} to {agent_id!r}, the agent that is played from "
            "outside. Leave it out."
        )
    return agents


def _own(choice: PolicyChoice | None, policy_id: PolicyID) -> PolicyChoice:
    if choice is None:
        raise PolicyMappingError(
            f"other_policies says who uses policy {policy_id!r}, but not what it is. Nothing is trained "
            f"here: write ('random', [ids]) or (policy, AgentClass)."
        )
    return copy.deepcopy(choice) if isinstance(choice, BasePolicy) else choice
