"""Every hook, in the order in which it fires; `Hooks`, the typed base class that implements none.

Registration hooks tell which components a plugin offers; they are asked before a run. Life-cycle
hooks follow a run; each takes one event object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar, get_args, overload

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

Kind: TypeAlias = Literal["trainer", "policy", "metric", "logger", "env"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
_spec = pluggy.HookspecMarker(PROJECT)
_MARK: Final = "__phantom_hookimpl__"


@dataclass(frozen=True, slots=True)
class Registration:
    """One component that a plugin offers by name.

    Attributes:
        kind: `"trainer"`, `"policy"`, `"metric"`, `"logger"` or `"env"`.
        name: what users select it by: lower-case letters, digits, `.`, `_` and `-`.
        target: the class, or where to import it from when it is selected: `"package.module:Class"`.
        summary: one line for people.
    """

    kind: Kind
    name: str
    target: str | type
    summary: str = ""


class HookSpecs:
    """The hooks of phantom_core as pluggy knows them."""

    @_spec
    def phantom_register_trainers(self) -> Iterable[Registration]:
        """Called when a run looks names up: return the trainers that the plugin offers."""
        raise NotImplementedError

    @_spec
    def phantom_register_policies(self) -> Iterable[Registration]:
        """Called when a run looks names up: return the policies that the plugin offers."""
        raise NotImplementedError

    @_spec
    def phantom_register_metrics(self) -> Iterable[Registration]:
        """Called when a run looks names up: return the metrics that the plugin offers."""
        raise NotImplementedError

    @_spec
    def phantom_register_loggers(self) -> Iterable[Registration]:
        """Called when a run looks names up: return the loggers that the plugin offers."""
        raise NotImplementedError

    @_spec
    def phantom_register_envs(self) -> Iterable[Registration]:
        """Called when a run looks names up: return the envs that the plugin offers."""
        raise NotImplementedError

    @_spec
    def on_train_start(self, event: TrainStart, /) -> None:
        """Called before the first iteration: open files, print a heading. May refuse by raising."""

    @_spec
    def on_iteration_start(self, event: IterationStart, /) -> None:
        """Called before each iteration."""

    @_spec
    def on_episode_end(self, event: EpisodeEnd, /) -> None:
        """Called for each episode that was played for training, after the iteration's collection."""

    @_spec
    def on_evaluation_end(self, event: EvaluationEnd, /) -> None:
        """Called after each evaluation, before its values are logged."""

    @_spec
    def on_metrics(self, event: MetricsRecorded, /) -> None:
        """Called once per iteration with all values to log, and once more for the last evaluation."""

    @_spec
    def on_iteration_end(self, event: IterationEnd, /) -> None:
        """Called after each iteration, after its values were logged."""

    @_spec
    def should_stop(self, event: IterationEnd, /) -> str | None:
        """Called after each iteration, last: return a reason to stop training, or None.

        Every implementation is asked; any reason stops the run, and all reasons are recorded.
        """

    @_spec
    def on_checkpoint(self, event: CheckpointSaved, /) -> None:
        """Called after a checkpoint, or the final policies, were written to disk."""

    @_spec
    def on_exception(self, event: TrainFailed, /) -> None:
        """Called when an exception ends the run, before `on_train_end`."""

    @_spec
    def on_train_end(self, event: TrainEnd, /) -> None:
        """Called when the run is over, however it ended: close files. Always delivered."""


HOOK_NAMES: Final[tuple[str, ...]] = tuple(name for name in vars(HookSpecs) if not name.startswith("__"))
"""Every hook, in the order in which it fires."""

LIFE_CYCLE_HOOKS: Final = tuple(name for name in HOOK_NAMES if not name.startswith("phantom_"))
REGISTRATION_HOOKS: Final = tuple(name for name in HOOK_NAMES if name.startswith("phantom_"))


