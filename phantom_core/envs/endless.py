"""Whether an env is known to have no last step."""

from __future__ import annotations

from phantom_core.envs.env import PhantomEnv, Simultaneous, StepRules
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.world.strategic_agents import StrategicAgent


def never_ends(env: MultiAgentEnv) -> bool:
    """Return whether it is certain that an episode goes on for ever."""
    if not isinstance(env, PhantomEnv) or env.num_steps is not None:
        return False
    ways = ("step", "is_terminated", "is_truncated", "pre_message_resolution", "post_message_resolution")
    is_usual = type(env.turn_order) is Simultaneous and type(env.step_rules).cut_off is StepRules.cut_off
    return is_usual and not any(
        getattr(type(owner), way, None) is not getattr(base, way, None)
        for base, owners in ((PhantomEnv, [env]), (StrategicAgent, env.agents.values()))
        for owner in owners
        if isinstance(owner, base)
        for way in ways
    )
