"""Values inside values: dicts, lists, tuples, dataclasses and other objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np

T = TypeVar("T")
PathItem: TypeAlias = int | tuple[bool, Any]
"""An index, `(True, key)` of a mapping, or `(False, name)` of an attribute."""
Path: TypeAlias = list[PathItem]

_LEAVES = (str, bytes, bytearray, int, float, complex, type(None), np.ndarray, np.generic, type)


def flatten(xs: Iterable[Any]) -> list[Any]:
    """Return the items of nested iterables as one list; texts are items.

    >>> flatten([1, [2, (3, [4])]])
    [1, 2, 3, 4]
    """
    flat: list[Any] = []
    for item in xs:
        if isinstance(item, Iterable) and not isinstance(item, _LEAVES):
            flat += flatten(item)
        else:
            flat.append(item)
    return flat


def contains_type(value: Any, type_: type) -> bool:
    """Tell whether a value is of a type, or holds such a value at any depth."""
    return next(_find(value, type_, set()), None) is not None


def collect_instances_of_type(type_: type[T], obj: Any, collection: list[T] | None = None) -> list[T]:
    """Return the distinct values of a type inside a value, in the order in which they are found.

    Args:
        type_: what to look for.
        obj: where to look.
        collection: instances to add to; None: a new list.
    """
    found = [] if collection is None else collection
    for instance, _ in _find(obj, type_, set()):
        if not any(instance is known for known in found):
            found.append(instance)
    return found


def collect_instances_of_type_with_paths(
    type_: type[T], obj: Any, collection: list[tuple[T, list[Path]]] | None = None
) -> list[tuple[T, list[Path]]]:
    """Return each value of a type inside a value, with the paths on which it was found."""
    found = [] if collection is None else collection
    for instance, path in _find(obj, type_, set()):
        paths = next((paths for known, paths in found if known is instance), None)
        if paths is None:
            found.append((instance, [path]))
        else:
            paths.append(path)
    return found


def update_val(obj: Any, path: Path, new: Any) -> Any:
    """Put a value at a path; tuples and frozen dataclasses on the way are replaced by changed copies.

    Returns:
        The object, or its copy if it is a tuple or frozen itself.
    """
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return _with_item(obj, step, update_val(obj[step], rest, new))
    is_key, name = step
    if is_key:
        obj[name] = update_val(obj[name], rest, new)
        return obj
    return _with_attribute(obj, name, update_val(getattr(obj, name), rest, new))


def _with_item(obj: Any, index: int, value: Any) -> Any:
    if not isinstance(obj, tuple):
        obj[index] = value
        return obj
    items = (*obj[:index], value, *obj[index + 1 :])
    return type(obj)(*items) if hasattr(obj, "_fields") else items


def _with_attribute(obj: Any, name: str, value: Any) -> Any:
    try:
        setattr(obj, name, value)
    except dataclasses.FrozenInstanceError:
        return dataclasses.replace(obj, **{name: value})
    return obj


def _find(value: Any, type_: type[T], above: set[int]) -> Iterator[tuple[T, Path]]:
    """Yield the values of a type with their paths; `above` are the containers on the way, against cycles."""
    if isinstance(value, type_):
        yield value, []
        return
    if id(value) in above:
        return
    within = above | {id(value)}
    for step, part in _parts(value):
        for instance, path in _find(part, type_, within):
            yield instance, [step, *path]


def _parts(value: Any) -> Iterator[tuple[PathItem, Any]]:
    """Yield what a value is made of."""
    if isinstance(value, _LEAVES) or callable(value):
        return
    if isinstance(value, Mapping):
        yield from (((True, key), item) for key, item in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from enumerate(value)
    elif dataclasses.is_dataclass(value):
        yield from (((False, f.name), getattr(value, f.name, None)) for f in dataclasses.fields(value))
    else:
        yield from (((False, name), item) for name, item in getattr(value, "__dict__", {}).items())
