"""Values as JSON holds them: copied, exact, and with names for the ids of agents."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import numpy as np

import phantom_core as ph

_AS_IT_IS: Final = (str, bool, type(None))
_LARGEST: Final = 2**63
_SHORT: Final = 64


def id_text(agent_id: object) -> str:
    """Return what an agent's id is called in a recording: itself if it is a str, else its `repr`.

    >>> id_text("SHOP"), id_text(3), id_text(("SHOP", 1))
    ('SHOP', '3', "('SHOP', 1)")
    """
    if type(agent_id) is str:
        return agent_id
    return str(agent_id) if isinstance(agent_id, enum.Enum) else repr(agent_id)


def to_plain(value: Any) -> Any:
    """Return a copy of a value that JSON can hold.

    NaN and infinities become `"nan"`, `"inf"` and `"-inf"`; arrays lists; NumPy's scalars numbers;
    dataclasses and payloads dicts with their class; keys of dicts as in `id_text`; anything else its
    `repr`.
    """
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is int or kind is float:
        is_number = -_LARGEST <= value < _LARGEST if kind is int else math.isfinite(value)
        return value if is_number else repr(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return array_to_plain(value) if value.dtype.kind in "biufUO" else repr(value)
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return _collection_to_plain(value)
    return _object_to_plain(value)


def array_to_plain(array: Any) -> Any:
    """Return an array as lists, a NumPy scalar as a number; NaN and infinities as text."""
    values = array.tolist()
    if array.dtype.kind != "f":
        return to_plain(values) if array.dtype.kind == "O" else values
    if array.ndim == 1 and array.size <= _SHORT:
        total = sum(values)
        is_finite = total - total == 0.0  # a fifth of the time that NumPy takes for a few numbers
    else:
        is_finite = bool(np.isfinite(array).all())
    return values if is_finite else to_plain(values)


def payload_to_plain(payload: Any, to_part: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """Return a payload as a dict of its fields, with the name of its class under `class`.

    `to_part` makes a field plain; None: `to_plain`.
    """
    to_part = to_part or to_plain
    fields = _fields_of(payload)
    if fields is None:
        fields = vars(payload) if hasattr(payload, "__dict__") else {"repr": repr(payload)}
    return {"class": type(payload).__name__, **{name: to_part(part) for name, part in fields.items()}}


def action_to_plain(action: Any, dtype: Any = None) -> Any:
    """Return an action so that `action_from_plain` gives it back with its type and dtype.

    Args:
        action: the action.
        dtype: that of the action space; arrays that have it are plain lists.
    """
    kind = type(action)
    if kind is np.ndarray and action.dtype.kind in "biufU":
        values = array_to_plain(action)
        if dtype is not None and action.dtype == dtype and action.ndim and action.size:
            return values
        plain = {"dtype": action.dtype.str, "array": values}
        return plain if action.size else {**plain, "shape": action.shape}
    if isinstance(action, np.generic) and action.dtype.kind in "biufU":
        return {"dtype": action.dtype.str, "scalar": array_to_plain(action)}
    if kind in (list, tuple):
        return {kind.__name__: [action_to_plain(part) for part in action]}
    if isinstance(action, dict) and all(type(key) is str for key in action):
        return {"dict": {key: action_to_plain(part) for key, part in action.items()}}
    plain = to_plain(action)
    return plain if kind in _AS_IT_IS or type(plain) is kind else {kind.__name__: repr(action)}


def action_from_plain(plain: Any, dtype: Any = None) -> Any:
    """Return the action that `action_to_plain` wrote.

    Raises:
        RecordingError: if it is of a class that no recording holds.
    """
    if isinstance(plain, list):
        return np.array(plain, dtype)
    if not isinstance(plain, dict):
        return plain
    found: Any
    match plain:
        case {"dtype": own, "array": values}:
            array = np.array(values, own)
            found = array.reshape(plain["shape"]) if "shape" in plain else array
        case {"dtype": own, "scalar": value}:
            found = np.array(value, own)[()]
        case {"list": parts}:
            found = [action_from_plain(part) for part in parts]
        case {"tuple": parts}:
            found = tuple(action_from_plain(part) for part in parts)
        case {"dict": parts}:
            found = {key: action_from_plain(part) for key, part in parts.items()}
        case {"float": text}:
            found = float(text)
        case {"int": text}:
            found = int(text)
        case _:
            raise ph.errors.RecordingError(
                f"The action {plain} was recorded as text, so it cannot be played again. Actions are "
                "numbers, strings, arrays, and lists, tuples or dicts of those."
            )
    return found


def _collection_to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {id_text(key): to_plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(part) for part in value]
    return sorted((to_plain(part) for part in value), key=repr)


def _object_to_plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, int):  # a subclass
        return to_plain(int(value))
    if isinstance(value, (float, str)):
        return to_plain(float(value) if isinstance(value, float) else str(value))
    return repr(value) if _fields_of(value) is None else payload_to_plain(value)


def _fields_of(value: Any) -> dict[str, Any] | None:
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None
