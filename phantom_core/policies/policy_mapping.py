"""The mapping from agents to policies: its forms, parsing and checks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import gymnasium as gym

from phantom_core.envs.step_result import Roster
from phantom_core.errors import PhantomError, PolicyMappingError, did_you_mean, error_text, listing
from phantom_core.policies.policy import BasePolicy, made_policy
from phantom_core.secrets import Secrets, masked
from phantom_core.seeding import make_rng
from phantom_core.types import AgentID, PolicyID
from phantom_core.world.agents import Agent
from phantom_core.world.strategic_agents import StrategicAgent

_log = logging.getLogger("phantom_core")

AgentSelection: TypeAlias = type[Agent] | Sequence[AgentID] | Callable[[Agent], bool]
"""A class, a list of ids or a predicate. Classes and predicates also select agents that join later."""

PolicyChoice: TypeAlias = type[BasePolicy] | BasePolicy | str
"""A policy class, an instance (used as it is, for example already trained), or a registered name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySpec:
    """The specification of one policy of a run.

    Attributes:
        agents: the agents that use the policy.
        policy: the policy; None: the policy class of the trainer.
        config: the settings of the policy; with `opponents`, those of `PastPolicies`.
        trainer: the trainer that trains it: a registered name, a reference, a class or an object; None: the
            trainer of the run.
        train: whether the policy is trained; None: whether `policies_to_train` names it, which by default
            names the policies with `policy=None`.
        opponents: `"past"`: its agents act by snapshots of a policy that is trained, see `PastPolicies`.
    """

    agents: AgentSelection
    policy: PolicyChoice | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    trainer: Any = None
    train: bool | None = None
    opponents: Literal["past"] | None = None


PolicyMapping: TypeAlias = Mapping[
    PolicyID,
    PolicySpec
    | AgentSelection
    | tuple[PolicyChoice, AgentSelection]
    | tuple[PolicyChoice, AgentSelection, Mapping[str, Any]],
]
"""Policy by id, as a `PolicySpec` or in a short form.

`AgentClass` · `[ids]` · `(policy, AgentClass)` · `(policy, AgentClass, config)` · `(policy, [ids])` ·
`(policy, [ids], config)`. A predicate may replace the agent class.
"""


@dataclass(frozen=True, slots=True)
class Group:
    """The agents of one policy and their common spaces."""

    policy_id: PolicyID
    spec: PolicySpec
    agent_ids: tuple[AgentID, ...]
    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]

    def differences(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any]
    ) -> Iterator[tuple[str, gym.Space[Any], gym.Space[Any]]]:
        """Yield each space that differs from that of the group: its kind, the space and the group's."""
        if observation_space is not self.observation_space and observation_space != self.observation_space:
            yield "observation", observation_space, self.observation_space
        if action_space is not self.action_space and action_space != self.action_space:
            yield "action", action_space, self.action_space


def parse_policy_mapping(policies: PolicyMapping) -> dict[PolicyID, PolicySpec]:
    """Convert every short form to a `PolicySpec`, or raise PolicyMappingError."""
    if not isinstance(policies, Mapping) or not policies:
        raise PolicyMappingError(
            f"policies is {policies!r}. Expected a mapping from policy ids to agents, such as "
            f"{{'shop': ['SHOP']}}."
        )
    for policy_id in policies:
        if not isinstance(policy_id, str) or not policy_id:
            expected = "Expected a text that is not empty, such as 'shop'."
            raise PolicyMappingError(f"A policy has the id {policy_id!r}. {expected}")
    return {policy_id: _parse(policy_id, value) for policy_id, value in policies.items()}


