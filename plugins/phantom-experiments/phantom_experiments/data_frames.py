"""Columns as data frames of other libraries, which are imported when they are asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import phantom_core as ph

if TYPE_CHECKING:  # extras of this distribution
    import pandas as pd
    import polars as pl
    import xarray as xr

Columns = Mapping[str, np.ndarray[Any, Any]]

EXTRA_BY_LIBRARY: Final = {
    "matplotlib": "plot",
    "pandas": "pandas",
    "polars": "polars",
    "pyarrow": "parquet",
    "xarray": "xarray",
}
"""The extra of this distribution that brings a library."""


def library(name: str, purpose: str) -> Any:
    """Import a module of a library that an extra brings.

    Raises:
        PluginError: if it is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        top = name.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        raise ph.errors.PluginError(
            f"{purpose} needs {top}, which is not installed. Run: "
            f'pip install "phantom-experiments[{EXTRA_BY_LIBRARY[top]}]"',
            plugin="phantom-experiments",
        ) from None


def pandas_frame(columns: Columns) -> pd.DataFrame:
    """Return columns as a pandas data frame; the elements of a stacked column are cells."""
    pandas = library("pandas", "to_pandas()")
    cells = {name: list(column) if column.ndim > 1 else column for name, column in columns.items()}
    frame: pd.DataFrame = pandas.DataFrame(cells)
    return frame


def polars_frame(columns: Columns) -> pl.DataFrame:
    """Return columns as a polars data frame; arrays are lists, also of different lengths."""
    polars = library("polars", "to_polars()")
    frame: pl.DataFrame = polars.DataFrame(
        {name: polars.Series(name, plain_list(column), strict=False) for name, column in columns.items()}
    )
    return frame


def plain_list(column: np.ndarray[Any, Any]) -> list[Any]:
    """Return a column as a list of Python's own values; arrays in it are lists."""
    if column.dtype != object:
        found: list[Any] = column.tolist()
        return found
    return [value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value for value in column]


def xarray_dataset(
    columns: Columns, keys: Sequence[str], parameters: Sequence[str], units: Mapping[str, str]
) -> xr.Dataset:
    """Return columns as an xarray dataset, as `Table.to_xarray` says."""
    xarray = library("xarray", "to_xarray()")
    codes, labels = {}, {}
    for name in keys:
        labels[name], codes[name] = _factorised(columns[name])
    dims, along = _dims(keys, parameters, codes, labels)
    shape = tuple(len(labels[name]) for name in dims)
    places = tuple(codes[name] for name in dims)
    num_rows = len(next(iter(columns.values()))) if columns else 0
    if dims and len(np.unique(np.ravel_multi_index(places, shape))) < num_rows if num_rows else False:
        raise ph.errors.ConfigError(
            f"Two rows have the same {ph.tools.listing(dims)}, so they have no place of their own in a "
            "dataset. Select some of them first, or name more keys."
        )
    dataset = xarray.Dataset(coords={name: labels[name] for name in dims})
    for name, dim in along.items():
        coordinate = np.empty(len(labels[dim]), dtype=object)
        for code, label in zip(codes[dim], columns[name], strict=True):
            coordinate[code] = label
        dataset.coords[name] = (dim, _tightened(coordinate))
    for name, column in columns.items():
        if name in keys:
            continue
        extra = tuple(f"{name}_{number}" for number in range(column.ndim - 1))
        is_number = column.dtype.kind in "fiub"
        filled = np.full(
            shape + column.shape[1:], np.nan if is_number else None, dtype=float if is_number else object
        )
        filled[places] = column
        attributes = {"units": units[name]} if name in units else {}
        dataset[name] = ((*dims, *extra), filled, attributes)
    found: xr.Dataset = dataset
    return found


def _dims(
    keys: Sequence[str],
    parameters: Sequence[str],
    codes: Mapping[str, np.ndarray[Any, Any]],
    labels: Mapping[str, Sequence[Any]],
) -> tuple[list[str], dict[str, str]]:
    """Return the dimensions, and for keys that are coordinates instead, the dimension they are along."""
    names = [name for name in keys if name != "point" and name not in parameters]
    varied = [name for name in parameters if name in keys]
    along: dict[str, str] = {}
    if "point" in keys:
        size = int(np.prod([len(labels[name]) for name in varied])) if varied else 0
        if size == len(labels["point"]) and varied:
            dims = varied  # a full product; the number of a point follows
        else:
            dims, along = ["point"], dict.fromkeys(varied, "point")
    else:
        dims = varied
    for name in names:
        owner = next(
            (
                other
                for other in names
                if other != name
                and other not in along
                and _follows(codes[name], codes[other], len(labels[name]))
            ),
            None,
        )
        if name == "class" and owner is not None:
            along[name] = owner
        else:
            dims = [*dims, name]
    return dims, along


def _follows(codes: np.ndarray[Any, Any], others: np.ndarray[Any, Any], num: int) -> bool:
    """Return whether a key is known once the other one is."""
    pairs = np.unique(others.astype(np.int64) * max(num, 1) + codes)
    return len(pairs) == len(np.unique(others))


def _factorised(column: np.ndarray[Any, Any]) -> tuple[Any, np.ndarray[Any, Any]]:
    """Return the labels of a key, numbers sorted and others in order of appearance; and the place of each."""
    if column.dtype.kind in "fiu":
        labels, codes = np.unique(column, return_inverse=True)
        return labels, codes
    found: dict[Any, int] = {}
    hashable = [value if value.__hash__ else repr(value) for value in column.tolist()]
    codes = np.array([found.setdefault(value, len(found)) for value in hashable], dtype=np.int64)
    return _tightened(np.array([*found, None], dtype=object)[:-1]), codes


def _tightened(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array of objects as an array of text or numbers, where all are of one type."""
    kinds = {type(label) for label in labels}
    return np.array(labels.tolist()) if len(kinds) == 1 and kinds <= {str, int, float, bool} else labels
