"""Firing life-cycle hooks: the order is fixed at the start of the run, and every call is guarded.

Each hook is a `Channel`, which holds the functions to call as one tuple. For a hook that is fired often, keep
its channel, and check `subscribers` before making an event:

    ended = dispatcher.channel("on_episode_end")
    if ended.subscribers:
        ended.fire(event)
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from phantom_core.envs.plain_values import as_number
from phantom_core.errors import ConfigError, HookError, PhantomError, error_text
from phantom_core.hooks.events import IterationEnd
from phantom_core.hooks.hookspecs import LIFE_CYCLE_HOOKS, PROJECT
from phantom_core.hooks.plugin_manager import PluginManager, Subscriber
from phantom_core.secrets import Secrets

MIN_FAILURES: Final = 3
MIN_FAILING_SECONDS: Final = 30.0
"""A plugin is switched off after this many consecutive failures in one hook, over at least this many seconds.

A thousand iterations may take a second, as may a temporary failure such as a full disk. A count alone would
switch off plugins that recover.
"""

Measure: TypeAlias = Callable[[str, str, Callable[[Any], Any]], Callable[[Any], Any]]
"""Wraps a hook function in one that is measured, given the names of the plugin and the hook."""

_log = logging.getLogger(PROJECT)


@dataclass(slots=True)
class HookFailure:
    """The failures of one hook of one plugin."""

    plugin: str
    hook: str
    error: str  # the first, as text
    count: int = 0
    in_a_row: int = 0  # since the last success
    since: float = 0.0  # the time of the first of those, in seconds of the dispatcher's clock
    is_switched_off: bool = False  # the plugin, because of it

    def __str__(self) -> str:
        times = "once" if self.count == 1 else f"{self.count} times"
        off = " and was switched off" if self.is_switched_off else ""
        return f"Plugin {self.plugin!r} failed {times} in {self.hook}{off}: {self.error}."


class Channel:
    """One hook of a run: its `subscribers`, plugin and function, in the order in which they are called."""

    __slots__ = ("_dispatcher", "_failing", "hook", "subscribers")

    def __init__(
        self, hook: str, subscribers: tuple[tuple[str, Callable[[Any], Any]], ...], dispatcher: Dispatcher
    ) -> None:
        self.hook = hook
        self.subscribers = subscribers
        self._dispatcher = dispatcher
        self._failing = False  # whether a plugin failed since its last success

    def fire(self, event: Any) -> None:
        """Call all implementations; exceptions are contained, but in strict mode the first is raised last."""
        if self._failing:
            self.ask(event)
            return
        to_raise: BaseException | None = None
        for plugin, function in self.subscribers:
            try:
                function(event)
            except BaseException as error:  # contained: a logger must not end a run
                to_raise = self._caught(plugin, error, to_raise)
        if to_raise is not None:
            raise to_raise

    def ask(
        self, event: Any, read: Callable[[Any], Any] = lambda result: result, *, outlasts_exits: bool = False
    ) -> list[tuple[str, Any]]:
        """Call all implementations, as `fire` does; return the result of each plugin that did not fail.

        `read` checks and converts a result; an exception there counts as a failure of the plugin. With
        `outlasts_exits`, `SystemExit` and `KeyboardInterrupt` are raised after the last call only.
        """
        returned: list[tuple[str, Any]] = []
        to_raise: BaseException | None = None
        for plugin, function in self.subscribers:
            try:
                returned.append((plugin, read(function(event))))
            except BaseException as error:
                to_raise = self._caught(plugin, error, to_raise, outlasts_exits=outlasts_exits)
            else:
                self._dispatcher.succeeded(plugin, self.hook)
        self._failing = self._failing and self._dispatcher.is_failing(self.hook)
        if to_raise is not None:
            raise to_raise
        return returned

    def _caught(
        self, plugin: str, error: BaseException, first: BaseException | None, *, outlasts_exits: bool = False
    ) -> BaseException | None:
        """Record an exception, or raise an exit; return what to raise after the last call."""
        if not isinstance(error, Exception):
            self.report_exit(plugin, error)
            if outlasts_exits:
                return error
            raise error
        if self._dispatcher.is_explained(error):
            return first
        self._failing = True
        self._dispatcher.note(plugin, self.hook, error)
        if first is None and self._dispatcher.is_strict:
            return _hook_error(plugin, self.hook, error)
        return first

    def report_exit(self, plugin: str, error: BaseException) -> None:
        """Log the name of the plugin that ends the run on purpose; Ctrl-C is not the plugin's doing."""
        if not isinstance(error, KeyboardInterrupt):
            _log.warning("Plugin %r ends the run in %s: it raised %s.", plugin, self.hook, error_text(error))

    def drop(self, plugin: str) -> None:
        """Stop calling a plugin."""
        self.subscribers = tuple(pair for pair in self.subscribers if pair[0] != plugin)