def group_agents(env: Roster, specs: Mapping[PolicyID, PolicySpec]) -> dict[PolicyID, Group]:
    """Return the group of agents of each policy.

    Raises PolicyMappingError if an agent is unknown, does not act, has no policy or two, or has other spaces
    than its group, or if a policy has no agents. A class or predicate may select nobody yet, if the agent
    class has spaces or the policy is made already: it is for agents that join later, and a warning says so.
    """
    observation_spaces, action_spaces = env.observation_spaces, env.action_spaces
    policy_by_agent: dict[AgentID, PolicyID] = {}
    groups: dict[PolicyID, Group] = {}
    for policy_id, spec in specs.items():
        agent_ids = _select(env, policy_id, spec.agents)
        for agent_id in agent_ids:
            if agent_id in policy_by_agent:
                raise PolicyMappingError(
                    f"Agent {agent_id!r} is in two policies: {policy_by_agent[agent_id]!r} and "
                    f"{policy_id!r}. Leave it in one."
                )
            policy_by_agent[agent_id] = policy_id
        if not agent_ids:
            groups[policy_id] = _group_of_joiners(env, policy_id, spec)
            continue
        first = agent_ids[0]
        group = Group(policy_id, spec, agent_ids, observation_spaces[first], action_spaces[first])
        for agent_id in agent_ids[1:]:
            for what, own, shared in group.differences(observation_spaces[agent_id], action_spaces[agent_id]):
                raise PolicyMappingError(
                    f"Agents {first!r} and {agent_id!r} share policy {policy_id!r}, but their {what} spaces "
                    f"differ: {shared} and {own}. Give them two policies, or equal spaces."
                )
        groups[policy_id] = group
    left = [agent_id for agent_id in env.strategic_agent_ids if agent_id not in policy_by_agent]
    if left:
        raise PolicyMappingError(
            f"There is no policy for {listing(left)}. Select every agent that acts in one of the policies "
            f"({listing(specs)}), or give it one that does not learn, such as 'random'."
        )
    return groups


def select_policies_to_train(
    specs: Mapping[PolicyID, PolicySpec], policies_to_train: Iterable[PolicyID] | None
) -> tuple[PolicyID, ...]:
    """Return the ids of the policies that are trained.

    Raises PolicyMappingError if there are none, an id is unknown, `policies_to_train` contradicts the `train`
    of a spec, or a spec names a trainer for a policy that is not trained.
    """
    if policies_to_train is None:
        chosen = [
            i
            for i, spec in specs.items()
            if spec.train or (spec.train is None and spec.policy is None and spec.opponents is None)
        ]
        for policy_id, spec in specs.items():
            if spec.trainer is not None and spec.policy is not None and spec.train is None:
                raise PolicyMappingError(
                    f"Policy {policy_id!r} names a trainer, {spec.trainer!r}, but a policy of its own too, "
                    "so that it is not trained. Give it train=True, or leave the trainer out."
                )
        past = [i for i, spec in specs.items() if spec.opponents is not None]
        if not chosen and past:
            raise PolicyMappingError(
                f"There is nothing to train: {listing(past)} would act by snapshots of a policy that is "
                "trained (opponents='past'), and none is. Leave opponents out of the one that learns, and "
                "give it no policy of its own."
            )
        if not chosen:
            raise PolicyMappingError(
                f"There is nothing to train: each of {listing(specs)} has a policy of its own or "
                "train=false. Say train=true, or name at least one in policies_to_train."
            )
    else:
        if isinstance(policies_to_train, str) or not isinstance(policies_to_train, Iterable):
            wrong = f"policies_to_train is {policies_to_train!r}"
            raise PolicyMappingError(f"{wrong}. Expected a list of policy ids: {listing(specs)}.")
        chosen = list(policies_to_train)
        if not chosen:
            cure = f"Name at least one of the policies: {listing(specs)}."
            raise PolicyMappingError(f"policies_to_train is empty: there is nothing to train. {cure}")
    for policy_id in chosen:
        if policy_id not in specs:
            wrong = f"policies_to_train names {policy_id!r}, but there is no such policy"
            hint = did_you_mean(policy_id, specs)
            raise PolicyMappingError(f"{wrong}.{hint} Policies: {listing(specs)}.")
        if specs[policy_id].opponents is not None:
            raise PolicyMappingError(
                f"policies_to_train names {policy_id!r}, but it acts by snapshots of another policy: "
                f"opponents={specs[policy_id].opponents!r}. Name the one that learns, which has no opponents."
            )
        if specs[policy_id].train is False:
            names = f"policies_to_train names {policy_id!r}"
            raise PolicyMappingError(f"{names}, but its spec says train=False. Change one of the two.")
    for policy_id, spec in specs.items():
        if spec.train and policy_id not in chosen:
            raise PolicyMappingError(
                f"The spec of policy {policy_id!r} says train=True, but policies_to_train leaves it out. "
                "Change one of the two."
            )
    return tuple(dict.fromkeys(chosen))


