"""The plugins of one run: registers them with pluggy, asks what they offer, orders their hooks."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

import pluggy

from phantom_core.errors import ConfigError, PhantomError, told
from phantom_core.hooks.discovery import (
    CORE_DISTRIBUTION,
    KIND_BY_GROUP,
    PLUGIN_GROUP,
    InstalledEntry,
    core_version,
    installed_entries,
    normalised,
)
from phantom_core.hooks.hookspecs import (
    HOOK_NAMES,
    PROJECT,
    REGISTRATION_HOOKS,
    HookSpecs,
    Kind,
    Registration,
    hookimpl,
)
from phantom_core.hooks.plugin_adapter import Implementation, PluginAdapter
from phantom_core.hooks.registry import Component, Registry

DISABLED_VARIABLE: Final = "PHANTOM_DISABLED_PLUGINS"
"""Environment variable: names of distributions and plugin objects that are not loaded, with commas."""

_log = logging.getLogger(PROJECT)


@dataclass(frozen=True, slots=True)
class SkippedPlugin:
    """An installed plugin that takes no part in the run, and why.

    Attributes:
        name: the plugin object, as `distribution:name`.
        reason: one sentence.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One plugin's implementation of one hook, in the place where it runs.

    Attributes:
        plugin_name: the plugin.
        implementation: what it implements.
        is_ambient: whether it takes part because it is installed, not because the user named it.
    """

    plugin_name: str
    implementation: Implementation
    is_ambient: bool


class _Pluggy(pluggy.PluginManager):
    """pluggy's manager, told what an implementation is by the adapter instead of by a decorator."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        if isinstance(plugin, PluginAdapter) and name in plugin.implementations:
            return _OPTIONS
        return None


_OPTIONS: Final = {
    "wrapper": False,
    "hookwrapper": False,
    "optionalhook": False,
    "tryfirst": False,
    "trylast": False,
    "specname": None,
}


class EntryPointPlugin:
    """Turns the entry-point lines of one distribution into registrations."""

    def __init__(self, entries: Sequence[InstalledEntry]) -> None:
        self.entries = {(KIND_BY_GROUP[entry.group], entry.name): entry for entry in entries}

    def _of(self, kind: Kind) -> list[Registration]:
        return [
            Registration(kind, name, entry.target, entry.summary)
            for (of_kind, name), entry in self.entries.items()
            if of_kind == kind
        ]

    @hookimpl
    def phantom_register_trainers(self) -> list[Registration]:
        """Return the trainers of the distribution."""
        return self._of("trainer")

    @hookimpl
    def phantom_register_policies(self) -> list[Registration]:
        """Return the policies of the distribution."""
        return self._of("policy")

    @hookimpl
    def phantom_register_metrics(self) -> list[Registration]:
        """Return the metrics of the distribution."""
        return self._of("metric")

    @hookimpl
    def phantom_register_loggers(self) -> list[Registration]:
        """Return the loggers of the distribution."""
        return self._of("logger")

    @hookimpl
    def phantom_register_envs(self) -> list[Registration]:
        """Return the envs of the distribution."""
        return self._of("env")