class Dispatcher:
    """Delivers events to the plugins of a run, and contains their exceptions, unless strict.

    Attributes:
        is_explained: whether an exception comes from what the run said already: it is no plugin's failure.
        failures: what failed, by plugin and hook.
    """

    def __init__(
        self,
        manager: PluginManager,
        *,
        is_strict: bool | None = None,
        measure: Measure | None = None,
        clock: Callable[[], float] = time.monotonic,
        secrets: Secrets | None = None,
    ) -> None:
        """Fix the implementations of each hook and their order.

        `is_strict` is that of the manager's settings unless given; `clock` returns the time in seconds, to
        measure for how long a plugin has been failing; what plugins raise and why they stop a run is noted
        without `secrets`.
        """
        self.is_strict = manager.settings.is_strict if is_strict is None else is_strict
        self.is_explained: Callable[[BaseException], bool] = lambda _error: False
        self.failures: dict[tuple[str, str], HookFailure] = {}
        self._manager = manager
        self._clock = clock
        self._secrets = Secrets() if secrets is None else secrets
        self._off: set[str] = set()
        found = manager.subscribers()
        self._channels = {
            hook: Channel(hook, tuple(_callee(s, hook, measure) for s in found[hook]), self)
            for hook in LIFE_CYCLE_HOOKS
        }

    def channel(self, hook: str) -> Channel:
        """Return the channel of a hook, such as to keep it if the hook is fired often."""
        return self._channels[hook]

    def has_subscribers(self, hook: str) -> bool:
        """Return whether any plugin implements a hook, to avoid making an event for none."""
        return bool(self._channels[hook].subscribers)

    def order(self, hook: str) -> list[str]:
        """Return the names of the plugins that implement a hook, in call order."""
        return [plugin for plugin, _ in self._channels[hook].subscribers]

    def start(self, event: Any) -> None:
        """Fire `on_train_start`, in which a plugin that the user named may cancel the run by raising.

        Its `PhantomError` is raised as a ConfigError, any other exception as a HookError.
        """
        channel = self._channels["on_train_start"]
        for plugin, function in channel.subscribers:
            try:
                function(event)
            except Exception as error:
                if plugin in self._manager.ambient_names and not self.is_strict:
                    self.note(plugin, "on_train_start", error, give_up=True)
                elif isinstance(error, PhantomError):  # its message says what to do
                    raise ConfigError(f"Plugin {plugin!r}: {error}") from error
                else:
                    raise _hook_error(plugin, "on_train_start", error) from error
            except BaseException as error:
                channel.report_exit(plugin, error)
                raise

    def fire(self, hook: str, event: Any) -> None:
        """Deliver an event to all implementations of a hook, as `Channel.fire` does."""
        channel = self._channels[hook]
        if hook == "on_train_end":
            channel.ask(event, outlasts_exits=True)
        else:
            channel.fire(event)

    def stop_reasons(self, event: IterationEnd) -> list[str]:
        """Call `should_stop`; return all reasons to stop, each with the name of its plugin."""
        answers = self._channels["should_stop"].ask(event, _read_reason)
        return [f"{plugin}: {self._secrets.hide(reason)}" for plugin, reason in answers if reason]

    def is_wanted(self, hook: str, event: IterationEnd) -> bool:
        """Call `should_evaluate` or `should_checkpoint`; return whether any plugin returned True."""
        return any(is_wanted for _, is_wanted in self._channels[hook].ask(event, _read_request))

    def extra_values(self, event: IterationEnd) -> dict[str, float]:
        """Call `extra_values`; return the values to log, named `<plugin>/<name>`."""
        answers = self._channels["extra_values"].ask(event, _read_values)
        return {f"{plugin}/{name}": value for plugin, values in answers for name, value in values.items()}

    def hook_states(self) -> dict[str, Any]:
        """Return the non-empty states of `Hooks.state_dict` by plugin; exceptions are contained."""
        states = {}
        for plugin, hooks in self._manager.hooks_objects():
            try:
                state = _read_state(hooks.state_dict())
            except Exception as error:
                self.contain(plugin, "state_dict", error)
                continue
            self.succeeded(plugin, "state_dict")
            if state:
                states[plugin] = state
        return states

    def load_hook_states(self, states: Mapping[str, Any]) -> list[str]:
        """Restore what `hook_states` returned; return the plugins whose state was not restored, and why."""
        problems, present = [], dict(self._manager.hooks_objects())
        for plugin, state in states.items():
            if plugin not in present:
                problems.append(f"the plugin {plugin!r} does not follow the run any more")
                continue
            try:
                present[plugin].load_state_dict(state)
            except Exception as error:
                self.contain(plugin, "load_state_dict", error)
                problems.append(f"the plugin {plugin!r} could not restore its state")
        return problems

    def failure_states(self) -> list[list[Any]]:
        """Return the failures so far as JSON values."""
        return [
            [f.plugin, f.hook, f.error, f.count, f.in_a_row, f.is_switched_off]
            for f in self.failures.values()
        ]

    def load_failure_states(self, states: Sequence[Sequence[Any]]) -> None:
        """Restore what `failure_states` returned. A plugin that was failing has been so since now."""
        for plugin, hook, error, count, in_a_row, is_switched_off in states:
            self.failures[plugin, hook] = HookFailure(
                plugin, hook, error, count, in_a_row, self._clock(), is_switched_off
            )
            if is_switched_off:
                self._switch_off(plugin)

    def is_off(self, plugin: str) -> bool:
        """Return whether a plugin or metric was switched off."""
        return plugin in self._off

    def contain(self, plugin: str, hook: str, error: Exception) -> None:
        """Record an exception of a plugin or metric, as `note` does; raise HookError in strict mode."""
        if self.is_explained(error):
            return
        self.note(plugin, hook, error)
        if self.is_strict:
            raise _hook_error(plugin, hook, error) from error

    def note(self, plugin: str, hook: str, error: Exception, *, give_up: bool = False) -> None:
        """Record an exception of a plugin or metric; switch it off if it keeps failing, or to `give_up`."""
        noted = HookFailure(plugin, hook, self._secrets.hide(error_text(error)))
        failure = self.failures.setdefault((plugin, hook), noted)
        now = self._clock()
        if not failure.in_a_row:
            failure.since = now
        failure.count += 1
        failure.in_a_row += 1
        is_lasting = failure.in_a_row >= MIN_FAILURES and now - failure.since >= MIN_FAILING_SECONDS
        is_kept = plugin in self._manager.permanent_names or plugin in self._off
        if give_up or (is_lasting and not is_kept):
            failure.is_switched_off = True
            self._switch_off(plugin)
            _warn(failure, error)
        elif failure.count == 1:
            _warn(failure, error)

    def _switch_off(self, plugin: str) -> None:
        self._off.add(plugin)
        for hook, channel in self._channels.items():
            if hook != "on_train_end":  # plugins close their files there
                channel.drop(plugin)

    def succeeded(self, plugin: str, hook: str) -> None:
        """Record that a plugin or metric succeeded, which resets its count of consecutive failures."""
        if self.failures and (plugin, hook) in self.failures:
            self.failures[plugin, hook].in_a_row = 0

    def is_failing(self, hook: str) -> bool:
        """Return whether the latest call of any implementation of a hook failed."""
        return any(
            of_hook == hook and failure.in_a_row and not failure.is_switched_off
            for (_, of_hook), failure in self.failures.items()
        )

    def failure_sentences(self) -> tuple[str, ...]:
        """Return one sentence for each plugin and hook that failed."""
        return tuple(str(failure) for failure in self.failures.values())


