"""Changes of an `env_config` by dotted names: what a point or a treatment sets."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Final

import phantom_core as ph

ROOT: Final = "env_config"


def env_path(name: str) -> tuple[str, ...]:
    """Return the path within `env_config` that a name means.

    Raises:
        ConfigError: if it means something else.
    """
    first, *rest = name.split(".")
    if not rest:
        return (first,)
    if first != ROOT:
        raise ph.errors.ConfigError(
            f"{name!r} does not belong to the env: nothing is trained in a simulation. Expected a name such "
            f"as 'env_config.{rest[-1]}', or without dots {rest[-1]!r}."
        )
    return tuple(rest)


def check_names(env_class: Any, names: Iterable[str]) -> None:
    """Raise `ConfigError` if what makes an env takes no argument of one of these names.

    Names within arguments, such as `market.size`, are not looked at.
    """
    try:
        parameters = inspect.signature(env_class).parameters
    except (TypeError, ValueError):  # some that are built in have no signature
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in names:
        first = env_path(name)[0]
        if first not in parameters:
            what = getattr(env_class, "__name__", "The env")
            raise ph.errors.ConfigError(
                f"{what} takes no {first!r}.{ph.tools.did_you_mean(first, parameters)} It takes: "
                f"{ph.tools.listing(parameters)}."
            )


def changed(env_config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of an `env_config` with other values at dotted names; nothing that was given changes.

    Raises:
        ConfigError: if a name leads into something that has no parts.
    """
    found: dict[str, Any] = dict(env_config)
    for name, value in changes.items():
        found = _with(found, env_path(name), value, name)
    return found


def _with(owner: Any, path: tuple[str, ...], value: Any, name: str) -> Any:
    """Return a copy of a dict, list, tuple or supertype in which the value at a path is another one."""
    key, *rest = path
    if isinstance(owner, Mapping):
        own_key = next((own for own in owner if str(own) == key), key)  # ids of agents may be integers
        inner = owner.get(own_key, {}) if rest else None
        return {**owner, own_key: _with(inner, tuple(rest), value, name) if rest else value}
    if isinstance(owner, (list, tuple)) and key.isdecimal() and int(key) < len(owner):
        items = list(owner)
        items[int(key)] = _with(items[int(key)], tuple(rest), value, name) if rest else value
        return type(owner)(items)
    if isinstance(owner, ph.Supertype) and hasattr(owner, key):
        new = copy.copy(owner)
        object.__setattr__(new, key, _with(getattr(owner, key), tuple(rest), value, name) if rest else value)
        return new
    raise ph.errors.ConfigError(
        f"{name!r} cannot be set: {key!r} is looked for in {owner!r}. Expected a dict, a list or a supertype "
        "there."
    )
