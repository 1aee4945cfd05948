"""`make_policies`: policies for the agents of an env, made as a run makes them."""

from __future__ import annotations

from typing import NamedTuple

from phantom_core.envs.step_result import Roster
from phantom_core.errors import PolicyMappingError, listing
from phantom_core.policies import policy_mapping
from phantom_core.policies.policy import BasePolicy
from phantom_core.policies.policy_mapping import PolicyMapping, PolicySpec
from phantom_core.training.components import Components
from phantom_core.types import AgentID, PolicyID


class MadePolicies(NamedTuple):
    """What a `Collector` needs to let policies play.

    Attributes:
        policies: policy by id.
        policy_by_agent: policy id of each strategic agent.
        specs: which policy is for whom, by id, for agents that join later.
    """

    policies: dict[PolicyID, BasePolicy]
    policy_by_agent: dict[AgentID, PolicyID]
    specs: dict[PolicyID, PolicySpec]


def make_policies(env: Roster, policies: PolicyMapping, *, seed: int = 0) -> MadePolicies:
    """Make the policies for an env whose agents are there: reset it before, if its network is made then.

    Args:
        env: the env.
        policies: as for `ph.train`, but each with a policy: an instance, a class or a registered name.
        seed: what new policies are seeded with.

    Raises:
        PolicyMappingError: if agents and policies do not fit together, or a policy is left to a trainer.
        UnknownNameError: if there is no policy of a registered name.
    """
    specs = policy_mapping.parse_policy_mapping(policies)
    left = [policy_id for policy_id, spec in specs.items() if spec.policy is None]
    if left:
        raise PolicyMappingError(
            f"There is no policy in {listing(left)}, and no trainer whose policy could be taken. Give one "
            "with the agents: ('random', agents), (MyPolicy, agents) or (policy, agents)."
        )
    groups = policy_mapping.group_agents(env, specs)
    policy_by_agent = {agent: policy_id for policy_id, group in groups.items() for agent in group.agent_ids}
    load = Components(takes_plugins=False).policy_class
    return MadePolicies(policy_mapping.make_policies(groups, {}, load, seed), policy_by_agent, specs)
