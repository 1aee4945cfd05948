"""Helpers of encoders, decoders and reward functions: flatten and check collections of parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from phantom_core.errors import ConfigError, with_article


def flattened(given: object, kind: type, owner: str) -> list[Any]:
    """Return the parts in a nested collection (or a single part) in order, or raise ConfigError."""
    if isinstance(given, kind):
        return [given]
    if isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping)):
        return [part for item in given for part in flattened(item, kind, owner)]
    expected = f"{with_article(kind.__name__)} object, or a list of those"
    raise ConfigError(f"{owner} got {given!r}. Expected {expected}.")


def named_parts(given: Mapping[str, Any], kind: type, owner: str) -> dict[str, Any]:
    """Return a copy of a mapping from names to parts, or raise ConfigError."""
    if not isinstance(given, Mapping):
        raise ConfigError(f"{owner} got {given!r}. Expected a dict from names to {kind.__name__} objects.")
    for name, part in given.items():
        if not isinstance(part, kind):
            expected = f"{with_article(kind.__name__)} object"
            raise ConfigError(f"{owner} got {part!r} for {name!r}. Expected {expected}.")
    return dict(given)
