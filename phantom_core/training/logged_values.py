"""What a run logs: names, which must be unique, and metrics, whose exceptions must not end it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from phantom_core.errors import ConfigError, PhantomError, listing
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.metrics import Metric, Mode, not_recorded

_OWN: Final = ("rewards", "eval", "time")
"""Prefixes of the run's own values, before the slash."""

_OWN_VALUES: Final = ("episode_length", "iteration", "env_steps")
"""The run's own values that have no prefix."""


def as_name(name: object) -> str:
    r"""Return a name as a string that can be encoded in UTF-8; other characters are escaped.

    >>> as_name("rewards/A"), as_name("\ud800")
    ('rewards/A', '\\ud800')
    """
    text = str(name)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def check_logged_names(
    metrics: Iterable[str], policy_ids: Iterable[str], agent_ids: Iterable[Hashable], plugins: Iterable[str]
) -> None:
    """Raise `ConfigError` if two values would be logged under the same name.

    Policies log `<id>/<quantity>`, agents `rewards/<id>`, plugins with `extra_values` `<name>/<value>`.
    """
    texts: dict[str, Hashable] = {"group": "group"}
    for agent_id in agent_ids:
        text = as_name(agent_id)
        if text in texts:
            other = "the mean of all agents" if text == "group" else f"those of agent {texts[text]!r}"
            raise ConfigError(
                f"The rewards of agent {agent_id!r} and {other} would both be logged as 'rewards/{text}'. "
                "Give the agent another id."
            )
        texts[text] = agent_id
    owners: dict[str, str] = dict.fromkeys(_OWN, "the run's own values")
    for what, names in (("policy", policy_ids), ("plugin", plugins)):
        for name in names:
            top = as_name(name)
            under = (o for o in owners if f"{top}/".startswith(f"{o}/") or f"{o}/".startswith(f"{top}/"))
            clash = next(under, "")
            if clash:
                raise ConfigError(
                    f"The values of {what} {name!r} and {owners[clash]} would both be logged as "
                    f"'{top if len(top) > len(clash) else clash}/…'. Rename the {what}."
                )
            owners[top] = f"those of {what} {name!r}"
    for name in metrics:
        owner = next((o for o in owners if as_name(name).startswith(f"{o}/")), "")
        if owner:
            raise ConfigError(
                f"Metric {name!r} would be logged under a name of its own, but {owners[owner]} begin with "
                f"'{owner}/' too. Rename the metric."
            )


def check_metric_names(names: Iterable[str]) -> None:
    """Raise `ConfigError` if a metric has a name under which every run logs a value of its own."""
    for name in names:
        if name in _OWN_VALUES or ("/" in name and name.partition("/")[0] in _OWN):
            problem = "every run logs a value of its own under that name"
            raise ConfigError(f"A metric is named {name!r}, but {problem}. Choose another.")


def flattened(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by dotted name.

    >>> flattened({"trainer": {"ppo": {"lr": 0.1}}, "seed": 1})
    {'trainer.ppo.lr': 0.1, 'seed': 1}
    """
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            leaves |= flattened(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


class GuardedMetric(Metric):
    """Wraps a metric: an exception is recorded, and the step has no value."""

    def __init__(self, name: str, metric: Metric, dispatcher: Dispatcher) -> None:
        """Wrap a metric; the dispatcher records failures, and switches off a metric that keeps failing."""
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
        """Called after the last iteration: record a failure if the metric never had a value."""
        if not self._has_recorded and not self._dispatcher.is_off(self._name):
            error = PhantomError(
                f"no step had a value of this {type(self.metric).__name__}. Check its ids and stages; "
                f"agents at the end: {listing(env.agents)}"
            )
            self._dispatcher.note(self._name, "extract", error)

    def received(self, value: Any) -> Any:
        """Return a reduced value from a worker process, or `not_recorded` if the metric failed there."""
        if self._dispatcher.is_off(self._name):
            return not_recorded
        if isinstance(value, MetricFailure):
            self._dispatcher.contain(self._name, "extract", type(value.kind, (Exception,), {})(value.text))
            return not_recorded
        self._dispatcher.succeeded(self._name, "extract")
        self._has_recorded = True
        return value

    def __reduce__(self) -> tuple[type[WorkerMetric], tuple[Metric]]:
        """Pickle as a `WorkerMetric`, which returns failures in place of values."""
        return WorkerMetric, (self.metric,)

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Return the metric's reduced value, or `not_recorded` if it raises or the result is not numeric."""
        try:
            value = _checked(self.metric.reduce(values, mode))
        except Exception as error:
            self._dispatcher.contain(self._name, "reduce", error)
            return not_recorded
        self._dispatcher.succeeded(self._name, "reduce")
        return value


@dataclass(frozen=True, slots=True)
class MetricFailure:
    """An exception that a metric raised in a worker process, as text: it can always be pickled."""

    kind: str
    text: str


class WorkerMetric(Metric):
    """A metric in a worker process: an exception is returned in place of an episode's value."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.fsm_stages = metric.fsm_stages
        self.description = metric.description

    def extract(self, env: Any) -> Any:
        """Return the metric's value, or a failure."""
        try:
            return self.metric.extract(env)
        except Exception as error:  # a plugin's metric may raise anything
            return MetricFailure(type(error).__name__, str(error))

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Return the metric's reduced value, or the first failure."""
        failures = [value for value in values if isinstance(value, MetricFailure)]
        if failures:
            return failures[0]
        try:
            return _checked(self.metric.reduce(values, mode))
        except Exception as error:  # a plugin's metric may raise anything
            return MetricFailure(type(error).__name__, str(error))


def guarded(metrics: Mapping[str, Metric], dispatcher: Dispatcher) -> dict[str, Metric]:
    """Wrap each metric in a `GuardedMetric`, if it is none; raise `ConfigError` for a reserved name."""
    if not isinstance(metrics, Mapping):
        raise ConfigError(f"metrics is {metrics!r}. Expected a dict by name.")
    check_metric_names(metrics)
    return {
        name: metric if isinstance(metric, GuardedMetric) else GuardedMetric(name, metric, dispatcher)
        for name, metric in metrics.items()
    }


def _checked(value: Any) -> Any:
    """Return a reduced value; raise `TypeError` or `ValueError` if it is no number or array of numbers."""
    if value is not not_recorded and np.asarray(value).dtype.kind not in "biuf":
        raise TypeError(f"it returned {value!r}. Expected a number, or an array of numbers")
    return value
