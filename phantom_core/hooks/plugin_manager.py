"""`PluginManager`: creates, checks and orders the plugins of a run, using pluggy."""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

import pluggy

from phantom_core.errors import (
    HookError,
    IncompatiblePluginError,
    PhantomError,
    PluginError,
    did_you_mean,
    error_text,
)
from phantom_core.hooks.hookspecs import HOOK_NAMES, PROJECT, REGISTRATION_HOOKS, Hooks, Registration
from phantom_core.importing import exit_report, import_object, top_package
from phantom_core.installed.discovery import (
    KIND_GROUP,
    PLUGIN_GROUP,
    InstalledEntry,
    core_mismatch,
    core_version,
    installed,
    normalised,
)
from phantom_core.installed.plugin_settings import PluginSettings
from phantom_core.installed.registry import Component, Registry

_log = logging.getLogger(PROJECT)

Skipping: TypeAlias = Literal["disabled", "incompatible", "missing dependency", "failed"]


@dataclass(frozen=True, slots=True)
class SkippedPlugin:
    """An installed plugin, as `distribution:name`, that is not used in the run, and why: one sentence."""

    name: str
    reason: str
    status: Skipping = "failed"


class Subscriber(NamedTuple):
    """One plugin's implementation of one hook."""

    plugin_name: str
    function: Callable[..., Any]
    takes_event: bool  # pluggy allows leaving it out
    place: str  # what determines its position: "by name", "tryfirst" or "trylast"


class _Plugin:
    """A wrapper for pluggy: compared by identity, with the implementations as attributes.

    pluggy compares plugins with `==`, so it would treat two equal loggers as the same plugin.
    """

    def __init__(self, plugin: object, name: str, options: Mapping[str, Mapping[str, Any]]) -> None:
        self.plugin = plugin
        self.plugin_name = name
        self.options = options
        vars(self).update({attribute: getattr(plugin, attribute) for attribute in options})

    def part(self, *, trylast: bool) -> _Plugin:
        """Return the implementations that are, or are not, marked `trylast`."""
        chosen = {n: found for n, found in self.options.items() if bool(found.get("trylast")) is trylast}
        return _Plugin(self.plugin, self.plugin_name, chosen)


class _Pluggy(pluggy.PluginManager):
    """pluggy's manager, except that an overridden method of `Hooks` needs no decorator."""

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(Hooks)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        if isinstance(plugin, _Plugin):
            return plugin.options.get(name)
        if isinstance(inspect.getattr_static(plugin, name, None), property):
            return None  # reading a property may have side effects
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None and name in HOOK_NAMES and isinstance(plugin, Hooks):
            is_inherited = name not in vars(plugin) and getattr(type(plugin), name) is getattr(Hooks, name)
            return None if is_inherited or not inspect.isroutine(getattr(plugin, name)) else {}
        return options


