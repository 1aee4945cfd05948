"""Convert Python values to TOML and back, without losing any value that TOML can hold."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, time
from typing import Any, Final

import msgspec
import numpy as np

from phantom_core.errors import ConfigError
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
            if not isinstance(key, str):
                self.lost[f"{name}.{key}"] = f"the key {key!r}"
        return {str(key): self.value(part, f"{name}.{key}") for key, part in values.items()}

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

    def instance(self, instance: Any, name: str) -> dict[str, Any]:
        """Convert the fields of a dataclass; the settings of any other object are lost."""
        if is_dataclass(instance):
            values = {f: getattr(instance, f.name) for f in fields(instance) if f.init}
            given = {
                f.name: value for f, value in values.items() if value is not None or f.default is not None
            }
            return self.table(given, name)
        if getattr(instance, "__dict__", True):
            self.lost[name] = f"an instance of {type(instance).__name__}"
        return {}

    def _text(self, value: Any, name: str) -> Any:
        self.lost[name] = f"a {type(value).__name__}"
        if isinstance(value, str):
            return value.encode("utf-8", "backslashreplace").decode()
        try:
            return _plain(reference_to(value) or msgspec.to_builtins(value, enc_hook=_as_text))
        except (TypeError, ValueError, NotImplementedError):
            return repr(value)


def _is_encodable(value: Any) -> bool:
    """Return whether a plain value can be encoded; a string with lone surrogates cannot."""
    return not isinstance(value, str) or value.encode("utf-8", "replace").decode() == value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return NONE if value is None else value


def _as_text(value: object) -> str:
    return reference_to(value) or repr(value)
