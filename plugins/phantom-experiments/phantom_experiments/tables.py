"""`Table`: rows with keys, which are streamed, and become columns, a data frame or a file on demand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import phantom_core as ph
from phantom_experiments import table_files, table_layout
from phantom_experiments.data_frames import pandas_frame, polars_frame, xarray_dataset

if TYPE_CHECKING:  # extras of this distribution
    import pandas as pd
    import polars as pl
    import xarray as xr

Row = Mapping[str, Any]

_MAX_SHOWN = 20


class Table:
    """Rows of values under keys. Nothing is kept: each use reads the rows again, one at a time.

    The keys say what a row is about, such as point, treatment and seed; the other columns are values. A row
    may lack values. Printed, it is a text of at most 20 rows; a notebook shows it as HTML.

    >>> table = Table.of([{"seed": 1, "price": 2.5}, {"seed": 2, "price": 3.0}], keys=["seed"])
    >>> table["price"]
    array([2.5, 3. ])
    >>> print(table.select(seed=2))
    seed  price
       2      3

    Attributes:
        keys: the names of the key columns.
        parameters: those of the keys that are parameters of a study's points.
        units: units of values, by name.
        title: what the table holds, for people.
    """

    def __init__(
        self,
        rows: Callable[[], Iterator[Row]],
        keys: Sequence[str],
        *,
        parameters: Sequence[str] = (),
        units: Mapping[str, str] | None = None,
        title: str = "",
    ) -> None:
        """Make a table of rows that can be read again and again.

        Args:
            rows: returns the rows, in order, each time it is called.
            keys: as in the attributes.
            parameters: as in the attributes.
            units: as in the attributes.
            title: as in the attributes.
        """
        self.keys = tuple(keys)
        self.parameters = tuple(parameters)
        self.units = dict(units or {})
        self.title = title
        self._rows = rows
        self._found: tuple[tuple[str, ...], int] | None = None

    @classmethod
    def of(cls, rows: Sequence[Row], keys: Sequence[str], **facts: Any) -> Table:
        """Return a table of rows that are in memory; `facts` are the other arguments of the class."""
        kept = list(rows)
        return cls(lambda: iter(kept), keys, **facts)

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows, in order."""
        return self._rows()

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._scan()[1]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns: the keys, then values in the order in which they first appear."""
        return self._scan()[0]

    @property
    def values(self) -> tuple[str, ...]:
        """The names of the columns that are no keys."""
        return self.columns[len(self.keys) :]

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        """Return a column, read anew.

        Numbers are int64 or float64, with NaN where a row has no value; a column with anything else in it
        holds objects, with None where a row has no value. Arrays of one shape are stacked: `[rows, ...]`.

        Raises:
            ConfigError: if there is no such column.
        """
        self._check_names([name])
        return as_column([row.get(name) for row in self])

    def select(self, conditions: Mapping[str, Any] | None = None, /, **more: Any) -> Table:
        """Return the rows that meet conditions, as a table; nothing is read yet but the columns.

        A condition is a value, or several in a list, tuple, set or range, any of which a row may have. Two
        floats are the same if they differ by no more than 1e-9 of their size, so `markup=0.3` finds the 0.3
        of a grid. Names with dots are given in a dict: `select({"trainer.ppo.lr": 0.1}, seed=1)`.

        Raises:
            ConfigError: if there is no such column.
        """
        wanted = {**(conditions or {}), **more}
        self._check_names(wanted)
        choices = {name: _choices(condition) for name, condition in wanted.items()}

        def rows() -> Iterator[Row]:
            for row in self:
                if all(_is_any(row.get(name), choice) for name, choice in choices.items()):
                    yield row

        return self._like(rows)

    def where(self, condition: Callable[[Row], bool]) -> Table:
        """Return the rows for which a function returns True, as a table; nothing is read yet."""
        return self._like(lambda: filter(condition, self))

    def to_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the columns by name, each as `table[name]` returns it. The rows are read once."""
        kept: dict[str, list[Any]] = {name: [] for name in self.columns}
        for row in self:
            for name, column in kept.items():
                column.append(row.get(name))
        return {name: as_column(column) for name, column in kept.items()}

    def to_pandas(self) -> pd.DataFrame:
        """Return a pandas data frame with a column for each column; arrays are cells.

        Raises:
            PluginError: if pandas is not installed.
        """
        return pandas_frame(self.to_dict())

    def to_polars(self) -> pl.DataFrame:
        """Return a polars data frame with a column for each column; arrays are lists.

        Raises:
            PluginError: if polars is not installed.
        """
        return polars_frame(self.to_dict())

    def to_xarray(self) -> xr.Dataset:
        """Return an xarray dataset in which each key is a dimension, and each value a variable over all keys.

        If the points of a study are a full product, each parameter is a dimension; otherwise the point is,
        and the parameters are coordinates along it. A key that follows from another one, such as the class
        of an agent, is a coordinate too. What was not measured is NaN. Array values get dimensions of
        their own, such as `wealth_0`.

        Raises:
            PluginError: if xarray is not installed.
            ConfigError: if two rows have the same keys.
        """
        return xarray_dataset(self.to_dict(), self.keys, self.parameters, self.units)

    def to_text(self, max_rows: int | None = None) -> str:
        """Return text in columns: the first `max_rows` rows, and how many more there are."""
        return table_layout.text(self, max_rows)

    def to_latex(self) -> str:
        r"""Return a LaTeX `tabular` with the rules of the package booktabs (`\usepackage{booktabs}`)."""
        return table_layout.latex(self)

    def to_html(self, max_rows: int | None = None) -> str:
        """Return an HTML table; the first `max_rows` rows only, and how many more there are."""
        return table_layout.html(self, max_rows)

    def write(self, path: str | Path) -> Path:
        """Write the table to a file whose suffix says how, and return its path.

        | suffix | what is written |
        | --- | --- |
        | `.csv` | a header, and a line per row; numbers in full, nothing where a row has no value |
        | `.jsonl` | an object of JSON per row; NaN and infinities as `NaN`, `Infinity` |
        | `.parquet` | columns (extra `parquet`) |
        | `.npz` | an array per column, of as many elements as there are rows |
        | `.tex`, `.html`, `.txt` | as `to_latex`, `to_html` and `to_text` return it |

        CSV and JSON are written row by row, in constant memory. CSV has no place for array values: they go to
        a file of the same name with `.npz`, each under the text that is in the cell, such as `wealth-12` (the
        column, and the number of the row from 0). The file is written under a temporary name, and then
        renamed.

        Raises:
            ConfigError: if the suffix is another one, or the file cannot be written.
            PluginError: if a library is missing.
        """
        return table_files.write(self, Path(path))

    def __str__(self) -> str:
        """Return the text of the first rows."""
        return self.to_text(_MAX_SHOWN)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_html(_MAX_SHOWN)

    def _like(self, rows: Callable[[], Iterator[Row]]) -> Table:
        return Table(rows, self.keys, parameters=self.parameters, units=self.units, title=self.title)

    def _scan(self) -> tuple[tuple[str, ...], int]:
        """Return the columns and the number of rows; they are read for it once."""
        if self._found is None:
            names, count = dict.fromkeys(self.keys), 0
            for row in self:
                count += 1
                if not row.keys() <= names.keys():
                    names |= dict.fromkeys(row)
            self._found = tuple(names), count
        return self._found

    def _check_names(self, names: Collection[str]) -> None:
        for name in names:
            if name not in self.columns:
                nearest = ph.tools.did_you_mean(name, self.columns)
                known = ", ".join(self.columns) or "none"
                empty = "" if len(self) else " It has no rows, and columns of values come with them."
                raise ph.errors.ConfigError(
                    f"The table has no column {name!r}.{nearest} Columns: {known}.{empty}"
                )


