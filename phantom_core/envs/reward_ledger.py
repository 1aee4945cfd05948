"""`RewardLedger`: sums the rewards of each agent until they are returned. Agents compute the rewards."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, ClassVar

from phantom_core.envs.step_result import Infos, MultiAgentEnv, Observations, StepResult
from phantom_core.errors import EnvError
from phantom_core.types import Action, AgentID


class RewardLedger:
    """Sums the rewards of each agent until it observes or ends, and then returns the sum, once.

    Attributes:
        returns_none: whether `settle` may return None as the reward of an agent. Training, evaluation and
            adapters pass over it, as if the agent were not among the rewards of that step: it is no reward
            of zero, and the next number counts for the agent's last action.
    """

    returns_none: ClassVar[bool] = False

    def __init__(self) -> None:
        self._owed: dict[AgentID, float] = {}

    def reset(self) -> None:
        """Clear the rewards of the last episode."""
        self._owed = {}

    def add(self, agent_id: AgentID, reward: float) -> None:
        """Add a reward to the sum of an agent; raise EnvError if it is not a number."""
        try:
            self._owed[agent_id] = self._owed.get(agent_id, 0.0) + reward
        except TypeError:
            expected = "Expected a number: change compute_reward()."
            raise EnvError(f"The reward of {agent_id!r} is {reward!r}. {expected}") from None

    def settle(
        self, observations: Observations, infos: Infos, payees: Container[AgentID] | None
    ) -> tuple[Observations, dict[AgentID, float], Infos]:
        """Called at the end of each step: return the observations, rewards and infos of its result.

        Rewards are returned to `payees`, who observed or ended; None: to all, because the episode ended.
        """
        return observations, self.deliver(payees), infos

    def deliver(self, payees: Container[AgentID] | None) -> dict[AgentID, float]:
        """Return the summed rewards of the payees, and clear them; None: of all agents."""
        owed, self._owed = self._owed, {}
        if payees is None:
            return owed
        for agent_id in owed:
            if agent_id not in payees:
                break
        else:  # the usual case
            return owed
        self._owed = {agent_id: reward for agent_id, reward in owed.items() if agent_id not in payees}
        return {agent_id: reward for agent_id, reward in owed.items() if agent_id in payees}

    def state_dict(self) -> dict[AgentID, float]:
        """Return the rewards that are owed, by agent id."""
        return dict(self._owed)

    def load_state_dict(self, state: Mapping[AgentID, float]) -> None:
        """Owe what was owed when `state_dict` was called."""
        self._owed = dict(state)


def step_with_numbers(env: MultiAgentEnv) -> Callable[[Mapping[AgentID, Action]], StepResult]:
    """Return the `step` of an env; if its ledger may return None, one that leaves out such rewards."""
    step = env.step
    ledger: Any = getattr(env, "reward_ledger", None)
    if not getattr(ledger, "returns_none", False):
        return step

    def step_and_leave_out(actions: Mapping[AgentID, Action]) -> StepResult:
        result = step(actions)
        if None not in result.rewards.values():
            return result
        numbers = {agent_id: reward for agent_id, reward in result.rewards.items() if reward is not None}
        return result._replace(rewards=numbers)

    return step_and_leave_out