class PluginManager:
    """The plugins that take part in one run.

    Attributes:
        skipped: installed plugin objects that do not take part, with the reason.
    """

    def __init__(self) -> None:
        self._pluggy = _Pluggy(PROJECT)
        self._pluggy.add_hookspecs(HookSpecs)
        self._ambient: set[str] = set()
        self.skipped: list[SkippedPlugin] = []
        by_distribution: dict[str, list[InstalledEntry]] = {}
        for entry in installed_entries():
            if entry.group in KIND_BY_GROUP and not is_disabled(entry):
                by_distribution.setdefault(entry.distribution, []).append(entry)
        for distribution, entries in by_distribution.items():
            self.register(EntryPointPlugin(entries), f"entry points of {distribution}")

    def register(self, plugin: object, name: str, *, is_ambient: bool = False) -> object:
        """Let an object take part; return it, or the instance made from it if it is a class.

        Raises:
            PluginError: if it cannot be made.
            HookError: if it implements no hook, a misspelt one, or one with wrong parameters.
        """
        unique, number = name, 1
        while self._pluggy.has_plugin(unique):
            number += 1
            unique = f"{name}-{number}"
        adapter = PluginAdapter(plugin, unique)
        self._pluggy.register(adapter, unique)
        if is_ambient:
            self._ambient.add(unique)
        return adapter.plugin

    def load_installed_plugins(self) -> None:
        """Import the installed plugin objects; skip, and report, those that are disabled or broken."""
        for entry in installed_entries():
            if entry.group != PLUGIN_GROUP:
                continue
            name = f"{entry.distribution}:{entry.name}"
            try:
                reason = self._load(entry, name)
            except PhantomError as error:
                reason = str(error)
            except (Exception, SystemExit) as error:  # what a stranger's module raises when it is imported
                reason = f"it could not be loaded: {told(error)}."
            if reason:
                self.skipped.append(SkippedPlugin(name, reason))
                _log.warning("Plugin %r is skipped: %s", name, reason)

    def registry(self) -> Registry:
        """Ask every plugin what it offers; a plugin that raises is skipped, and reported."""
        components: list[Component] = []
        for adapter in self._adapters():
            for hook in REGISTRATION_HOOKS:
                if hook in adapter.implementations:
                    components += self._components(adapter, hook)
        return Registry(components)

    def subscribers(self, hook: str) -> tuple[Subscriber, ...]:
        """Return who implements a hook, in the order in which they run.

        Raises:
            ConfigError: if the plugins' `before` and `after` form a circle.
        """
        if hook not in HOOK_NAMES:
            raise KeyError(hook)
        found = {
            adapter.plugin_name: Subscriber(
                adapter.plugin_name,
                adapter.implementations[hook],
                adapter.plugin_name in self._ambient,
            )
            for adapter in self._adapters()
            if hook in adapter.implementations
        }
        return tuple(found[name] for name in ordered({n: s.implementation for n, s in found.items()}, hook))

    def _adapters(self) -> list[PluginAdapter]:
        return [plugin for plugin in self._pluggy.get_plugins() if isinstance(plugin, PluginAdapter)]

    def _load(self, entry: InstalledEntry, name: str) -> str:
        """Import and register one plugin object; return why not, or an empty string."""
        if is_disabled(entry):
            return f"{DISABLED_VARIABLE} names it."
        if not entry.is_compatible:
            return (
                f"it needs {CORE_DISTRIBUTION}{entry.core_specifier}, but {core_version()} is installed. "
                f"Run: pip install -U {entry.distribution} {CORE_DISTRIBUTION}"
            )
        module_name, _, attribute = entry.target.partition(":")
        plugin: Any = importlib.import_module(module_name)
        for part in filter(None, attribute.split(".")):
            plugin = getattr(plugin, part)
        self.register(plugin, name, is_ambient=True)
        return ""

    def _components(self, adapter: PluginAdapter, hook: str) -> list[Component]:
        try:
            registrations = list(adapter.implementations[hook].function())
            return [_component(adapter, registration) for registration in registrations]
        except Exception as error:  # whatever a stranger's hook raises
            reason = f"{hook}() failed: {told(error)}."
            self.skipped.append(SkippedPlugin(adapter.plugin_name, reason))
            _log.warning("Plugin %r offers nothing: %s", adapter.plugin_name, reason)
            return []


def is_disabled(entry: InstalledEntry) -> bool:
    """Tell whether the environment variable names an entry or its distribution."""
    given = os.environ.get(DISABLED_VARIABLE, "").split(",")
    named = {normalised(name.strip()) for name in given if name.strip()}
    own = (entry.distribution, entry.name, f"{entry.distribution}:{entry.name}")
    return any(normalised(name) in named for name in own)


def ordered(implementations: Mapping[str, Implementation], hook: str) -> list[str]:
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


def _component(adapter: PluginAdapter, registration: Registration) -> Component:
    entry = None
    if isinstance(adapter.plugin, EntryPointPlugin):
        entry = adapter.plugin.entries[registration.kind, registration.name]
    return Component(
        kind=registration.kind,
        name=registration.name,
        target=registration.target,
        summary=registration.summary,
        distribution=entry.distribution if entry else adapter.plugin_name,
        version=entry.version if entry else "",
        core_specifier=entry.core_specifier if entry else "",
        is_compatible=entry.is_compatible if entry else True,
    )
