"""Envs in which leaders and followers act in turn."""

from collections.abc import Mapping, Sequence
from typing import Any

import phantom_core as ph
from phantom._layer.predecessor_rules import PaidWhenSeen, StageRules
from phantom.env import PhantomEnv
from phantom.network import Network
from phantom.supertype import Supertype
from phantom.types import AgentID


class StackelbergEnv(PhantomEnv):
    """Leaders act in steps 1, 3, …, followers in steps 2, 4, …; others only answer messages."""

    def __init__(
        self,
        num_steps: int | None,
        network: Network,
        leader_agents: Sequence[AgentID],
        follower_agents: Sequence[AgentID],
        env_supertype: Supertype | Mapping[str, Any] | None = None,
        agent_supertypes: Mapping[AgentID, Supertype | Mapping[str, Any]] | None = None,
    ) -> None:
        for agent_id in [*leader_agents, *follower_agents]:
            assert agent_id in network.agent_ids, f"Agent '{agent_id}' not in network."
        for agent_id in leader_agents:
            assert agent_id not in follower_agents, f"Agent '{agent_id}' is both leader and follower."
        super().__init__(num_steps, network, env_supertype, agent_supertypes)
        self.leader_agents = leader_agents
        self.follower_agents = follower_agents
        self.reward_ledger = PaidWhenSeen(self)
        self.step_rules = StageRules()
        self.turn_order = _LeadersThenFollowers(leader_agents, follower_agents)


class _LeadersThenFollowers:
    """The turn order: it follows from the number of the step."""

    def __init__(self, leaders: Sequence[AgentID], followers: Sequence[AgentID]) -> None:
        self._turns = (
            ph.Turn("leaders", tuple(leaders), tuple(leaders)),
            ph.Turn("followers", tuple(followers), tuple(followers)),
        )

    def first(self, env: Any) -> ph.Turn:
        """Return the turn of the step that comes next."""
        return self._turns[env.current_step % 2]

    def advance(self, env: Any, turn: ph.Turn) -> ph.Turn:
        """Resolve the messages; then it is the others' turn."""
        env.resolve_network()
        return self._turns[env.current_step % 2]