def make_policies(
    groups: Mapping[PolicyID, Group],
    default_class_by_policy: Mapping[PolicyID, type[BasePolicy]],
    load: Callable[[str], type[BasePolicy]],
    seed: int,
) -> dict[PolicyID, BasePolicy]:
    """Construct the policy of each group; instances are used as they are, those with `opponents` left out.

    `load` returns the policy class with a registered name. The seed of each policy is derived from the run's
    seed and the policy's id. Raises PolicyMappingError if a policy cannot be constructed, or an instance has
    other spaces than its group.
    """
    policies: dict[PolicyID, BasePolicy] = {}
    for policy_id, group in groups.items():
        if group.spec.opponents is not None:
            continue  # made of others, by `add_past_policies`
        choice: object = group.spec.policy
        if choice is None:
            choice = default_class_by_policy[policy_id]
        if isinstance(choice, BasePolicy):
            for what, own, needed in group.differences(choice.observation_space, choice.action_space):
                raise PolicyMappingError(
                    f"Policy {policy_id!r} is a {type(choice).__name__} made for the {what} space {own}, but "
                    f"agent {group.agent_ids[0]!r} has {needed}. Use a policy made for it."
                )
            policies[policy_id] = choice
            continue
        policy_class = load(choice) if isinstance(choice, str) else choice
        if not (isinstance(policy_class, type) and issubclass(policy_class, BasePolicy)):
            raise PolicyMappingError(
                f"Policy {policy_id!r} is {getattr(policy_class, '__name__', repr(policy_class))}. Expected "
                "a policy class, an instance or a registered name such as 'random'."
            )
        policies[policy_id] = _build(group, policy_class)
        policies[policy_id].seed(make_rng(seed, "policy", policy_id))
    return policies


def _build(group: Group, policy_class: type[BasePolicy]) -> BasePolicy:
    config = group.spec.config
    try:
        return made_policy(policy_class, group.observation_space, group.action_space, config)
    except PhantomError as error:
        raise PolicyMappingError(f"Policy {group.policy_id!r}: {error}") from error
    except Exception as error:  # a user's constructor may raise anything
        raise PolicyMappingError(
            f"Policy {group.policy_id!r} ({policy_class.__name__}) could not be built: "
            f"{Secrets.of(config).hide(error_text(error))}. Its config: {masked(dict(config))}."
        ) from error


def _parse(policy_id: PolicyID, value: Any) -> PolicySpec:
    if isinstance(value, PolicySpec):
        agents = value.agents
        if isinstance(agents, str) or not (callable(agents) or isinstance(agents, Iterable)):
            expected = f"Expected an agent class, a predicate or a list of ids, such as [{agents!r}]."
            raise PolicyMappingError(f"Policy {policy_id!r} has agents={agents!r}. {expected}")
        if value.train is not None and not isinstance(value.train, bool):
            wrong = f"Policy {policy_id!r} has train={value.train!r}"
            raise PolicyMappingError(f"{wrong}. Expected True, False or None.")
        if not isinstance(value.config, Mapping):
            wrong = f"Policy {policy_id!r} has config={value.config!r}"
            raise PolicyMappingError(f"{wrong}. Expected a dict of its settings, such as {{}}.")
        if value.opponents is not None:
            _check_opponents(policy_id, value)
        return value
    if _is_selection(value):
        return PolicySpec(agents=value)
    if not isinstance(value, tuple):
        hint = f" An agent's id stands in a list: [{value!r}]." if isinstance(value, str) else ""
        raise PolicyMappingError(
            f"Policy {policy_id!r} is {value!r}. Expected an agent class, a list of agent ids, a "
            f"tuple (policy, agents, config) or a PolicySpec.{hint}"
        )
    match value:
        case (policy, agents) if _is_choice(policy) and _is_selection(agents):
            return PolicySpec(policy=policy, agents=agents)
        case (policy, agents, Mapping() as config) if _is_choice(policy) and _is_selection(agents):
            return PolicySpec(policy=policy, agents=agents, config=config)
    raise PolicyMappingError(
        f"Policy {policy_id!r} is {value!r}. Expected (policy, agents) or (policy, agents, config), "
        "where agents is an agent class or a list of ids; a group of ids alone is a list."
    )


