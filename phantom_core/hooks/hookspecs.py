"""`Hooks`: all hooks, in the order in which they are called.

The class is both pluggy's hook specification and the base class whose overridden methods are implementations.
Registration hooks return the components that a plugin provides. Life-cycle hooks are called during a run;
each takes one event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import pluggy

from phantom_core.component_config import make_config
from phantom_core.hooks.events import (
    CheckpointSaved,
    EpisodeEnd,
    EvaluationEnd,
    IterationEnd,
    IterationStart,
    MetricsRecorded,
    TrainEnd,
    TrainFailed,
    TrainStart,
)

PROJECT: Final = "phantom_core"

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a module, or a method of any object, as a hook implementation.

This is pluggy's own marker: `tryfirst`, `trylast`, `optionalhook` and `specname` work as in any project that
uses pluggy. `wrapper` and `hookwrapper` are not supported; registering such a plugin is an error.
"""

_hookspec = pluggy.HookspecMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class Registration:
    """A component that a plugin registers by name.

    Attributes:
        kind: `"trainer"`, `"policy"`, `"metric"`, `"logger"`, `"hook"`, `"env"`, or a kind that an installed
            distribution declares.
        name: the name that users select it by: lower-case letters, digits, `.`, `_` and `-`.
        target: the class, or a reference to it (`"package.module:Class"`) that is imported on selection.
        summary: a one-line description.
    """

    kind: str
    name: str
    target: str | type
    summary: str = ""


class Hooks:
    """Base class of loggers and hooks. Override the methods you need.

    An overridden method is an implementation. No decorator is needed; `ph.hookimpl(trylast=True)` and other
    options may be added. Pass an instance to `ph.train(hooks=[...])`, or register the class as a logger or
    hook and select it by name. Implementations of equal priority are called in the order of plugin names.

    Attributes:
        config_class: frozen dataclass of the settings. None if the settings, if any, are the parameters of
            the class's own `__init__`.
        config: the settings, an instance of `config_class`; None without one.
    """

    config_class: ClassVar[type | None] = None
    config: Any = None

    def __init__(self, **settings: Any) -> None:
        """Check the settings; raise ConfigError if one is unknown or has the wrong type."""
        self.config = make_config(type(self), settings)

    def state_dict(self) -> dict[str, Any]:
        """Return the state to save in checkpoints: NumPy arrays and JSON values, nested in dicts and lists.

        It is saved under the name of the plugin. The default is an empty dict.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state returned by `state_dict`: called before `on_train_start` of a resumed run."""

    @_hookspec
    def phantom_register_trainers(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return its trainers."""
        return ()

    @_hookspec
    def phantom_register_policies(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return its policies."""
        return ()

    @_hookspec
    def phantom_register_metrics(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return its metrics."""
        return ()

    @_hookspec
    def phantom_register_loggers(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return its loggers."""
        return ()

    @_hookspec
    def phantom_register_hooks(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return its named hooks."""
        return ()

    @_hookspec
    def phantom_register_envs(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return its envs."""
        return ()

    @_hookspec
    def phantom_register_components(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return components of any kind, including declared kinds."""
        return ()

    @_hookspec
    def on_train_start(self, event: TrainStart) -> None:
        """Called before the first iteration: open files, print a heading. May cancel the run by raising."""

    @_hookspec
    def on_iteration_start(self, event: IterationStart) -> None:
        """Called before each iteration."""

    @_hookspec
    def on_episode_end(self, event: EpisodeEnd) -> None:
        """Called for each finished training episode, after the collection of the iteration."""

    @_hookspec
    def should_evaluate(self, event: IterationEnd) -> bool | None:
        """Called after each iteration of a run with an evaluation plan: return True to evaluate now.

        Every implementation is called; one True is enough. Evaluations due by the plan's `every` run anyway.
        """

    @_hookspec
    def on_evaluation_end(self, event: EvaluationEnd) -> None:
        """Called after each evaluation, before its values are logged."""

    @_hookspec
    def extra_values(self, event: IterationEnd) -> Mapping[str, float] | None:
        """Called after each iteration, before `on_metrics`: return additional values to log.

        Each is logged as `<plugin>/<name>`, and is included in the values of `on_metrics`, `on_iteration_end`
        and `should_stop`.
        """

    @_hookspec
    def on_metrics(self, event: MetricsRecorded) -> None:
        """Called once per iteration with all values to log, and once more for the final evaluation."""

    @_hookspec
    def on_iteration_end(self, event: IterationEnd) -> None:
        """Called after each iteration, after its values were logged."""

    @_hookspec
    def should_stop(self, event: IterationEnd) -> str | None:
        """Called after each iteration: return a reason to stop training, or None.

        Every implementation is called; any reason stops the run, and all reasons are recorded.
        """

    @_hookspec
    def should_checkpoint(self, event: IterationEnd) -> bool | None:
        """Called after each iteration of a run with a run directory: return True to write a checkpoint.

        Every implementation is called; one True is enough. Those due by the plan's `every` come anyway.
        """

    @_hookspec
    def on_checkpoint(self, event: CheckpointSaved) -> None:
        """Called after a checkpoint, or the final policies, were written to disk."""

    @_hookspec
    def on_exception(self, event: TrainFailed) -> None:
        """Called when an exception ends the run, before `on_train_end`."""

    @_hookspec
    def on_train_end(self, event: TrainEnd) -> None:
        """Called when the run is over, however it ended: close files. It is always called."""


HOOK_NAMES: Final[tuple[str, ...]] = tuple(
    name for name, value in vars(Hooks).items() if hasattr(value, f"{PROJECT}_spec")
)
"""All hooks, in the order in which they are called."""

LIFE_CYCLE_HOOKS: Final = tuple(name for name in HOOK_NAMES if not name.startswith("phantom_"))
REGISTRATION_HOOKS: Final = tuple(name for name in HOOK_NAMES if name.startswith("phantom_"))
