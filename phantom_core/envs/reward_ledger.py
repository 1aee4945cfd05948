"""Rewards are added here until they are paid: each exactly once. They are computed by the agents."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from phantom_core.errors import EnvError
from phantom_core.types import AgentID, Observation


class RewardLedger:
    """Owes each agent the sum of its rewards until the agent observes or ends."""

    def __init__(self) -> None:
        self._owed: dict[AgentID, float] = {}

    def reset(self) -> None:
        """Forget what was owed in the last episode."""
        self._owed = {}

    def add(self, agent_id: AgentID, reward: float) -> None:
        """Add a reward that was computed for an agent.

        Raises:
            EnvError: if it is no number.
        """
        try:
            self._owed[agent_id] = self._owed.get(agent_id, 0.0) + reward
        except TypeError:
            raise EnvError(
                f"The reward of {agent_id!r} is {reward!r}. Expected a number: change compute_reward()."
            ) from None

    def settle(
        self,
        observations: dict[AgentID, Observation],
        infos: dict[AgentID, dict[str, Any]],
        payees: Container[AgentID] | None,
    ) -> tuple[dict[AgentID, Observation], dict[AgentID, float], dict[AgentID, dict[str, Any]]]:
        """Called at the end of each step: return the observations, rewards and infos of its result.

        Args:
            observations: of the agents that observed in this step.
            infos: likewise.
            payees: who is paid now: the agents that observed or ended; None: everybody, as the episode
                ended.
        """
        return observations, self.deliver(payees), infos

    def deliver(self, payees: Container[AgentID] | None) -> dict[AgentID, float]:
        """Pay these agents what they are owed; None: everybody."""
        owed, self._owed = self._owed, {}
        if payees is None:
            return owed
        for agent_id in owed:
            if agent_id not in payees:
                break
        else:  # as in most steps
            return owed
        self._owed = {agent_id: reward for agent_id, reward in owed.items() if agent_id not in payees}
        return {agent_id: reward for agent_id, reward in owed.items() if agent_id in payees}
