"""`make_pettingzoo_env`: an env of PettingZoo from whatever stands for one, such as its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pettingzoo
from pettingzoo.utils.conversions import aec_to_parallel

import phantom_core as ph


def make_pettingzoo_env(env: Any, make_kwargs: Mapping[str, Any]) -> Any:
    """Return an env of PettingZoo, parallel where there is a choice.

    Args:
        env: an env; or what makes one: a function or class, `"module:function"`, a module with a
            function `parallel_env` or `env`, or an id of PettingZoo's registry.
        make_kwargs: keyword arguments for what makes it.

    Raises:
        ConfigError: if there is no such env, or it cannot be made.
    """
    name = repr(env) if isinstance(env, str) else getattr(env, "__name__", repr(env))
    if isinstance(env, (pettingzoo.ParallelEnv, pettingzoo.AECEnv)):
        if make_kwargs:
            raise ph.errors.ConfigError(
                f"PettingZooEnv got {', '.join(make_kwargs)} beside an env that is made already. Pass what "
                "makes the env instead, or set it where you make the env."
            )
        made = env
    else:
        maker = _find_maker(env) if isinstance(env, str) else env
        if not callable(maker):
            raise ph.errors.ConfigError(f"PettingZooEnv got env={name}. {_EXPECTED}")
        try:
            made = maker(**make_kwargs)
        except Exception as error:  # whatever a stranger's constructor raises
            given = f" Its arguments: {ph.secrets.masked(dict(make_kwargs))}." if make_kwargs else ""
            text = ph.secrets.Secrets.of(make_kwargs).hide(ph.tools.error_text(error))
            raise ph.errors.ConfigError(f"PettingZoo env {name} could not be made: {text}.{given}") from error
    if isinstance(made, pettingzoo.AECEnv) and getattr(made, "metadata", {}).get("is_parallelizable"):
        made = aec_to_parallel(made)
    if not isinstance(made, (pettingzoo.ParallelEnv, pettingzoo.AECEnv)):
        raise ph.errors.ConfigError(
            f"PettingZooEnv got {name}, which makes a {type(made).__name__}. Expected a "
            "ParallelEnv or an AECEnv."
        )
    return made


_EXPECTED = (
    "Expected a PettingZoo env, a function that makes one, 'module:function', a module such as "
    "'mpe2.simple_spread_v3', or an id of PettingZoo's registry."
)


def _find_maker(name: str) -> Callable[..., Any]:
    module_name, function_name = (part.strip() for part in name.partition(":")[::2])
    if "/" in module_name:
        return _registered(name)
    ph.trust.check_may_import(name, "env")
    try:
        module = ph.tools.import_object(module_name)
    except Exception as error:  # whatever importing raises
        raise ph.errors.ConfigError(
            f"PettingZooEnv got env={name!r}, but {module_name!r} could not be imported: "
            f"{ph.tools.error_text(error)}. Install the package that it is part of, or mend the name. "
            f"{_EXPECTED}"
        ) from error
    wanted = [function_name] if function_name else ["parallel_env", "env"]
    for candidate in wanted:
        if callable(getattr(module, candidate, None)):
            found: Callable[..., Any] = getattr(module, candidate)
            return found
    public = sorted(key for key in vars(module) if not key.startswith("_"))
    raise ph.errors.ConfigError(
        f"PettingZooEnv got env={name!r}, but {module_name} has no function "
        f"{' or '.join(map(repr, wanted))}. It has: {ph.tools.listing(public)}."
    )


def _registered(name: str) -> Callable[..., Any]:
    """Return what makes the env with an id: the parallel one if there is one, else the turn-based one."""
    reason = ""
    for kind in ("parallel", "aec"):
        try:
            pettingzoo.spec(kind, name)
        except Exception as error:  # the registry's own errors, or a release without a registry
            reason = str(error).partition(" Available environments")[0].rstrip().removesuffix(".")
            continue
        return lambda **kwargs: pettingzoo.make(kind, name, **kwargs)
    ids = [*getattr(pettingzoo, "parallel_registry", ()), *getattr(pettingzoo, "aec_registry", ())]
    nearest = ph.tools.did_you_mean(name, ids)
    because = "" if nearest else f": {reason}"
    raise ph.errors.ConfigError(
        f"PettingZooEnv got env={name!r}, which PettingZoo does not know{because}.{nearest} {_EXPECTED}"
    )
