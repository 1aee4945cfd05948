"""Any value as JSON knows it."""

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec
import numpy as np


def plain(value: Any) -> Any:
    """Return a value made of dicts with text keys, lists, texts, numbers, bools and None."""
    if isinstance(value, np.generic):
        return value.item()
    if value is None or (isinstance(value, (bool, int, float, str)) and not isinstance(value, Enum)):
        return value
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return str(value)


class RolloutJSONEncoder(json.JSONEncoder):
    """Writes arrays, NumPy's scalars, dataclasses and whatever else a rollout may hold."""

    def default(self, o: Any) -> Any:
        """Return the value in JSON's own types."""
        return plain(o)


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        return str(key)
    return key if isinstance(key, str) else str(key)
