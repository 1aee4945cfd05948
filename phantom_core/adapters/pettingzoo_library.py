"""PettingZoo itself: imported when it is first needed, and envs of it found by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from phantom_core.errors import ConfigError, did_you_mean, error_text, listing, without_stop
from phantom_core.importing import import_object, split_target


def import_pettingzoo(user: str) -> ModuleType:
    """Return the package.

    Raises:
        ConfigError: that says what to install, if it is not there.
    """
    try:
        library: ModuleType = import_object("pettingzoo")
    except ImportError as error:
        msg = (
            f"{user} needs PettingZoo, which could not be imported: {error_text(error)}. "
            "pip install pettingzoo."
        )
        raise ConfigError(msg) from error
    return library


def make_pettingzoo_env(env: Any, make_kwargs: Mapping[str, Any]) -> Any:
    """Return an env of PettingZoo, parallel where there is a choice.

    Args:
        env: an env; or what makes one: a function or class, `"module:function"`, a module with a
            function `parallel_env` or `env`, or an id of PettingZoo's registry.
        make_kwargs: keyword arguments for what makes it.

    Raises:
        ConfigError: if that is not to be had.
    """
    library = import_pettingzoo("PettingZooEnv")
    name = repr(env) if isinstance(env, str) else getattr(env, "__name__", repr(env))
    if isinstance(env, (library.ParallelEnv, library.AECEnv)):
        if make_kwargs:
            raise ConfigError(
                f"PettingZooEnv got {', '.join(make_kwargs)} beside an env that is made already. Pass what "
                "makes the env instead, or set it where you make the env."
            )
        made = env
    else:
        maker = _find_maker(library, env) if isinstance(env, str) else env
        if not callable(maker):
            raise ConfigError(f"PettingZooEnv got env={name}. {_EXPECTED}")
        try:
            made = maker(**make_kwargs)
        except Exception as error:  # whatever a stranger's constructor raises
            given = f" Its arguments: {dict(make_kwargs)}." if make_kwargs else ""
            raise ConfigError(
                f"PettingZoo env {name} could not be made: {error_text(error)}.{given}"
            ) from error
    if isinstance(made, library.AECEnv) and getattr(made, "metadata", {}).get("is_parallelizable"):
        made = import_object("pettingzoo.utils.conversions:aec_to_parallel")(made)
    if not isinstance(made, (library.ParallelEnv, library.AECEnv)):
        raise ConfigError(
            f"PettingZooEnv got {name}, which makes a {type(made).__name__}. Expected a "
            "ParallelEnv or an AECEnv."
        )
    return made


_EXPECTED = (
    "Expected a PettingZoo env, a function that makes one, 'module:function', a module such as "
    "'mpe2.simple_spread_v3', or an id of PettingZoo's registry."
)


def _find_maker(library: ModuleType, name: str) -> Callable[..., Any]:
    module_name, function_name = split_target(name)
    if "/" in module_name:
        return _registered(library, name)
    try:
        module = import_object(module_name)
    except Exception as error:  # whatever importing raises
        raise ConfigError(
            f"PettingZooEnv got env={name!r}, but {module_name!r} could not be imported: "
            f"{error_text(error)}. Install the package that it is part of, or mend the name. {_EXPECTED}"
        ) from error
    wanted = [function_name] if function_name else ["parallel_env", "env"]
    for candidate in wanted:
        if callable(getattr(module, candidate, None)):
            found: Callable[..., Any] = getattr(module, candidate)
            return found
    public = sorted(key for key in vars(module) if not key.startswith("_"))
    raise ConfigError(
        f"PettingZooEnv got env={name!r}, but {module_name} has no function "
        f"{' or '.join(map(repr, wanted))}. It has: {listing(public)}."
    )


def _registered(library: ModuleType, name: str) -> Callable[..., Any]:
    """Return what makes the env with an id: the parallel one if there is one, else the turn-based one."""
    reasons: list[str] = []
    for kind in ("parallel", "aec"):
        try:
            library.spec(kind, name)
        except Exception as error:  # the registry's own errors, or a release without a registry
            reasons.append(without_stop(error))
            continue
        return lambda **kwargs: library.make(kind, name, **kwargs)
    ids = [*getattr(library, "parallel_registry", ()), *getattr(library, "aec_registry", ())]
    nearest = did_you_mean(name, ids)
    reason = "" if nearest else f": {reasons[-1].partition(' Available environments')[0].removesuffix('.')}"
    raise ConfigError(
        f"PettingZooEnv got env={name!r}, which PettingZoo does not know{reason}.{nearest} {_EXPECTED}"
    )
