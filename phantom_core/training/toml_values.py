"""Convert Python values to TOML and back, without losing any value that TOML can hold."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time
from typing import Any, Final

import msgspec
import numpy as np

from phantom_core.errors import ConfigError, with_article
from phantom_core.training.logged_values import as_name
from phantom_core.training.references import reference_to

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
class TomlWriter:
    """Converts Python values to TOML values.

    Attributes:
        lost: by dotted name, a description of each value that TOML cannot hold.
    """

    lost: dict[str, str] = field(default_factory=dict)

    def table(self, values: Mapping[Any, Any], name: str) -> dict[str, Any]:
        """Convert a mapping to a table.

        Raises:
            ConfigError: if a string is `"none"`, which stands for None.
        """
        for key in values:
            if not isinstance(key, str) or not _is_encodable(key):
                self.lost[as_name(f"{name}.{key}")] = f"the key {key!r}"
        return {as_name(key): self.value(part, as_name(f"{name}.{key}")) for key, part in values.items()}

    def value(self, value: Any, name: str) -> Any:
        """Convert a value: None to `"none"`, and a value that TOML cannot hold to a string.

        Raises:
            ConfigError: if a string is `"none"`, which stands for None.
        """
        if value is None:
            return NONE
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
        """Convert the settings of an object; it is lost if they do not make the same object again.

        Args:
            instance: the object.
            name: its dotted name.
            settings: the dataclass of its settings; None if it is a dataclass itself, or has no settings.
        """
        holder = instance if settings is None else settings
        values = (
            {f.name: getattr(holder, f.name) for f in fields(holder) if f.init}
            if is_dataclass(holder)
            else {}
        )
        if not _makes_again(instance, values):
            self.lost[name] = f"an instance of {type(instance).__name__}"
        defaults = {f.name: f.default for f in fields(holder)} if is_dataclass(holder) else {}
        return {
            key: self.instance(part, f"{name}.{key}")
            if _is_settings(part)
            else self.value(part, f"{name}.{key}")
            for key, part in values.items()
            if part is not None or defaults[key] is not None
        }

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


def _is_settings(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


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
