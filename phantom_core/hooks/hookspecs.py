"""`Hooks`: every hook, declared once, in the order in which hooks are called.

The class is both what pluggy knows as the specification and the base class whose overridden methods are
implementations. Registration hooks say which components a plugin offers. Life-cycle hooks follow a run; each
takes one event.
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

This is pluggy's own marker: `tryfirst`, `trylast`, `optionalhook` and `specname` work as in every project
that uses pluggy. `wrapper` and `hookwrapper` are refused when the plugin is registered.
"""

_hookspec = pluggy.HookspecMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class Registration:
    """One component that a plugin offers by name.

    Attributes:
        kind: `"trainer"`, `"policy"`, `"metric"`, `"logger"`, `"hook"`, `"env"`, or a kind that an installed
            distribution declares.
        name: what users select it by: lower-case letters, digits, `.`, `_` and `-`.
        target: the class, or where to import it from when it is selected: `"package.module:Class"`.
        summary: one line for people.
    """

    kind: str
    name: str
    target: str | type
    summary: str = ""


class Hooks:
    """Base class of loggers, displays and whatever else follows a run: override what you need.

    An overridden method is an implementation; no decorator is needed, but `ph.hookimpl(trylast=True)` and its
    like work. An instance goes into `ph.train(hooks=[...])`; a class that is registered as a logger or hook
    goes by its name. Inside a run, equal calls are ordered by plugin name.

    Attributes:
        config_class: frozen dataclass of the settings; None: its settings, if any, are the parameters of its
            own `__init__`.
        config: the settings, an instance of `config_class`; None without one.
    """

    config_class: ClassVar[type | None] = None
    config: Any = None

    def __init__(self, **settings: Any) -> None:
        """Check the settings.

        Raises:
            ConfigError: if a setting is unknown or has the wrong type.
        """
        self.config = make_config(type(self), settings)

    def state_dict(self) -> dict[str, Any]:
        """Return what must outlive the process: NumPy arrays and JSON values, nested in dicts and lists.

        Saved with each checkpoint under the name of the plugin. The default is nothing.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""

    @_hookspec
    def phantom_register_trainers(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return the trainers that it offers."""
        return ()

    @_hookspec
    def phantom_register_policies(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return the policies that it offers."""
        return ()

    @_hookspec
    def phantom_register_metrics(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return the metrics that it offers."""
        return ()

    @_hookspec
    def phantom_register_loggers(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return the loggers that it offers."""
        return ()

    @_hookspec
    def phantom_register_hooks(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return the hooks that it offers by name."""
        return ()

    @_hookspec
    def phantom_register_envs(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return the envs that it offers."""
        return ()

    @_hookspec
    def phantom_register_components(self) -> Iterable[Registration]:
        """Called when the plugin is registered: return components of any kind, also of declared ones."""
        return ()

    @_hookspec
    def on_train_start(self, event: TrainStart) -> None:
        """Called before the first iteration: open files, print a heading. May refuse the run by raising."""

    @_hookspec
    def on_iteration_start(self, event: IterationStart) -> None:
        """Called before each iteration."""

    @_hookspec
    def on_episode_end(self, event: EpisodeEnd) -> None:
        """Called for each episode that was played for training, after the iteration's collection."""

    @_hookspec
    def should_evaluate(self, event: IterationEnd) -> bool | None:
        """Called after each iteration of a run with an evaluation plan: return True to evaluate now.

        Every implementation is asked; one True is enough. The plan's own `every` holds besides.
        """

    @_hookspec
    def on_evaluation_end(self, event: EvaluationEnd) -> None:
        """Called after each evaluation, before its values are logged."""

    @_hookspec
    def extra_values(self, event: IterationEnd) -> Mapping[str, float] | None:
        """Called after each iteration, before `on_metrics`: return values to log with the others.

        Each is logged as `<plugin>/<name>`, and is among the values of `on_metrics`, `on_iteration_end` and
        `should_stop`.
        """

    @_hookspec
    def on_metrics(self, event: MetricsRecorded) -> None:
        """Called once per iteration with all values to log, and once more for the last evaluation."""

    @_hookspec
    def on_iteration_end(self, event: IterationEnd) -> None:
        """Called after each iteration, after its values were logged."""

    @_hookspec
    def should_stop(self, event: IterationEnd) -> str | None:
        """Called after each iteration: return a reason to stop training, or None.

        Every implementation is asked; any reason stops the run, and all reasons are recorded.
        """

    @_hookspec
    def should_checkpoint(self, event: IterationEnd) -> bool | None:
        """Called after each iteration of a run with a run directory: return True to write a checkpoint.

        Every implementation is asked; one True is enough. The checkpoint plan's own `every` holds besides.
        """

    @_hookspec
    def on_checkpoint(self, event: CheckpointSaved) -> None:
        """Called after a checkpoint, or the final policies, were written to disk."""

    @_hookspec
    def on_exception(self, event: TrainFailed) -> None:
        """Called when an exception ends the run, before `on_train_end`."""

    @_hookspec
    def on_train_end(self, event: TrainEnd) -> None:
        """Called when the run is over, however it ended: close files. Always delivered."""


HOOK_NAMES: Final[tuple[str, ...]] = tuple(
    name for name, value in vars(Hooks).items() if hasattr(value, f"{PROJECT}_spec")
)
"""Every hook, in the order in which hooks are called."""

LIFE_CYCLE_HOOKS: Final = tuple(name for name in HOOK_NAMES if not name.startswith("phantom_"))
REGISTRATION_HOOKS: Final = tuple(name for name in HOOK_NAMES if name.startswith("phantom_"))