class Hooks:
    """Base class of loggers, displays and whatever else follows a run: override what you need.

    An overridden method is an implementation; no decorator is needed. An instance goes into
    `ph.train(hooks=[...])`; a class that is registered as a logger goes by its name.

    Attributes:
        config_class: frozen dataclass of the settings; None: its settings, if any, are the parameters of its
            own `__init__`.
        before: names of plugins whose hooks run after this one's, if they take part in the run.
        after: names of plugins whose hooks run before this one's, if they take part in the run.
        config: the settings, an instance of `config_class`; None without one.
    """

    config_class: ClassVar[type | None] = None
    before: ClassVar[tuple[str, ...]] = ()
    after: ClassVar[tuple[str, ...]] = ()
    config: Any = None

    def __init__(self, **settings: Any) -> None:
        """Check the settings.

        Raises:
            ConfigError: if a setting is unknown or has the wrong type.
        """
        self.config = make_config(type(self), settings)

    def phantom_register_trainers(self) -> Iterable[Registration]:
        """Return the trainers that the plugin offers."""
        return ()

    def phantom_register_policies(self) -> Iterable[Registration]:
        """Return the policies that the plugin offers."""
        return ()

    def phantom_register_metrics(self) -> Iterable[Registration]:
        """Return the metrics that the plugin offers."""
        return ()

    def phantom_register_loggers(self) -> Iterable[Registration]:
        """Return the loggers that the plugin offers."""
        return ()

    def phantom_register_envs(self) -> Iterable[Registration]:
        """Return the envs that the plugin offers."""
        return ()

    def on_train_start(self, event: TrainStart, /) -> None:
        """Before the first iteration. An exception here ends the run before it begins."""

    def on_iteration_start(self, event: IterationStart, /) -> None:
        """Before each iteration."""

    def on_episode_end(self, event: EpisodeEnd, /) -> None:
        """For each episode that was played for training, after the iteration's collection."""

    def on_evaluation_end(self, event: EvaluationEnd, /) -> None:
        """After each evaluation, before its values are logged."""

    def on_metrics(self, event: MetricsRecorded, /) -> None:
        """Once per iteration with all values to log, and once more for the last evaluation."""

    def on_iteration_end(self, event: IterationEnd, /) -> None:
        """After each iteration, after its values were logged."""

    def should_stop(self, event: IterationEnd, /) -> str | None:
        """After each iteration, last: return a reason to stop training, or None."""
        return None

    def on_checkpoint(self, event: CheckpointSaved, /) -> None:
        """After a checkpoint, or the final policies, were written to disk."""

    def on_exception(self, event: TrainFailed, /) -> None:
        """When an exception ends the run, before `on_train_end`."""

    def on_train_end(self, event: TrainEnd, /) -> None:
        """When the run is over, however it ended. Always delivered."""


@overload
def hookimpl(function: FunctionT, /) -> FunctionT: ...


@overload
def hookimpl(
    *, before: Iterable[str] = (), after: Iterable[str] = (), **refused: Any
) -> Callable[[FunctionT], FunctionT]: ...


def hookimpl(
    function: FunctionT | None = None,
    /,
    *,
    before: Iterable[str] = (),
    after: Iterable[str] = (),
    **refused: Any,
) -> FunctionT | Callable[[FunctionT], FunctionT]:
    """Mark a function of a module, or a method of a plain object, as a hook implementation.

    Args:
        function: the implementation; it takes the event.
        before: names of plugins whose implementations run after this one.
        after: names of plugins whose implementations run before this one.
        **refused: pluggy's `tryfirst`, `trylast`, `wrapper` and their like.

    Raises:
        TypeError: for any option but `before` and `after`.
    """
    if refused:
        msg = (
            f"hookimpl got {', '.join(refused)}. The order of hooks is by plugin name; move yours with "
            "before=('name',) or after=('name',)."
        )
        raise TypeError(msg)

    def mark(marked: FunctionT) -> FunctionT:
        setattr(marked, _MARK, {"before": tuple(before), "after": tuple(after)})
        return marked

    return mark if function is None else mark(function)


def hookimpl_options(function: object) -> Mapping[str, tuple[str, ...]] | None:
    """Return the `before` and `after` that `hookimpl` left on a function; None: it is not marked."""
    return getattr(function, _MARK, None)