def _check_opponents(policy_id: PolicyID, spec: PolicySpec) -> None:
    """Raise if a policy that is to act by the past of another is to be something else too."""
    if spec.opponents != "past":
        expected = "Expected 'past', or None."
        raise PolicyMappingError(f"Policy {policy_id!r} has opponents={spec.opponents!r}. {expected}")
    for name in ("policy", "trainer", "train"):
        value = getattr(spec, name)
        if value is not None and value is not False:
            raise PolicyMappingError(
                f"Policy {policy_id!r} has opponents='past', so it acts by snapshots of a policy that is "
                f"trained, but {name}={value!r} too. Leave one of the two out."
            )


def _is_choice(value: object) -> bool:
    return isinstance(value, (BasePolicy, str)) or _is_class(value, BasePolicy)


def _is_selection(value: object) -> bool:
    is_predicate = callable(value) and not isinstance(value, type)
    return is_predicate or isinstance(value, list) or _is_class(value, Agent)


def _is_class(value: object, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base)


def _select(env: Roster, policy_id: PolicyID, agents: AgentSelection) -> tuple[AgentID, ...]:
    if isinstance(agents, type) or callable(agents):
        strategic = set(env.strategic_agent_ids)
        selected = [i for i, agent in env.agents.items() if i in strategic and applies(agents, agent)]
    else:
        selected = list(agents)
        for agent_id in selected:
            _check_agent(env, policy_id, agent_id)
    return tuple(selected)


def _group_of_joiners(env: Roster, policy_id: PolicyID, spec: PolicySpec) -> Group:
    """Return the group of a policy whose agents are to join later, with the spaces of its policy or class."""
    agents, sources = spec.agents, (spec.policy, spec.agents)
    what = getattr(agents, "__name__", repr(agents))
    acting = env.strategic_agent_ids
    found = f"Policy {policy_id!r} has no agents: {what} selects none of those that act ({listing(acting)})."
    for source in sources if callable(agents) and acting else ():
        observed, played = getattr(source, "observation_space", None), getattr(source, "action_space", None)
        if isinstance(observed, gym.Space) and isinstance(played, gym.Space):
            _log.warning("%s It is for agents that join later.", found)
            return Group(policy_id, spec, (), observed, played)
    cure = (
        " If they join later, select them by a class that has observation_space and action_space, or give a "
        "policy that was made."
    )
    raise PolicyMappingError(f"{found} Select at least one.{cure if callable(agents) and acting else ''}")


def policies_for(agent: Agent, specs: Mapping[PolicyID, PolicySpec]) -> list[PolicyID]:
    """Return the ids of the policies whose class or predicate selects an agent that joins."""
    return [i for i, spec in specs.items() if callable(spec.agents) and applies(spec.agents, agent)]


def applies(agents: AgentSelection, agent: Agent) -> bool:
    """Return whether a selection selects an agent."""
    if isinstance(agents, type):
        return isinstance(agent, agents)
    if callable(agents):
        return bool(agents(agent))
    return agent.id in agents


def _check_agent(env: Roster, policy_id: PolicyID, agent_id: AgentID) -> None:
    if _is_class(agent_id, Agent):
        name = getattr(agent_id, "__name__", repr(agent_id))
        cure = f"Write the class without a list: {name}."
        raise PolicyMappingError(f"Policy {policy_id!r} has the class {name} in a list of agent ids. {cure}")
    try:
        is_there = agent_id in env.agents
    except TypeError:
        if isinstance(agent_id, list):
            why = f"a list is no agent id. Write a tuple: {tuple(agent_id)!r}."
        else:
            acting = f"Agents that act: {listing(env.strategic_agent_ids)}."
            why = f"a {type(agent_id).__name__} is no agent id: it is not hashable. {acting}"
        raise PolicyMappingError(f"Policy {policy_id!r} names agent {agent_id!r}, but {why}") from None
    if not is_there:
        raise PolicyMappingError(
            f"Policy {policy_id!r} names agent {agent_id!r}, but there is no such agent."
            f"{did_you_mean(agent_id, env.agents)} Agents that act: {listing(env.strategic_agent_ids)}."
        )
    if not isinstance(env.agents[agent_id], StrategicAgent):
        cls = type(env.agents[agent_id]).__name__
        raise PolicyMappingError(
            f"Policy {policy_id!r} names agent {agent_id!r}, but a {cls} does not act. Agents "
            f"that act: {listing(env.strategic_agent_ids)}."
        )
