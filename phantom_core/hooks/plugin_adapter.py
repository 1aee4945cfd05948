"""What counts as a plugin: finds the hook implementations of an object, and refuses what would be silent."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from phantom_core.errors import HookError, PluginError, did_you_mean, told
from phantom_core.hooks.hookspecs import HOOK_NAMES, REGISTRATION_HOOKS, Hooks, hookimpl_options


@dataclass(frozen=True, slots=True)
class Implementation:
    """One implementation of one hook.

    Attributes:
        hook: the name of the hook.
        function: what to call.
        before: names of plugins whose implementations run after it.
        after: names of plugins whose implementations run before it.
    """

    hook: str
    function: Callable[..., Any]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class PluginAdapter:
    """Stands for one plugin in pluggy, compared by identity; its attributes are the implementations.

    pluggy compares plugins with `==` and would take two equal loggers for one.
    """

    def __init__(self, plugin: object, name: str) -> None:
        """Find the implementations.

        Args:
            plugin: an instance of `Hooks`; a module or an object with functions marked by `hookimpl`;
                or a class or function without parameters that makes one.
            name: what the plugin is called in messages and in the order of hooks.

        Raises:
            PluginError: if a class cannot be instantiated.
            HookError: if a name is no hook, a hook has the wrong parameters, or there is none.
        """
        self.plugin_name = name
        self.plugin = _instance(plugin, name)
        self.implementations: Mapping[str, Implementation] = {
            implementation.hook: implementation for implementation in _implementations(self.plugin, name)
        }
        if not self.implementations:
            msg = (
                f"Plugin {name!r} implements no hook. Override a method of ph.Hooks, such as "
                "on_iteration_end, or leave it out."
            )
            raise HookError(msg, plugin=name)
        for hook, implementation in self.implementations.items():
            _check_parameters(implementation, name)
            setattr(self, hook, _shim(implementation))


def _instance(plugin: object, name: str) -> object:
    is_factory = isinstance(plugin, type) or inspect.isfunction(plugin)
    if not is_factory:
        return plugin
    try:
        return plugin()  # type: ignore[operator]  # a class or a function, as tested above
    except Exception as error:
        msg = (
            f"Plugin {name!r} could not be made: {told(error)}. It is called "
            "without arguments; pass an instance instead."
        )
        raise PluginError(msg, plugin=name) from error


def _implementations(plugin: object, name: str) -> Iterator[Implementation]:
    """Yield the implementations; raise for names that look like hooks and are none."""
    for attribute in _public_names(plugin):
        is_hook = attribute in HOOK_NAMES
        if not is_hook and not attribute.startswith(("on_", "phantom_")):
            continue
        if isinstance(inspect.getattr_static(plugin, attribute), property):
            continue  # a value, and reading it may do anything
        function = getattr(plugin, attribute)
        if not callable(function):
            continue
        if not is_hook:
            msg = (
                f"Plugin {name!r} has {attribute}(), but there is no such "
                f"hook.{did_you_mean(attribute, HOOK_NAMES)} Rename it; _{attribute} if it is "
                "none."
            )
            raise HookError(msg, plugin=name)
        options = hookimpl_options(function)
        if isinstance(plugin, Hooks):
            if (
                attribute not in vars(plugin)
                and getattr(type(plugin), attribute) is getattr(Hooks, attribute)
                and options is None
            ):
                continue  # inherited: not an implementation
            options = options or {"before": type(plugin).before, "after": type(plugin).after}
        if options is None:
            msg = (
                f"Plugin {name!r} has {attribute}(), which is not marked as a hook. Decorate it "
                "with @ph.hookimpl, or derive the class from ph.Hooks."
            )
            raise HookError(msg, plugin=name)
        yield Implementation(attribute, function, options["before"], options["after"])


def _public_names(plugin: object) -> list[str]:
    owner = plugin if isinstance(plugin, ModuleType) else type(plugin)
    names = set(dir(owner)) | set(getattr(plugin, "__dict__", ()))
    return sorted(name for name in names if not name.startswith("_"))


def _check_parameters(implementation: Implementation, name: str) -> None:
    if inspect.iscoroutinefunction(implementation.function):
        msg = (
            f"{implementation.hook}() of plugin {name!r} is async, and nobody would await it. "
            "Make it a plain function."
        )
        raise HookError(msg, plugin=name)
    for option in ("before", "after"):
        if isinstance(getattr(implementation, option), str):
            msg = (
                f"{option} of plugin {name!r} is {getattr(implementation, option)!r}. Expected a "
                "tuple of names: ('console',)."
            )
            raise HookError(msg, plugin=name)
    given = () if implementation.hook in REGISTRATION_HOOKS else (None,)
    try:
        inspect.signature(implementation.function).bind(*given)
    except TypeError:
        wanted = "no parameters" if not given else "one parameter, the event"
        msg = (
            f"{implementation.hook}() of plugin {name!r} has the parameters "
            f"{inspect.signature(implementation.function)}. Expected {wanted}."
        )
        raise HookError(msg, plugin=name) from None


def _shim(implementation: Implementation) -> Callable[..., Any]:
    """Give pluggy a function whose parameter is called as in the spec, whatever the author called it."""
    function = implementation.function
    if implementation.hook in REGISTRATION_HOOKS:
        return lambda: function()  # noqa: PLW0108  pluggy reads its parameters
    return lambda event, /: function(event)
