"""What encoders, decoders and reward functions share: nested lists of parts are flattened and checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from phantom_core.errors import ConfigError


def flattened(given: object, kind: type, owner: str) -> list[Any]:
    """Return the parts in a part, or in a nested collection of them, in order.

    Raises:
        ConfigError: if there is something else in it.
    """
    return list(_parts_in(given, kind, owner))


def named_parts(given: Mapping[str, Any], kind: type, owner: str) -> dict[str, Any]:
    """Return a copy of a mapping from names to parts.

    Raises:
        ConfigError: if it is no mapping, or one of its values is no part.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"{owner} got {given!r}. Expected a dict from names to {kind.__name__} objects.")
    for name, part in given.items():
        if not isinstance(part, kind):
            raise ConfigError(f"{owner} got {part!r} for {name!r}. Expected {_a(kind)} object.")
    return dict(given)


def _parts_in(given: object, kind: type, owner: str) -> Iterator[Any]:
    if isinstance(given, kind):
        yield given
    elif isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping)):
        for part in given:
            yield from _parts_in(part, kind, owner)
    else:
        raise ConfigError(f"{owner} got {given!r}. Expected {_a(kind)} object, or a list of those.")


def _a(kind: type) -> str:
    name = kind.__name__
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"
