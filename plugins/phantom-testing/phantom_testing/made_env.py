"""`made_env`: makes the env that is looked at, or says why it cannot be made."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

import gymnasium as gym

import phantom_core as ph
from phantom_testing.raised_place import raised_place

_NEEDED: Final = ("reset", "step", "close", "agents", "strategic_agent_ids", "observation_spaces")


def made_env(env_class: Callable[..., ph.MultiAgentEnv], env_config: Mapping[str, Any]) -> ph.MultiAgentEnv:
    """Make an env, with a copy of its settings.

    Args:
        env_class: an env class, or a function that makes an env.
        env_config: its keyword arguments.

    Raises:
        EnvError: if it raises.
        ConfigError: if what it makes is not a multi-agent env.
    """
    try:
        env = env_class(**copy.deepcopy(dict(ph.secrets.revealed(env_config))))
    except ph.PhantomError:
        raise
    except Exception as error:  # a user's constructor may raise anything
        if isinstance(env_class, type):  # "not an env" says more than a wrong argument
            _check_is_env(env_class, ("step",))
        raise ph.errors.EnvError(
            f"{getattr(env_class, '__name__', repr(env_class))} could not be made: "
            f"{ph.secrets.Secrets.of(env_config).hide(ph.tools.error_text(error))}{raised_place(error)}. "
            f"Its env_config: {ph.secrets.masked(dict(env_config))}."
        ) from error
    _check_is_env(env, _NEEDED)
    return env


def _check_is_env(candidate: object, needed: tuple[str, ...]) -> None:
    missing = [name for name in needed if name not in dir(candidate) and not hasattr(candidate, name)]
    if not missing:
        return
    kind = candidate if isinstance(candidate, type) else type(candidate)
    if issubclass(kind, gym.Env):
        raise ph.errors.ConfigError(
            f"{kind.__name__} is a single-agent Gymnasium env. Wrap it: ph.GymnasiumEnv({kind.__name__}). "
            "Where an env is given by its name, write a function that returns this, and name the function."
        )
    raise ph.errors.ConfigError(
        f"{kind.__name__} is no multi-agent env: it has no {missing[0]}. Derive it from ph.PhantomEnv, or "
        "wrap a single-agent env in ph.GymnasiumEnv."
    )
