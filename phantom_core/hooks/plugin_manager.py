"""The plugins of one run: registers them with pluggy, asks what they offer, orders their hooks."""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import pluggy

from phantom_core.errors import IncompatiblePluginError, PhantomError, PluginError, told
from phantom_core.hooks.discovery import (
    CORE_DISTRIBUTION,
    KIND_BY_GROUP,
    PLUGIN_GROUP,
    InstalledEntry,
    core_version,
    installed_entries,
)
from phantom_core.hooks.entry_point_plugin import EntryPointPlugin
from phantom_core.hooks.hook_order import ordered
from phantom_core.hooks.hookspecs import HOOK_NAMES, PROJECT, REGISTRATION_HOOKS, HookSpecs, Registration
from phantom_core.hooks.plugin_adapter import Implementation, PluginAdapter
from phantom_core.hooks.plugin_settings import PluginSettings
from phantom_core.hooks.registry import Component, Registry

_log = logging.getLogger(PROJECT)

Skipping: TypeAlias = Literal["disabled", "incompatible", "missing dependency", "failed"]


@dataclass(frozen=True, slots=True)
class SkippedPlugin:
    """An installed plugin that takes no part in the run, and why.

    Attributes:
        name: the plugin object, as `distribution:name`.
        reason: one sentence.
        status: what kind of reason it is.
    """

    name: str
    reason: str
    status: Skipping = "failed"


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


class PluginManager:
    """The plugins that take part in one run.

    Attributes:
        settings: who is left out.
        skipped: installed plugin objects that do not take part, with the reason.
        disabled: installed components that are not offered, with the reason.
        ambient: installed plugin objects that take part.
    """

    def __init__(self, settings: PluginSettings | None = None) -> None:
        """Offer the components of every distribution that may take part; nothing is imported.

        Args:
            settings: who is left out; None: as environment variables and `phantom.toml` say.
        """
        self.settings = PluginSettings.of_surroundings() if settings is None else settings
        self._pluggy = _Pluggy(PROJECT)
        self._pluggy.add_hookspecs(HookSpecs)
        self._ambient_names: set[str] = set()
        self.ambient: list[InstalledEntry] = []
        self.skipped: list[SkippedPlugin] = []
        self.disabled: dict[InstalledEntry, str] = {}
        by_distribution: dict[str, list[InstalledEntry]] = {}
        for entry in installed_entries():
            if entry.group not in KIND_BY_GROUP:
                continue
            refusal = self.settings.refusal_of(entry)
            if refusal:
                self.disabled[entry] = refusal
            else:
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
            self._ambient_names.add(unique)
        return adapter.plugin

    def load_installed_plugins(self) -> None:
        """Import the installed plugin objects; skip, and report, those that are disabled or broken.

        Names in the settings that mean nothing are reported too.

        Raises:
            PluginError: in strict mode, for the first one that is broken.
        """
        for sentence in self.settings.warnings(installed_entries()):
            _log.warning("%s", sentence)
        for entry in installed_entries():
            if entry.group != PLUGIN_GROUP:
                continue
            skipped = self._load(entry)
            if skipped is None:
                self.ambient.append(entry)
                continue
            self.skipped.append(skipped)
            if skipped.status != "disabled":
                _log.warning("Plugin %r is skipped: %s", skipped.name, skipped.reason)

    def registry(self) -> Registry:
        """Ask every plugin what it offers; a plugin that raises is skipped, and reported."""
        components: list[Component] = []
        for adapter in self._adapters():
            for hook in REGISTRATION_HOOKS:
                if hook in adapter.implementations:
                    components += self._components(adapter, hook)
        return Registry(components, self.disabled)

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
                adapter.plugin_name in self._ambient_names,
            )
            for adapter in self._adapters()
            if hook in adapter.implementations
        }
        return tuple(found[name] for name in ordered({n: s.implementation for n, s in found.items()}, hook))

    def _adapters(self) -> list[PluginAdapter]:
        return [plugin for plugin in self._pluggy.get_plugins() if isinstance(plugin, PluginAdapter)]

    def _load(self, entry: InstalledEntry) -> SkippedPlugin | None:
        """Import and register one plugin object; return why not, or None."""
        name = entry.qualified_name
        refusal = self.settings.refusal_of(entry)
        if refusal:
            return SkippedPlugin(name, refusal, "disabled")
        if not entry.is_compatible:
            reason = (
                f"it needs {CORE_DISTRIBUTION}{entry.core_specifier}, but {core_version()} is installed. "
                f"Run: pip install -U {entry.distribution} {CORE_DISTRIBUTION}"
            )
            if self.settings.is_strict:
                raise IncompatiblePluginError(_strict(name, reason), plugin=name)
            return SkippedPlugin(name, reason, "incompatible")
        try:
            self.register(_imported(entry), name, is_ambient=True)
        except (Exception, SystemExit) as error:  # what a stranger's module raises when it is imported
            reason = str(error) if isinstance(error, PhantomError) else _reason(error, entry)
            if self.settings.is_strict:
                raise PluginError(_strict(name, reason), plugin=name) from error
            return SkippedPlugin(name, reason, "missing dependency" if _missing(error, entry) else "failed")
        return None

    def _components(self, adapter: PluginAdapter, hook: str) -> list[Component]:
        try:
            registrations = list(adapter.implementations[hook].function())
            return [_component(adapter, registration) for registration in registrations]
        except Exception as error:  # whatever a stranger's hook raises
            reason = f"{hook}() failed: {told(error)}."
            if self.settings.is_strict:
                raise PluginError(_strict(adapter.plugin_name, reason), plugin=adapter.plugin_name) from error
            self.skipped.append(SkippedPlugin(adapter.plugin_name, reason))
            _log.warning("Plugin %r offers nothing: %s", adapter.plugin_name, reason)
            return []


def _imported(entry: InstalledEntry) -> Any:
    module_name, _, attribute = entry.target.partition(":")
    plugin: Any = importlib.import_module(module_name)
    for part in filter(None, attribute.split(".")):
        plugin = getattr(plugin, part)
    return plugin


def _missing(error: BaseException, entry: InstalledEntry) -> str:
    """Return the package that somebody else was to bring along; empty if that is not what is wrong."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    package = error.name.split(".")[0]
    return "" if package == entry.target.partition(":")[0].split(".")[0] else package


def _reason(error: BaseException, entry: InstalledEntry) -> str:
    package = _missing(error, entry)
    advice = f" Install {package}, or disable the plugin." if package else ""
    return f"it could not be loaded: {told(error)}.{advice}"


def _strict(name: str, reason: str) -> str:
    return f"Plugin {name!r} cannot take part, and plugins are strict: {reason}"


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
