"""Arrays as JSON holds them: short ones as lists, long ones packed into a few bytes."""

from __future__ import annotations

import base64
import dataclasses
import math
import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from phantom_recording.json_values import array_to_plain, to_plain

SHORT: Final = 64
"""Arrays with more elements are packed."""

_PACKED: Final = "[]"
"""Stands for the class of a field of a payload that is packed; no class is called so."""

_SAMPLE: Final = 2048  # bytes
_WORTH: Final = 0.8  # of its size is left of a sample, so that compressing all of it is worth the time
_MOST: Final = 2**26  # elements of an array that is read
_SMALLER: Final = tuple(np.dtype(kind) for kind in ("i1", "i2", "i4"))


def pack(array: NDArray[Any]) -> dict[str, Any]:
    """Return an array of bools or numbers so that `unpack` gives it back.

    Integers are stored in the smallest type that holds them, those in increasing order as differences.

    >>> pack(np.array([0.5, np.nan]))
    {'dtype': '<f8', 'array': [0.5, 'nan']}
    >>> pack(np.arange(1000))["stored"]
    '|i1'
    """
    dtype = array.dtype
    if array.size <= SHORT:
        plain = {"dtype": dtype.str, "array": array_to_plain(array)}
        return plain if array.size else {**plain, "shape": array.shape}
    found: dict[str, Any] = {"dtype": dtype.str, "shape": array.shape}
    stored = np.ravel(array)
    if dtype.kind == "i":
        if dtype.itemsize > 1 and bool((stored[1:] >= stored[:-1]).all()):
            stored = np.diff(stored, prepend=stored.dtype.type(0))
            found["is_sorted"] = True
        low, high = stored.min(), stored.max()
        for smaller in _SMALLER:
            limits = np.iinfo(smaller)
            if smaller.itemsize < dtype.itemsize and limits.min <= low and high <= limits.max:
                stored = stored.astype(smaller)
                break
        if stored.dtype != dtype:  # the order of its bytes may be another, too
            found["stored"] = stored.dtype.str
    data = stored.tobytes()
    how, packed = "raw", data
    if stored.itemsize == 1 or len(zlib.compress(data[:_SAMPLE], 1)) < _WORTH * min(len(data), _SAMPLE):
        how, packed = "zlib", zlib.compress(data, 1)
    found[how] = base64.b64encode(packed).decode("ascii")
    return found


def unpack(plain: Any) -> NDArray[Any]:
    """Return the array that `pack` was given.

    Raises:
        msgspec.ValidationError: if it is none.
    """
    try:
        return _unpack(plain)
    except (LookupError, AttributeError, TypeError, ValueError, OverflowError, zlib.error) as error:
        raise msgspec.ValidationError(f"an array cannot be read: {error}") from error


def _unpack(plain: Any) -> NDArray[Any]:
    dtype = np.dtype(plain["dtype"])
    stored = np.dtype(plain.get("stored", dtype))
    if dtype.kind not in "biuf" or stored.kind not in "biuf":
        raise ValueError(f"it is of {dtype}" + (f", stored as {stored}" if stored != dtype else ""))
    if "array" in plain:
        short: NDArray[Any] = np.array(plain["array"], dtype)
        short = short.reshape(plain["shape"]) if "shape" in plain else short
        if not short.ndim:
            raise ValueError("it is a single value")
        return short
    shape = tuple(map(int, plain["shape"]))
    number = math.prod(shape)
    if min(shape) < 0 or number > _MOST:
        raise ValueError(f"its shape is {shape}")
    size = number * stored.itemsize
    data = base64.b64decode(plain["zlib" if "zlib" in plain else "raw"], validate=True)
    if "zlib" in plain:
        data = zlib.decompressobj().decompress(data, size + 1)  # no more is allocated
    if len(data) != size:
        raise ValueError(f"it has {len(data)} bytes instead of {size}")
    found = np.frombuffer(data, stored).astype(dtype)
    found = found.cumsum().astype(dtype) if plain.get("is_sorted") else found
    return found.reshape(shape)


def part_to_plain(part: Any) -> Any:
    """Return a field of a payload; a long array is packed, and marked."""
    if isinstance(part, np.ndarray) and part.size > SHORT and part.dtype.kind in "biuf":
        return {"class": _PACKED, **pack(part)}
    return to_plain(part)


def part_from_plain(plain: Any) -> Any:
    """Return a field of a payload as `to_plain` would have made it: arrays are lists."""
    is_packed = isinstance(plain, dict) and plain.get("class") == _PACKED
    return array_to_plain(unpack(plain)) if is_packed else plain


def unpacked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with its arrays unpacked."""
    return {name: unpack(value) for name, value in values.items()}


def is_same(one: Any, other: Any) -> bool:
    """Return whether two recorded values are equal; arrays bit for bit, in messages and mappings too."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        if type(one) is not type(other) or one.dtype != other.dtype or one.shape != other.shape:
            return False
        return bool(one.tobytes() == other.tobytes())
    if type(one) is not type(other):
        return bool(one == other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(is_same, one, other))
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return all(is_same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    return bool(one == other)
