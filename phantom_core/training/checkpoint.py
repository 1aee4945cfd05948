"""State on disk: a folder written at once or not at all, and read without pickle."""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from phantom_core.errors import CheckpointError, told

FORMAT: Final = 1
"""The format that this version writes; it reads formats up to it."""

_ARRAY: Final = "__array__"
_NOT_FINITE: Final = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def save_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Write a state of NumPy arrays and JSON values, nested in dicts and lists.

    It is written under another name, forced to disk and renamed, so that a crash leaves the old
    checkpoint or the new one, never half of one.

    Raises:
        CheckpointError: for a value that is none of these, or a folder that cannot be written.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = _encode(state, "", arrays)
    temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
        with (temporary / "arrays.npz").open("wb") as file:
            named: dict[str, Any] = {f"a{number}": array for number, array in enumerate(arrays.values())}
            np.savez(file, **named)
            _force(file)
        with (temporary / "state.json").open("w", encoding="utf-8") as file:
            document = {"format": FORMAT, "arrays": list(arrays), "state": tree}
            json.dump(document, file, indent=1, allow_nan=False)
            _force(file)
        if folder.exists():
            old = folder.with_name(f"{temporary.name}-old")
            folder.rename(old)
            temporary.rename(folder)
            shutil.rmtree(old)
        else:
            temporary.rename(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(f"The checkpoint {folder} cannot be written: {error}.") from error


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote.

    Raises:
        CheckpointError: if it is missing, damaged, or of a later format.
    """
    try:
        document = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if document["format"] > FORMAT:
            raise CheckpointError(
                f"The checkpoint {folder} has format {document['format']}; this version of "
                f"phantom_core reads formats up to {FORMAT}. Run: pip install -U phantom-rl-core"
            )
        with np.load(folder / "arrays.npz", allow_pickle=False) as file:
            arrays = {path: file[f"a{number}"] for number, path in enumerate(document["arrays"])}
        state = _decode(document["state"], arrays)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The checkpoint {folder} cannot be read: {told(error)}.") from error
    assert isinstance(state, dict)
    return state


def _encode(value: Any, path: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:  # noqa: PLR0911  one per kind
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise CheckpointError(f"state{path} is an array of Python objects. Expected an array of numbers.")
        arrays[path] = value
        return {_ARRAY: path}
    if isinstance(value, np.generic):
        return _encode(value.item(), path, arrays)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str) and value not in _NOT_FINITE:
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) and key != _ARRAY for key in value):
        return {key: _encode(part, f"{path}.{key}", arrays) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(part, f"{path}[{index}]", arrays) for index, part in enumerate(value)]
    raise CheckpointError(
        f"state{path} is {value!r} ({type(value).__name__}). Expected NumPy arrays and JSON "
        "values in dicts with str keys."
    )


def _decode(value: Any, arrays: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _NOT_FINITE.get(value, value)
    if isinstance(value, list):
        return [_decode(part, arrays) for part in value]
    if isinstance(value, dict):
        if value.keys() == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _decode(part, arrays) for key, part in value.items()}
    return value


def _force(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
