"""In which order plugins run a hook, and why: by name, moved by soft `before` and `after`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Protocol

from phantom_core.errors import ConfigError
from phantom_core.hooks.discovery import normalised


class Placed(Protocol):
    """Somebody with wishes for their place.

    Attributes:
        before: names of plugins that come after it.
        after: names of plugins that come before it.
    """

    @property
    def before(self) -> tuple[str, ...]: ...  # noqa: D102  documented above

    @property
    def after(self) -> tuple[str, ...]: ...  # noqa: D102  documented above


def ordered(implementations: Mapping[str, Placed], hook: str) -> list[str]:
    """Sort plugins by name, then move them as their `before` and `after` say.

    Names of plugins that do not take part are ignored.

    Raises:
        ConfigError: if they form a circle.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter()
    by_name = {normalised(name): name for name in sorted(implementations)}
    for name, implementation in implementations.items():
        sorter.add(name, *_known(implementation.after, by_name))
        for later in _known(implementation.before, by_name):
            sorter.add(later, name)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = ", ".join(repr(name) for name in sorted(set(error.args[1])))
        raise ConfigError(
            f"The plugins {circle} each want to run {hook} before the other. Change their before= or after=."
        ) from None
    order: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=lambda name: (normalised(name), name))
        order.append(ready.pop(0))
        sorter.done(order[-1])
    return order


def _known(names: Iterable[str], by_name: Mapping[str, str]) -> list[str]:
    return [by_name[normalised(name)] for name in names if normalised(name) in by_name]


def reasons(implementations: Mapping[str, Placed]) -> dict[str, str]:
    """Return for each plugin what gave it its place."""
    by_name = {normalised(name): name for name in sorted(implementations)}
    found: dict[str, list[str]] = {name: [] for name in implementations}
    for name, implementation in implementations.items():
        for earlier in _known(implementation.after, by_name):
            found[name].append(f"after {earlier}, as it says itself")
            found[earlier].append(f"before {name}, as {name} says")
        for later in _known(implementation.before, by_name):
            found[name].append(f"before {later}, as it says itself")
            found[later].append(f"after {name}, as {name} says")
    return {name: "; ".join(why) or "by name" for name, why in found.items()}
