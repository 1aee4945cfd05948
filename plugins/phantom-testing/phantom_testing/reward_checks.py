"""What is wrong with single rewards: for nobody, no number, not finite."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Real

import phantom_core as ph
from phantom_testing.findings import Finding
from phantom_testing.play_episode import EnvCheck, Moment


class RewardCheck(EnvCheck):
    """Whether each reward is a finite number for an agent that acts."""

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Look at every reward of the step."""
        rewards = {} if moment.result is None else moment.result.rewards
        strategic = moment.env.strategic_agent_ids if rewards else ()
        may_be_none = getattr(getattr(moment.env, "reward_ledger", None), "returns_none", False)
        for agent_id, reward in rewards.items():
            if agent_id not in strategic:
                yield moment.finding(
                    "reward-for-nobody",
                    f"there is a reward for it, but no such agent acts."
                    f"{ph.tools.did_you_mean(agent_id, strategic)} Those that act: "
                    f"{ph.tools.listing(strategic)}.",
                    agent_id,
                )
            elif reward is None and may_be_none:
                continue
            elif not isinstance(reward, Real):
                yield moment.finding(
                    "reward-not-a-number",
                    f"its reward is {reward!r} ({type(reward).__name__}). Return a float.",
                    agent_id,
                )
            elif not math.isfinite(reward):
                yield moment.finding(
                    "reward-not-finite", f"its reward is {reward!r}. Return a finite number.", agent_id
                )