def _read_reason(answer: Any) -> str | None:
    if answer is None or isinstance(answer, str):
        return answer
    raise TypeError(f"it returned {answer!r}. Expected a reason (str) to stop, or None")


def _read_request(answer: Any) -> bool:
    if answer is None or isinstance(answer, (bool, np.bool_)):
        return bool(answer)
    raise TypeError(f"it returned {answer!r}. Expected True or False")


def _read_values(answer: Any) -> dict[str, float]:
    if answer is None:
        return {}
    if isinstance(answer, Mapping):
        return {str(name): _read_number(name, value) for name, value in answer.items()}
    raise TypeError(f"it returned {answer!r}. Expected a dict of numbers, or None")


def _read_number(name: object, value: Any) -> float:
    try:
        return as_number(value)
    except (TypeError, ValueError):
        raise TypeError(f"it returned {value!r} as {name!r}. Expected a number") from None


def _read_state(answer: Any) -> dict[str, Any]:
    if isinstance(answer, dict):
        return answer
    raise TypeError(f"it returned {answer!r}. Expected a dict")


def _warn(failure: HookFailure, error: Exception) -> None:
    _log.warning("%s", str(failure), exc_info=error if _log.isEnabledFor(logging.DEBUG) else None)


def _callee(subscriber: Subscriber, hook: str, measure: Measure | None) -> tuple[str, Callable[[Any], Any]]:
    plugin, function = subscriber.plugin_name, subscriber.function
    if not subscriber.takes_event:
        without_event = function

        def function(_event: Any) -> Any:
            return without_event()

    return plugin, function if measure is None else measure(plugin, hook, function)


def _hook_error(plugin: str, hook: str, error: Exception) -> HookError:
    msg = f"Plugin {plugin!r} failed in {hook}: {error_text(error)}. Mend it, or leave it out of the run."
    hook_error = HookError(msg, plugin=plugin)
    hook_error.__cause__ = error
    return hook_error