def as_column(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Return values of rows as an array, as `Table.__getitem__` says; None stands for no value.

    >>> as_column([1, 2]), as_column([1, None]), as_column(["a", None])
    (array([1, 2]), array([ 1., nan]), array(['a', None], dtype=object))
    """
    kinds = {type(value) for value in values if value is not None}
    has_gaps = any(value is None for value in values)
    if kinds and all(issubclass(kind, (bool, np.bool_)) for kind in kinds) and not has_gaps:
        return np.array(values, dtype=bool)
    if kinds and all(issubclass(kind, (int, float, np.number, np.bool_)) for kind in kinds):
        is_whole = not has_gaps and all(issubclass(kind, (int, np.integer, np.bool_)) for kind in kinds)
        if is_whole and max(abs(int(value)) for value in values) < 2**63:
            return np.array(values, dtype=np.int64)
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    are_arrays = bool(kinds) and all(issubclass(kind, np.ndarray) for kind in kinds) and not has_gaps
    if are_arrays and len({value.shape for value in values}) == 1:
        return np.stack(values)
    column = np.empty(len(values), dtype=object)
    for number, value in enumerate(values):
        column[number] = value
    return column


def _choices(condition: Any) -> list[Any]:
    is_several = isinstance(condition, (list, tuple, set, frozenset, range, np.ndarray))
    return list(condition) if is_several else [condition]


def _is_any(value: Any, choices: Sequence[Any]) -> bool:
    return any(_is_same(value, choice) for choice in choices)


def _is_same(value: Any, choice: Any) -> bool:
    if isinstance(value, float) and isinstance(choice, (int, float)):
        return bool(np.isclose(value, choice, rtol=1e-9, atol=0.0, equal_nan=True))
    return bool(np.array_equal(value, choice)) if isinstance(value, np.ndarray) else bool(value == choice)
