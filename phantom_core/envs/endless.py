"""Whether an env is known to have no last step."""

from __future__ import annotations

import logging

from phantom_core.envs.env import PhantomEnv, Simultaneous, StepRules
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.world.strategic_agents import StrategicAgent

_log = logging.getLogger("phantom_core")


def check_it_ends(env: MultiAgentEnv, max_steps: int | None) -> None:
    """Raise `ConfigError` if whole episodes are to be played and it is certain that they never end."""
    if max_steps is None and never_ends(env):
        raise ConfigError(
            f"The evaluation plays whole episodes, but an episode of {type(env).__name__} never ends. Say "
            "after how many steps it is cut off: --max-steps 1000, max_steps in [evaluate], "
            "ph.EvaluationPlan(max_steps=1000) or ph.evaluate(..., max_steps=1000)."
        )


def check_episodes_end(trainer_name: str, env: MultiAgentEnv, steps_setting: str) -> None:
    """Raise `ConfigError` if a trainer waits for whole episodes and it is certain that they never end.

    Logs a warning if nothing but the rules of the env may end them. `steps_setting` is the trainer's setting
    that has it collect steps instead; empty: it has none.
    """
    name = type(env).__name__
    advice = (
        f"give the env num_steps, or set {steps_setting} of the trainer, such as {steps_setting} = 1000: "
        "then it waits for so many steps instead."
        if steps_setting
        else "give the env num_steps, or use a trainer, or settings of it, that collects steps."
    )
    if never_ends(env):
        raise ConfigError(
            f"{trainer_name} waits for whole episodes, but an episode of {name} never ends: "
            "num_steps is None, and neither it nor an agent overrides is_terminated() or is_truncated(). "
            f"{advice[0].upper()}{advice[1:]}"
        )
    if getattr(env, "num_steps", 1) is None:
        _log.warning(
            "%s waits for whole episodes, and %s has no time limit: num_steps is None. If an episode may "
            "never end, %s", trainer_name, name, advice,
        )  # fmt: skip


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
