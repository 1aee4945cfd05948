"""Metrics whose exceptions stay away from training, as those of loggers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from phantom_core.errors import ConfigError, PhantomError, listing
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.metrics import Metric, Mode, not_recorded


class GuardedMetric(Metric):
    """Passes everything on to a metric; what it raises is noted, and the value is not recorded."""

    def __init__(self, name: str, metric: Metric, dispatcher: Dispatcher) -> None:
        """Wrap a metric.

        Args:
            name: what it is called in the run.
            metric: the metric.
            dispatcher: where failures are noted; switches off a metric that keeps failing.
        """
        self.metric = metric
        self.fsm_stages = metric.fsm_stages
        self.description = metric.description
        self._name = f"metrics.{name}"
        self._dispatcher = dispatcher
        self._has_recorded = False

    def extract(self, env: Any) -> Any:
        """Return the metric's value, or `not_recorded` if it raises or was switched off."""
        if self._dispatcher.is_off(self._name):
            return not_recorded
        try:
            value = self.metric.extract(env)
        except Exception as error:
            self._dispatcher.contain(self._name, "extract", error)
            return not_recorded
        self._dispatcher.succeeded(self._name, "extract")
        self._has_recorded = self._has_recorded or value is not not_recorded
        return value

    def finish(self, env: Any) -> None:
        """Called after the last iteration: note it if the metric never had a value."""
        if not self._has_recorded and not self._dispatcher.is_off(self._name):
            self._dispatcher.note(
                self._name,
                "extract",
                PhantomError(
                    f"no step had a value of this {type(self.metric).__name__}. Check its ids and stages; "
                    f"agents at the end: {listing(env.agents)}"
                ),
            )

    def received(self, value: Any) -> Any:
        """Return a reduced value that comes from a worker, or `not_recorded` if it is a failure there."""
        if self._dispatcher.is_off(self._name):
            return not_recorded
        if isinstance(value, MetricFailure):
            self._dispatcher.contain(self._name, "extract", value.as_exception())
            return not_recorded
        self._dispatcher.succeeded(self._name, "extract")
        self._has_recorded = True
        return value

    def __reduce__(self) -> tuple[type[WorkerMetric], tuple[Metric]]:
        """Be sent to a worker as a metric whose failures come back with its values."""
        return WorkerMetric, (self.metric,)

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Return the metric's reduced value, or `not_recorded` if it raises or makes no numbers."""
        try:
            value = self.metric.reduce(values, mode)
            np.mean(np.asarray(value, dtype=np.float64))
        except Exception as error:
            self._dispatcher.contain(self._name, "reduce", error)
            return not_recorded
        self._dispatcher.succeeded(self._name, "reduce")
        return value


@dataclass(frozen=True, slots=True)
class MetricFailure:
    """In the place of a value: what a metric raised in a worker."""

    kind: str
    text: str

    @classmethod
    def of(cls, error: Exception) -> MetricFailure:
        """Note an exception as text, which can always be sent."""
        return cls(type(error).__name__, str(error))

    def as_exception(self) -> Exception:
        """Return an exception that reads like the one in the worker."""
        error: Exception = type(self.kind, (Exception,), {})(self.text)
        return error


class WorkerMetric(Metric):
    """A metric in a worker: what it raises is returned in the place of an episode's value."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.fsm_stages = metric.fsm_stages
        self.description = metric.description

    def extract(self, env: Any) -> Any:
        """Return the metric's value, or a failure."""
        try:
            return self.metric.extract(env)
        except Exception as error:  # a metric is a stranger's code
            return MetricFailure.of(error)

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Return the metric's reduced value, or the first failure."""
        failures = [value for value in values if isinstance(value, MetricFailure)]
        if failures:
            return failures[0]
        try:
            value = self.metric.reduce(values, mode)
            np.mean(np.asarray(value, dtype=np.float64))
        except Exception as error:  # a metric is a stranger's code
            return MetricFailure.of(error)
        return value


def guarded(metrics: Mapping[str, Metric], dispatcher: Dispatcher) -> dict[str, Metric]:
    """Wrap every metric that is not wrapped yet.

    Raises:
        ConfigError: for a name that a run logs something else under.
    """
    for name in metrics:
        if name in ("episode_length", "iteration", "env_steps") or name.startswith(
            ("rewards/", "eval/", "time/")
        ):
            raise ConfigError(
                f"A metric is named {name!r}, but every run logs a value of its own under "
                "that name. Choose another."
            )
    return {
        name: metric if isinstance(metric, GuardedMetric) else GuardedMetric(name, metric, dispatcher)
        for name, metric in metrics.items()
    }