class PluginManager:
    """The plugins of one run.

    Attributes:
        registry: the available components. Plugins that are registered may add some.
        disabled: installed components that are disabled, with the reason.
        ambient: installed plugin objects that are used; `ambient_names` are their names in the run.
        permanent_names: the names of the plugins that are never switched off.
    """

    def __init__(self, settings: PluginSettings | None = None) -> None:
        """Register the components of all enabled distributions; nothing is imported.

        Without settings, environment variables and `phantom.toml` are read.
        """
        self.settings = PluginSettings.of_surroundings() if settings is None else settings
        self.ambient: list[InstalledEntry] = []
        self.skipped: list[SkippedPlugin] = []
        self.disabled: dict[InstalledEntry, str] = {}
        self._plugins: dict[str, _Plugin] = {}
        self.ambient_names: set[str] = set()
        self.permanent_names: set[str] = set()
        found, offered, broken = installed(), [], []
        for entry in found.entries:
            if entry.problem:
                broken.append(entry)
            elif entry.group not in (PLUGIN_GROUP, KIND_GROUP):
                refusal = self.settings.refusal_of(entry)
                if refusal:
                    self.disabled[entry] = refusal
                else:
                    offered.append(Component.of(entry, found.kinds[entry.kind]))
        self.registry = Registry(offered, self.disabled, found.kinds, broken)

    def register(
        self, plugin: object, name: str, *, is_ambient: bool = False, is_permanent: bool = False
    ) -> object:
        """Register a plugin and the components that it provides; return the plugin object.

        A plugin is an instance of `Hooks`, a module or an object with functions marked by `hookimpl`, or a
        class or function without parameters that returns one. Raises PluginError if it cannot be created or
        is already registered, and HookError if a hook of it is missing, misspelt or cannot be called.
        """
        unique, number = name, 1
        while unique in self._plugins:
            number += 1
            unique = f"{name}-{number}"
        made = _instance(plugin, unique)
        for other_name, other in self._plugins.items():
            if other.plugin is made:
                raise PluginError(
                    f"Plugin {name!r} is already registered as {other_name!r}: they are the same object. "
                    "Register it once, or create two objects.",
                    plugin=name,
                )
        checked = _checked(made, unique)
        self._plugins[unique] = checked
        if is_ambient:
            self.ambient_names.add(unique)
        if is_permanent:
            self.permanent_names.add(unique)
        for hook in REGISTRATION_HOOKS:
            if hook in checked.options:
                self.registry.add(self._components(unique, hook, getattr(checked, hook)))
        return made

    def load_installed_plugins(self) -> None:
        """Import the installed plugin objects; skip and report those that are disabled or broken.

        Invalid entry points, unreadable metadata and unknown names in the settings are reported too. In
        strict mode, the first broken plugin raises PluginError.
        """
        found = installed()
        for sentence in self.settings.warnings(found.entries):
            _log.warning("%s", sentence)
        for broken in found.broken:
            self._skip(broken.name, f"{broken.problem} ({broken.location}). Install {broken.name} again.")
        for entry in found.entries:
            if entry.problem:
                self._skip(entry.qualified_name, f"{entry.problem}.")
            elif entry.group == PLUGIN_GROUP:
                self._load(entry)

    def subscribers(self) -> dict[str, tuple[Subscriber, ...]]:
        """Return the implementations of each hook, in call order.

        As in pluggy, `tryfirst` comes before all others and `trylast` after them; equals are ordered by
        plugin name.
        """
        manager = _Pluggy()
        by_name = [self._plugins[name] for name in sorted(self._plugins, key=lambda n: (normalised(n), n))]
        for plugin in reversed(by_name):  # among equals, pluggy calls the last registered first ...
            manager.register(plugin.part(trylast=False))
        for plugin in by_name:  # ... except among those marked trylast
            manager.register(plugin.part(trylast=True))
        return {
            hook: tuple(
                Subscriber(
                    cast("_Plugin", found.plugin).plugin_name,
                    found.function,
                    bool(found.argnames),
                    "tryfirst" if found.tryfirst else "trylast" if found.trylast else "by name",
                )
                for found in reversed(getattr(manager.hook, hook).get_hookimpls())
            )
            for hook in HOOK_NAMES
        }

    def hooks_objects(self) -> Iterator[tuple[str, Hooks]]:
        """Yield each plugin that is an instance of `Hooks`, with its name."""
        for name, plugin in self._plugins.items():
            if isinstance(plugin.plugin, Hooks):
                yield name, plugin.plugin

    def _load(self, entry: InstalledEntry) -> None:
        """Import and register one installed plugin object, or skip it."""
        name = entry.qualified_name
        refusal = self.settings.refusal_of(entry)
        if refusal:
            self._skip(name, refusal, "disabled")
        elif not entry.is_compatible:
            mismatch = core_mismatch(entry.distribution, entry.core_specifier)
            self._skip(name, f"it {mismatch}", "incompatible")
        else:
            try:
                with exit_report(f"plugin {name!r}"):
                    plugin = import_object(entry.target)
                self.register(plugin, name, is_ambient=True)
                self.ambient.append(entry)
            except PhantomError as error:
                self._skip(name, str(error), cause=error)
            except (Exception, SystemExit) as error:  # a plugin's module may raise anything
                package = _missing_package(error, entry)
                advice = f" Install {package}, or disable the plugin." if package else ""
                reason = f"it could not be loaded: {error_text(error)}.{advice}"
                self._skip(name, reason, "missing dependency" if package else "failed", error)

    def _skip(
        self,
        name: str,
        reason: str,
        status: Skipping = "failed",
        cause: BaseException | None = None,
        warning: str = "Plugin %r is skipped: %s",
    ) -> None:
        """Report what is not used; raise if plugins are strict, unless it is disabled."""
        if self.settings.is_strict and status != "disabled":
            error_class = IncompatiblePluginError if status == "incompatible" else PluginError
            sentence = f"Plugin {name!r} cannot take part, and plugins are strict: {reason}"
            raise error_class(sentence, plugin=name) from cause
        self.skipped.append(SkippedPlugin(name, reason, status))
        if status != "disabled":
            _log.warning(warning, name, reason)

    def _components(self, name: str, hook: str, function: Callable[[], Any]) -> list[Component]:
        """Ask a plugin what it offers; what fails is reported, and the rest counts."""
        components: list[Component] = []
        try:
            registrations = list(function() or ())
        except Exception as error:  # a plugin's hook may raise anything
            self._report_registration(name, hook, error)
            return components
        for registration in registrations:
            try:
                components.append(_component(name, registration, self.registry))
            except Exception as error:  # of another type, or of an unknown kind
                self._report_registration(name, hook, error)
        return components

    def _report_registration(self, name: str, hook: str, error: Exception) -> None:
        warning = "Plugin %r: %s What it would offer is left out."
        self._skip(name, f"{hook}() failed: {error_text(error)}.", cause=error, warning=warning)


