"""`Metric`, and the two functions that read and reduce metrics for whoever plays an env."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, Self, TypeAlias

from phantom_core.errors import ConfigError
from phantom_core.types import StageID

Mode: TypeAlias = Literal["train", "evaluate"]


class NotRecorded:
    """The type of `not_recorded`, which stands for a step in which a metric has no value."""

    _instance: ClassVar[Self | None] = None

    def __new__(cls) -> Self:
        """Return the only instance, also after copying and unpickling."""
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        """Return `<NotRecorded>`."""
        return "<NotRecorded>"


not_recorded: Final = NotRecorded()
"""The value of a metric in a step in which it has none; whoever reduces values never meets it."""


class Metric(ABC):
    """Reads a value from the env after each step and reduces an episode's values to one.

    Attributes:
        fsm_stages: names of the turns after which it is read; None: after every step. The turn is the
            one that the step just played (`env.executed_turn`). A subclass may set it in the class.
        description: what it measures, for people.
    """

    fsm_stages: Collection[StageID] | None = None
    description: str | None = None

    def __init__(self, fsm_stages: Iterable[StageID] | None = None, description: str | None = None) -> None:
        """Set the stages and the description, where the class does not; a subclass need not call this.

        Raises:
            ConfigError: if `fsm_stages` is one name instead of several.
        """
        if fsm_stages is not None:
            self.fsm_stages = checked_stages(type(self), fsm_stages)
        if description is not None:
            self.description = description

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Refuse one stage where several belong."""
        super().__init_subclass__(**kwargs)
        if isinstance(cls.fsm_stages, str):  # what is no plain attribute is looked at when it is read
            checked_stages(cls, cls.fsm_stages)

    @abstractmethod
    def extract(self, env: Any) -> Any:
        """Return the value after the step that `env` just made, or `not_recorded` if there is none."""

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Reduce the values of one episode; the default returns the last one.

        Args:
            values: one for each step in which it was recorded, at least one.
            mode: `"train"` while training, `"evaluate"` in evaluations.
        """
        return values[-1]


def record_metrics(env: Any, metrics: Mapping[str, Metric], values: dict[str, list[Any]]) -> None:
    """Read every metric once; call it after each `env.step`.

    Args:
        env: the env that just made a step.
        metrics: metric by name.
        values: by metric name, the values of the episode; each metric that is defined on the turn
            that was played, and has a value, is appended to its list.

    Raises:
        PhantomError: if a metric reads something that is not there.
    """
    turn = getattr(env, "executed_turn", None)
    for name, metric in metrics.items():
        stages = metric.fsm_stages
        if stages is None or (turn is not None and turn.name in stages):
            value = metric.extract(env)
            if value is not not_recorded:
                values.setdefault(name, []).append(value)


def reduce_metrics(
    metrics: Mapping[str, Metric], values: Mapping[str, Sequence[Any]], mode: Mode
) -> dict[str, Any]:
    """Reduce the values of one episode; metrics without a value are left out.

    Args:
        metrics: metric by name.
        values: by metric name, the values that `record_metrics` collected.
        mode: `"train"` while training, `"evaluate"` in evaluations.
    """
    reduced: dict[str, Any] = {}
    for name, metric in metrics.items():
        recorded = recorded_values(values.get(name, ()))
        value = metric.reduce(recorded, mode) if recorded else not_recorded
        if value is not not_recorded:
            reduced[name] = value
    return reduced


def recorded_values(values: Sequence[Any]) -> list[Any]:
    """Return the values without `not_recorded`."""
    return [value for value in values if value is not not_recorded]


def checked_stages(metric_class: type, stages: Iterable[StageID] | None) -> tuple[StageID, ...] | None:
    """Return the stages for more than one reading; raise ConfigError if they are one name."""
    if isinstance(stages, str):
        raise ConfigError(
            f"{metric_class.__name__} got fsm_stages={stages!r}. Expected several names: [{stages!r}]."
        )
    return None if stages is None else tuple(stages)
