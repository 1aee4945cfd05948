"""Batches of elements of a space, and of the states of a policy: take, slice and join their rows.

| space | a batch of B elements |
|---|---|
| Box, MultiDiscrete, MultiBinary | an array [B, ...] |
| Discrete | an int64 array [B]; for a policy (no `PolicyByCopy`) a list of ints: a table is read faster so |
| Dict | a dict of batches, by key |
| Tuple | a tuple of batches |
| anything else | a list of B elements |

Arrays and containers are those of `gymnasium.vector.utils`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def num_rows(batch: Any) -> int:
    """Return B.

    >>> num_rows({"price": np.zeros((5, 2)), "stock": [0, 1, 2, 3, 4]})
    5
    """
    while isinstance(batch, (dict, tuple)):
        batch = next(iter(batch.values() if isinstance(batch, dict) else batch))
    return len(batch)


def rows_of(batch: Any) -> list[Any]:
    """Return the B elements as a list; they share no memory with the batch.

    >>> rows_of({"price": np.array([0.5, 0.7]), "stock": [3, 4]})
    [{'price': 0.5, 'stock': 3}, {'price': 0.7, 'stock': 4}]
    """
    if isinstance(batch, np.ndarray):
        return batch.tolist() if batch.ndim == 1 else list(batch.copy())
    if isinstance(batch, dict):
        parts = [rows_of(part) for part in batch.values()]
        return [dict(zip(batch, row, strict=True)) for row in zip(*parts, strict=True)]
    if isinstance(batch, tuple):
        return list(zip(*map(rows_of, batch), strict=True))
    return list(batch)


def slice_rows(batch: Any, start: int, stop: int) -> Any:
    """Return the rows from `start` to `stop`, in the same layout."""
    if isinstance(batch, Mapping):
        return {key: slice_rows(part, start, stop) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(slice_rows(part, start, stop) for part in batch)
    rows: np.ndarray[Any, Any] | Sequence[Any] = batch
    return rows[start:stop]


def take_rows(batch: Any, rows: NDArray[np.int64]) -> Any:
    """Return these rows, in the same layout, in memory of their own."""
    if isinstance(batch, Mapping):
        return {key: take_rows(part, rows) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(take_rows(part, rows) for part in batch)
    if isinstance(batch, np.ndarray):
        return batch.take(rows, axis=0)
    return [batch[row] for row in rows.tolist()]


def put_rows(batch: Any, place: int, rows: Any) -> None:
    """Write rows into arrays of the same layout, beginning at a place."""
    if isinstance(batch, dict):
        for key, part in batch.items():
            put_rows(part, place, rows[key])
    elif isinstance(batch, tuple):
        for part, own in zip(batch, rows, strict=True):
            put_rows(part, place, own)
    else:
        batch[place : place + len(rows)] = rows


def join_rows(batches: Sequence[Any]) -> Any:
    """Return the rows of batches of one layout as one batch, in memory of its own."""
    first = batches[0]
    if isinstance(first, Mapping):
        return {key: join_rows([batch[key] for batch in batches]) for key in first}
    if isinstance(first, tuple):
        return tuple(map(join_rows, zip(*batches, strict=True)))
    if isinstance(first, np.ndarray):
        return np.concatenate(batches)
    return [value for batch in batches for value in batch]


def map_arrays(function: Callable[..., Any], nested: Any, *others: Any) -> Any:
    """Return what a function returns for each array, or for arrays in the same place, nested as they are.

    Raises an exception of some kind if the others are not nested as the first.

    >>> map_arrays(lambda one, other: one + other, {"h": (1, 2)}, {"h": (10, 20)})
    {'h': (11, 22)}
    """
    if isinstance(nested, dict):
        if any(other.keys() != nested.keys() for other in others):
            raise ValueError
        return {key: map_arrays(function, part, *(o[key] for o in others)) for key, part in nested.items()}
    if isinstance(nested, tuple):
        return tuple(map_arrays(function, *parts) for parts in zip(nested, *others, strict=True))
    return function(nested, *others)