def everything_offered(settings: PluginSettings | None = None) -> Registry:
    """Return all components that a run can find by name. Installed plugin objects are imported."""
    manager = PluginManager(settings)
    manager.load_installed_plugins()
    return manager.registry


def components(kind: str | None = None) -> Sequence[Component]:
    """Return the installed components, sorted by kind, name and distribution.

    Components are not imported; `Component.load` does that. Installed plugin objects are imported, as in
    every run, since they may register components.

    Args:
        kind: `"trainer"`, `"policy"`, `"metric"`, `"logger"`, `"hook"`, `"env"`, `"command"`, or a kind that
            an installed distribution declares. None for all kinds.

    Raises:
        UnknownNameError: if the kind is unknown.
    """
    return everything_offered().components(kind)


def find(kind: str, name: str) -> Component:
    """Return the component with a kind and name, as a run finds it. `Component.load` imports it.

    Args:
        kind: the kind, such as `"trainer"`.
        name: its name, or `distribution:name`. Case is ignored, and `-` and `_` are equivalent.

    Raises:
        UnknownNameError: if the name or the kind is unknown; the message suggests the nearest.
        AmbiguousNameError: if several distributions provide a component with this name.
        ConfigError: if the component is disabled.
        PluginError: if its entry point is invalid.
    """
    return everything_offered().find(kind, name)


# ---------------------------------------------------------------------- checking a plugin

_NEAR: Final = 0.85
"""The similarity of two names, from 0 to 1, above which one is taken for a misspelling of the other."""


def _instance(plugin: object, name: str) -> object:
    if plugin is None:
        msg = f"Plugin {name!r} is None. Expected an object with hook implementations."
        raise PluginError(msg, plugin=name)
    is_factory = isinstance(plugin, type) or inspect.isfunction(plugin)
    if not is_factory:
        return plugin
    if hasattr(plugin, f"{PROJECT}_impl"):
        cure = "Put it into a class or a module, and pass that."
        raise HookError(f"Plugin {name!r} is a function that is marked as a hook. {cure}", plugin=name)
    try:
        return plugin()  # type: ignore[operator]  # a class or a function, as checked above
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"Plugin {name!r} could not be created: {error_text(error)}. It is called without arguments; "
            "pass an instance instead.",
            plugin=name,
        ) from error


def _checked(plugin: object, name: str) -> _Plugin:
    """Parse a plugin with pluggy; raise if a hook would never be called or could not be contained."""
    manager = _Pluggy()
    try:
        names = [attribute for attribute in dir(plugin) if not attribute.startswith("_")]
        options = {n: found for n in names if (found := manager.parse_hookimpl_opts(plugin, n)) is not None}
        problem = next(filter(None, _problems(plugin, names, options, name)), "")
        checked = _Plugin(plugin, name, options)
        if not problem:
            manager.register(checked)
    except Exception as error:  # an unusual __dir__ or __getattr__
        raise HookError(
            f"Plugin {name!r} ({type(plugin).__name__}) cannot be searched for hooks: {error_text(error)}. "
            "Pass an object with ordinary attributes.",
            plugin=name,
        ) from error
    if problem:
        raise HookError(problem, plugin=name)
    return checked


