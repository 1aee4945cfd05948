"""Which agents play a policy of a run, also in an env that has other agents than the run had."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.seeding import derive_seed
from phantom_core.types import AgentID, PolicyID
from phantom_core.world.agents import Agent


@dataclass(frozen=True, slots=True)
class AgentsOfRun:
    """Selects the agents that had a policy in a run, and those of a class that only this policy had."""

    agent_ids: frozenset[AgentID]
    class_names: frozenset[str]

    def __call__(self, agent: Agent) -> bool:
        """Return whether an agent is selected."""
        return agent.id in self.agent_ids or _class_name(agent) in self.class_names


def agents_of_run(
    make_env: Callable[[], MultiAgentEnv],
    run_seed: int,
    policy_by_agent: Mapping[AgentID, PolicyID],
    policy_ids: Collection[PolicyID],
) -> dict[PolicyID, AgentsOfRun]:
    """Return which agents each policy is for: those that had it, and others of a class that only it had.

    Args:
        make_env: makes the env that the run had.
        run_seed: the seed of the run.
        policy_by_agent: policy id by agent id, in the run.
        policy_ids: the policies.
    """
    env = make_env()
    try:
        env.reset(seed=derive_seed(run_seed, "setup"))  # some build their network in reset
        class_by_agent = {agent_id: _class_name(agent) for agent_id, agent in env.agents.items()}
    finally:
        env.close()
    owners: dict[str, set[str]] = {}  # the policies of each class
    for agent_id, policy_id in policy_by_agent.items():
        owners.setdefault(class_by_agent.get(agent_id, ""), set()).add(policy_id)
    return {
        policy_id: AgentsOfRun(
            frozenset(agent_id for agent_id, own in policy_by_agent.items() if own == policy_id),
            frozenset(name for name, own in owners.items() if name and own == {policy_id}),
        )
        for policy_id in policy_ids
    }


def _class_name(agent: Agent) -> str:
    return f"{type(agent).__module__}.{type(agent).__qualname__}"
