"""Whether an env is known to have no last step."""

from __future__ import annotations

from phantom_core.envs.env import PhantomEnv, Simultaneous, StepRules
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.world.strategic_agents import StrategicAgent


def check_it_ends(env: MultiAgentEnv, max_steps: int | None) -> None:
    """Raise `ConfigError` if whole episodes are to be played and it is certain that they never end."""
    if max_steps is None and never_ends(env):
        raise ConfigError(
            f"The evaluation plays whole episodes, but an episode of {type(env).__name__} never ends. Say "
            "after how many steps it is cut off: --max-steps 1000, max_steps in [evaluate], "
            "ph.EvaluationPlan(max_steps=1000) or ph.evaluate(..., max_steps=1000)."
        )


def check_episodes_end(trainer_name: str, env: MultiAgentEnv) -> None:
    """Raise `ConfigError` if a trainer waits for whole episodes and it is certain that they never end."""
    if never_ends(env):
        raise ConfigError(
            f"{trainer_name} waits for whole episodes, but an episode of {type(env).__name__} never ends: "
            "num_steps is None, and neither it nor an agent overrides is_terminated() or is_truncated(). "
            "Give the env num_steps, or use a trainer, or settings of it, that collects steps."
        )


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