def _problems(plugin: object, names: Iterable[str], options: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield what is wrong with each attribute of a plugin, or an empty string."""
    for attribute in names:
        if attribute not in options:
            yield _problem_unmarked(plugin, attribute, name)
    for attribute, found in options.items():
        yield _problem_marked(getattr(plugin, attribute), found.get("specname") or attribute, found, name)
    if not options:
        yield (
            f"Plugin {name!r} implements no hook. Override a method of ph.Hooks, such as on_iteration_end, "
            "mark a function with @ph.hookimpl, or leave it out."
        )


def _problem_unmarked(plugin: object, attribute: str, name: str) -> str:
    """Return why an attribute that seems to be meant as a hook is not one; else an empty string."""
    is_meant = _is_near_a_hook(attribute) or (
        isinstance(plugin, Hooks) and attribute.startswith(("on_", "phantom_"))
    )
    if not is_meant or isinstance(inspect.getattr_static(plugin, attribute, None), property):
        return ""
    value = getattr(plugin, attribute)
    if not callable(value):
        return ""
    if attribute not in HOOK_NAMES:
        return (
            f"Plugin {name!r} has {attribute}(), but there is no such hook."
            f"{did_you_mean(attribute, HOOK_NAMES)} Rename it, to _{attribute} if it is not a hook."
        )
    if not isinstance(plugin, Hooks):
        cure = "Decorate it with @ph.hookimpl, or derive the class from ph.Hooks."
        return f"Plugin {name!r} has {attribute}(), which is not marked as a hook. {cure}"
    if attribute in vars(plugin) or getattr(type(plugin), attribute) is not getattr(Hooks, attribute):
        return f"{attribute} of plugin {name!r} is {value!r}, not a function. Write a method."
    return ""


@lru_cache(maxsize=1024)
def _is_near_a_hook(attribute: str) -> bool:
    return bool(difflib.get_close_matches(attribute, HOOK_NAMES, n=1, cutoff=_NEAR))


def _problem_marked(function: Callable[..., Any], hook: str, options: Mapping[str, Any], name: str) -> str:
    """Return why an implementation cannot be called or contained, or an empty string."""
    if options.get("wrapper") or options.get("hookwrapper"):
        return (
            f"Plugin {name!r} marks {hook}() as a wrapper. Each implementation is called by itself, so that "
            "its exceptions are contained and named; what wraps others could not be. Write a plain function: "
            "tryfirst=True or trylast=True says when it is called."
        )
    if hook not in HOOK_NAMES:
        if options.get("optionalhook"):
            return ""  # a newer core may have it
        return (
            f"Plugin {name!r} implements {hook}(), but phantom_core {core_version()} has no such hook."
            f"{did_you_mean(hook, HOOK_NAMES)} Rename it; if a newer core has it, mark it with "
            "@hookimpl(optionalhook=True)."
        )
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return f"{hook}() of plugin {name!r} is async, and nobody would await it. Make it a plain function."
    is_registration = hook in REGISTRATION_HOOKS
    if inspect.isgeneratorfunction(function) and not is_registration:
        cure = "Write return instead of yield."
        return f"{hook}() of plugin {name!r} is a generator function, so its body would never run. {cure}"
    return _problem_parameters(function, hook, () if is_registration else ("event",), name)


def _problem_parameters(function: Callable[..., Any], hook: str, spec: tuple[str, ...], name: str) -> str:
    """Return which parameters would get no argument, as pluggy passes them by name; or an empty string."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a method without a first parameter
        cure = f"Write: def {hook}(self{', event' if spec else ''})."
        return f"{hook}() of plugin {name!r} is a method without self. {cure}"
    wanted = f"one parameter called {spec[0]}, or none" if spec else "no parameters"
    given = {p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)}
    needed = {
        p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    optional = {p.name for p in parameters if p.default is not p.empty} & set(spec)
    if needed - (given & set(spec)) or optional:
        expected = f"Arguments are passed by name, as pluggy does it: expected {wanted}."
        return f"{hook}() of plugin {name!r} has the parameters {inspect.signature(function)}. {expected}"
    return ""


def _missing_package(error: BaseException, entry: InstalledEntry) -> str:
    """Return the missing package that a plugin depends on; empty if the error has another cause."""
    package = (error.name or "").split(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return "" if package == top_package(entry.target) else package


def _component(plugin: str, registration: Registration, registry: Registry) -> Component:
    if not isinstance(registration, Registration):
        raise TypeError(f"expected ph.Registration objects, got {registration!r}")
    registry.check_kind(registration.kind)
    return Component(
        registration.kind,
        registration.name,
        registration.target,
        registration.summary,
        distribution=plugin,
        base=registry.kinds[registration.kind].base,
    )
