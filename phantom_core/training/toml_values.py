"""Convert the settings of a run to TOML and back, without losing any value that TOML can hold."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

import msgspec
import numpy as np

from phantom_core.errors import ConfigError, with_article
from phantom_core.metrics import Metric
from phantom_core.policies.policy import BasePolicy
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.secrets import FromEnvironment
from phantom_core.training.logged_values import as_name
from phantom_core.training.references import absolute, reference_to, trainer_key

NONE: Final = "none"
"""Stands for None in files: TOML has no null."""

_PLAIN: Final = (bool, int, float, str, date, time)
"""The types of TOML values. A datetime is a date."""


def without_none_text(value: Any) -> Any:
    """Return a value read from a file, with None in place of `"none"`.

    >>> without_none_text({"patience": "none", "sizes": [1, "none"]})
    {'patience': None, 'sizes': [1, None]}
    """
    if isinstance(value, Mapping):
        return {key: without_none_text(part) for key, part in value.items()}
    if isinstance(value, list):
        return [without_none_text(part) for part in value]
    return None if isinstance(value, str) and value == NONE else value


@dataclass(frozen=True, slots=True)
class SettingsWriter:
    """Converts the settings of a run to the contents of a run file."""

    folder: Path  # where relative references start from; they are written as absolute paths
    lost: dict[str, str] = field(default_factory=dict)  # what TOML cannot hold, by dotted name

    def setting(self, settings: Any, name: str, key: str) -> Any:
        """Convert one of the `RunSettings`; `key` is its key in the file."""
        value = getattr(settings, name)
        match name:
            case "trainer":
                return self._trainer(value, settings.trainer_config)
            case "env":
                return self._place(value, key)
            case "policies":
                return {i: self._policy(spec, f"{key}.{i}") for i, spec in value.items()}
            case "metrics":
                return {i: self._metric(metric, f"{key}.{i}") for i, metric in value.items()}
            case "loggers" | "hooks":
                return self._observers(value, key)
            case "evaluation" | "checkpoint":
                return self.instance(value, key)
            case "training_plan":
                return [{"policies": list(one.policies), "iterations": one.iterations} for one in value]
            case "run_dir" if value is not None:
                return str(value)
        return self.value(value, key)

    def _place(self, value: Any, name: str) -> str:
        """Return a registered name unchanged, and a reference for anything else."""
        return str(absolute(value, self.folder)) if isinstance(value, str) else self.reference(value, name)

    def _trainer(self, trainer: Any, configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        is_instance = not isinstance(trainer, (str, type))  # which holds its own settings
        name = self._place(type(trainer) if is_instance else trainer, "trainer.name")
        table: dict[str, Any] = {"name": name}
        if is_instance:
            own = self.instance(trainer, f"trainer.{name}", getattr(trainer, "config", None))
            table |= {name: own} if own else {}
        for key, config in configs.items():
            written = name if key == trainer_key(trainer) else str(absolute(key, self.folder))
            table[written] = self.table(config, f"trainer.{written}")
        return table

    def _policy(self, spec: PolicySpec, path: str) -> dict[str, Any]:
        table: dict[str, Any] = {}
        if callable(spec.agents):
            table["class"] = self.reference(spec.agents, f"{path}.class")
        else:
            table["agents"] = self.value(list(spec.agents), f"{path}.agents")
        if isinstance(spec.policy, BasePolicy):
            table["policy"] = self.reference(type(spec.policy), f"{path}.policy")
            self.lost[f"{path}.policy"] = f"an instance of {type(spec.policy).__name__}"
        elif spec.policy is not None:
            table["policy"] = self._place(spec.policy, f"{path}.policy")
        if spec.config:
            table["config"] = self.table(spec.config, f"{path}.config")
        if spec.trainer is not None:
            table["trainer"] = self._place(spec.trainer, f"{path}.trainer")
        if spec.train is not None:
            table["train"] = spec.train
        if spec.opponents is not None:
            table["opponents"] = spec.opponents
        return table

    def _metric(self, metric: Any, path: str) -> dict[str, Any]:
        if isinstance(metric, Metric):
            name = self.reference(type(metric), f"{path}.metric")
            return {"metric": name, **self.instance(metric, path)}
        table = metric if isinstance(metric, Mapping) else {"metric": metric}
        if "metric" not in table:
            return self.table(table, path)  # Components.metric raises
        rest = {key: part for key, part in table.items() if key != "metric"}
        return {"metric": self._place(table["metric"], f"{path}.metric"), **self.table(rest, path)}

    def _observers(self, observers: Sequence[Any], key: str) -> list[str]:
        """Return names and references; objects are lost."""
        written = []
        for number, observer in enumerate(observers):
            is_class = isinstance(observer, type) and reference_to(observer) is not None
            if isinstance(observer, str) or is_class:
                written.append(self._place(observer, f"{key}[{number}]"))
            else:
                is_named = isinstance(observer, (type, FunctionType, ModuleType))
                name = observer.__name__ if is_named else f"an instance of {type(observer).__name__}"
                self.lost[f"{key}[{number}]"] = name
        return written

    def table(self, values: Mapping[Any, Any], name: str) -> dict[str, Any]:
        """Convert a mapping to a table."""
        for key in values:
            if not isinstance(key, str) or not _is_encodable(key):
                self.lost[as_name(f"{name}.{key}")] = f"the key {key!r}"
        return {as_name(key): self.value(part, as_name(f"{name}.{key}")) for key, part in values.items()}

    def value(self, value: Any, name: str) -> Any:
        """Convert a value: None to `"none"`, and a value that TOML cannot hold to a string."""
        if value is None:
            return NONE
        if isinstance(value, FromEnvironment):
            return value  # which is masked before it is written
        if isinstance(value, Mapping):
            return self.table(value, name)
        if isinstance(value, (list, tuple)):
            return [self.value(part, f"{name}[{index}]") for index, part in enumerate(value)]
        if isinstance(value, np.generic) and value.dtype.kind in "biufU":
            value = value.item()
        if isinstance(value, str) and value == NONE:
            raise ConfigError(
                f"{name} = 'none' is the text that stands for None in run files, so no text setting may hold "
                "it. Give None, or another text."
            )
        if isinstance(value, _PLAIN) and not isinstance(value, enum.Enum) and _is_encodable(value):
            return value
        return self._text(value, name)

    def reference(self, value: object, name: str) -> str:
        """Return a reference to a class or function, or its name if it cannot be imported."""
        reference = reference_to(value)
        if reference is None:
            own_name = getattr(value, "__name__", repr(value))
            self.lost[name] = f"{own_name}, which cannot be imported"
            return str(own_name)
        return reference

    def instance(self, instance: Any, name: str, settings: Any = None) -> dict[str, Any]:
        """Convert the settings of an object; it is lost if they do not make the same object again."""
        holder = instance if settings is None else settings
        own = {f.name: f for f in fields(holder) if f.init} if is_dataclass(holder) else {}
        values = {key: getattr(holder, key) for key in own}
        if not _makes_again(instance, values):
            self.lost[name] = f"an instance of {type(instance).__name__}"
        table = {}
        for key, part in values.items():
            if part is not None or own[key].default is not None:
                write = self.instance if is_dataclass(part) and not isinstance(part, type) else self.value
                table[key] = write(part, f"{name}.{key}")
        return table

    def _text(self, value: Any, name: str) -> Any:
        self.lost[name] = with_article(type(value).__name__)
        if isinstance(value, str):
            return as_name(value)
        try:
            return _plain(reference_to(value) or msgspec.to_builtins(value, enc_hook=_as_text))
        except (TypeError, ValueError, NotImplementedError):
            return repr(value)


def _is_encodable(value: Any) -> bool:
    """Return whether TOML can hold a plain value: no lone surrogates, no odd offsets from UTC."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() == value
    if isinstance(value, time):
        return value.tzinfo is None
    offset = value.utcoffset() if isinstance(value, datetime) else None
    return offset is None or offset.total_seconds() % 60 == 0


def _makes_again(instance: Any, settings: Mapping[str, Any]) -> bool:
    """Return whether the class and these settings make an object like this one."""
    try:
        return _is_alike(type(instance)(**settings), instance)
    except Exception:  # a stranger's class may raise anything
        return False


def _is_alike(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_is_alike(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_is_alike, one, other))
    equality: object = type(one).__eq__
    if equality is object.__eq__ and hasattr(one, "__dict__") and not callable(one):
        return _is_alike(vars(one), vars(other))
    return bool(one == other)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return NONE if value is None else value


def _as_text(value: object) -> str:
    return reference_to(value) or repr(value)
