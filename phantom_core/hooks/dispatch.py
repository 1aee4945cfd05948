"""Firing life-cycle hooks: order frozen at run start, one guarded call per implementation."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

from phantom_core.errors import ConfigError, HookError, PhantomError, told
from phantom_core.hooks.events import IterationEnd
from phantom_core.hooks.hookspecs import LIFE_CYCLE_HOOKS, PROJECT
from phantom_core.hooks.plugin_manager import PluginManager, Subscriber

MAX_FAILURES_IN_A_ROW: Final = 3
"""After so many failures in a row in one hook a plugin is switched off for the rest of the run."""

_log = logging.getLogger(PROJECT)


@dataclass(slots=True)
class HookFailure:
    """What went wrong in one hook of one plugin.

    Attributes:
        plugin: the name of the plugin.
        hook: the hook that raised.
        count: how often it raised.
        in_a_row: how often since it last succeeded.
        error: the first error, as text.
        is_switched_off: whether the plugin was switched off for it.
    """

    plugin: str
    hook: str
    count: int
    in_a_row: int
    error: str
    is_switched_off: bool = False

    def __str__(self) -> str:
        """Return one sentence."""
        times = "once" if self.count == 1 else f"{self.count} times"
        off = " and was switched off" if self.is_switched_off else ""
        return f"Plugin {self.plugin!r} failed {times} in {self.hook}{off}: {self.error}."


class Dispatcher:
    """Delivers events to the plugins of a run, and keeps their failures away from it.

    Attributes:
        failures: by plugin and hook, what went wrong so far.
    """

    def __init__(self, manager: PluginManager, *, is_strict: bool = False) -> None:
        """Freeze who is called, in which order.

        Args:
            manager: the plugins of the run.
            is_strict: whether an exception in a hook ends the run.

        Raises:
            ConfigError: if the order cannot be met.
        """
        self.is_strict = is_strict
        self.failures: dict[tuple[str, str], HookFailure] = {}
        self._off: set[str] = set()
        self._subscribers: dict[str, tuple[Subscriber, ...]] = {
            hook: manager.subscribers(hook) for hook in LIFE_CYCLE_HOOKS
        }

    def has_subscribers(self, hook: str) -> bool:
        """Tell whether anybody wants to know, before an event is made for nobody."""
        return bool(self._subscribers[hook])

    def order(self, hook: str) -> list[str]:
        """Return the names of the plugins that implement a hook, in the order in which they run."""
        return [subscriber.plugin_name for subscriber in self._subscribers[hook]]

    def start(self, event: Any) -> None:
        """Fire `on_train_start`, in which a plugin that the user named may refuse the run.

        Raises:
            ConfigError: if a selected plugin says what is wrong.
            HookError: if it raises anything else.
        """
        for subscriber in self._subscribers["on_train_start"]:
            try:
                subscriber.implementation.function(event)
            except Exception as error:
                plugin = subscriber.plugin_name
                if subscriber.is_ambient and not self.is_strict:
                    self._note(plugin, "on_train_start", error, give_up=True)
                elif isinstance(error, PhantomError):  # it says itself what to do
                    raise ConfigError(f"Plugin {plugin!r}: {error}") from error
                else:
                    raise _hook_error(plugin, "on_train_start", error) from error

    def fire(self, hook: str, event: Any) -> None:
        """Deliver an event to everybody who implements a hook.

        Raises:
            HookError: in strict mode, after everybody was called, for the first one that raised.
        """
        self._deliver(hook, event)

    def stop_reasons(self, event: IterationEnd) -> list[str]:
        """Ask everybody whether to stop; return all reasons, each with the name of its plugin."""
        return [f"{plugin}: {reason}" for plugin, reason in self._deliver("should_stop", event) if reason]

    def _deliver(self, hook: str, event: Any) -> list[tuple[str, Any]]:
        """Call everybody; return what each plugin returned."""
        returned: list[tuple[str, Any]] = []
        to_raise: BaseException | None = None
        for subscriber in self._subscribers[hook]:
            plugin = subscriber.plugin_name
            if plugin in self._off and hook != "on_train_end":
                continue
            try:
                returned.append((plugin, subscriber.implementation.function(event)))
            except Exception as error:  # contained: a logger must not lose a run
                self._note(plugin, hook, error)
                if self.is_strict and to_raise is None:
                    to_raise = _hook_error(plugin, hook, error)
                    to_raise.__cause__ = error
            except BaseException as error:  # an exit, or Ctrl-C; the end is delivered all the same
                if hook != "on_train_end":
                    raise
                to_raise = error
            else:
                self.succeeded(plugin, hook)
        if to_raise is not None:
            raise to_raise
        return returned

    def is_off(self, plugin: str) -> bool:
        """Tell whether a plugin or metric was switched off."""
        return plugin in self._off

    def contain(self, plugin: str, hook: str, error: Exception) -> None:
        """Note an exception of a plugin or metric; the third in a row switches it off.

        Raises:
            HookError: in strict mode.
        """
        self._note(plugin, hook, error)
        if self.is_strict:
            raise _hook_error(plugin, hook, error) from error

    def note(self, plugin: str, hook: str, error: Exception) -> None:
        """Note what is wrong with a plugin or metric and hurts nothing."""
        self._note(plugin, hook, error)

    def succeeded(self, plugin: str, hook: str) -> None:
        """Note that a plugin or metric did not raise, which ends a row of failures."""
        if self.failures and (plugin, hook) in self.failures:
            self.failures[plugin, hook].in_a_row = 0

    def failure_sentences(self) -> tuple[str, ...]:
        """Return one sentence for each plugin and hook that failed."""
        return tuple(str(failure) for failure in self.failures.values())

    def _note(self, plugin: str, hook: str, error: Exception, *, give_up: bool = False) -> None:
        failure = self.failures.setdefault((plugin, hook), HookFailure(plugin, hook, 0, 0, told(error)))
        failure.count += 1
        failure.in_a_row += 1
        if give_up or failure.in_a_row == MAX_FAILURES_IN_A_ROW:
            failure.is_switched_off = True
            self._off.add(plugin)
        if failure.count == 1 or failure.is_switched_off:
            _log.warning("%s", str(failure), exc_info=error if _log.isEnabledFor(logging.DEBUG) else None)


def _hook_error(plugin: str, hook: str, error: Exception) -> HookError:
    msg = f"Plugin {plugin!r} failed in {hook}: {told(error)}. Mend it, or leave it out of the run."
    return HookError(msg, plugin=plugin)
