"""A table as a file, whose suffix says how."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

import phantom_core as ph
from phantom_experiments.data_frames import library, plain_list
from phantom_experiments.table_layout import RowsInColumns, html, latex, text


class WritableTable(RowsInColumns, Protocol):
    """What is written."""

    def to_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the columns by name."""
        ...


def write(table: WritableTable, path: Path) -> Path:
    """Write a table, as `Table.write` says."""
    writer = _WRITER_BY_SUFFIX.get(path.suffix.lower())
    if writer is None:
        raise ph.errors.ConfigError(
            f"A table cannot be written to {str(path)!r}: the suffix {path.suffix!r} says nothing. Expected "
            f"one of {', '.join(_WRITER_BY_SUFFIX)}."
        )
    try:
        writer(table, path)
    except OSError as error:
        raise ph.errors.ConfigError(
            f"The table cannot be written to {str(path)!r}: {error.strerror or error}. Choose another place."
        ) from error
    return path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to, which is renamed when the block ends, and removed if it raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = ph.writing.temporary_beside(path, path.suffix)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_csv(table: WritableTable, path: Path) -> None:
    columns = table.columns
    arrays = path.with_suffix(".npz")
    with replaced(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        lines, parts = csv.writer(file, lineterminator="\n"), _ArrayParts(arrays)
        with parts.closing():
            lines.writerow(columns)
            for number, row in enumerate(table):
                lines.writerow([parts.cell(name, number, row.get(name)) for name in columns])


class _ArrayParts:
    """The `.npz` beside a CSV file, made with the first array."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = ph.writing.temporary_beside(path, path.suffix)
        self._file: zipfile.ZipFile | None = None

    def cell(self, name: str, number: int, value: Any) -> Any:
        """Return what is in the cell of a value: an array goes to the file under this name."""
        if isinstance(value, np.ndarray) and value.ndim:
            if self._file is None:
                self._file = zipfile.ZipFile(self._temporary, "w", zipfile.ZIP_DEFLATED)
            _add_array(self._file, f"{name}-{number}", value)
            return f"{name}-{number}"
        return repr(float(value)) if isinstance(value, (float, np.floating)) else value

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Close and rename the file when the block ends; remove it if it raises."""
        try:
            yield
            if self._file is not None:
                self._file.close()
                self._temporary.replace(self._path)
        finally:
            if self._file is not None:
                self._file.close()
                self._temporary.unlink(missing_ok=True)


def _add_array(file: zipfile.ZipFile, name: str, array: np.ndarray[Any, Any]) -> None:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    file.writestr(f"{name}.npy", content.getvalue())


def _write_jsonl(table: WritableTable, path: Path) -> None:
    with replaced(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        for row in table:
            file.write(json.dumps(dict(row), default=_plain) + "\n")


def _plain(value: Any) -> Any:
    """Return an array as a list, a scalar of NumPy as a number, and anything else as its repr."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else repr(value)


def _write_npz(table: WritableTable, path: Path) -> None:
    columns = table.to_dict()
    for name, column in columns.items():
        if column.dtype == object:
            columns[name] = _without_objects(name, column)
    with replaced(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as file:
        for name, column in columns.items():  # np.savez would not take a column that is called file
            _add_array(file, name, column)


def _without_objects(name: str, column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if any(isinstance(value, np.ndarray) for value in column):
        raise ph.errors.ConfigError(
            f"The arrays in {name!r} have different shapes, or some rows have none, so they are no column "
            "of a "
            ".npz file. Write a .csv file, which puts each array into a .npz file beside it."
        )
    return np.array(["" if value is None else str(value) for value in column], dtype=np.str_)


def _write_parquet(table: WritableTable, path: Path) -> None:
    pyarrow = library("pyarrow", "A .parquet file")
    parquet = library("pyarrow.parquet", "A .parquet file")
    columns = {name: _arrow(pyarrow, column) for name, column in table.to_dict().items()}
    with replaced(path) as temporary:
        parquet.write_table(pyarrow.table(columns), temporary)


def _arrow(pyarrow: Any, column: np.ndarray[Any, Any]) -> Any:
    values = plain_list(column)
    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):  # values of several types: as text
        return pyarrow.array([None if value is None else str(value) for value in values])


def _text_writer(layout: Callable[[Any], str]) -> Callable[[WritableTable, Path], None]:
    def write_text(table: WritableTable, path: Path) -> None:
        with replaced(path) as temporary:
            temporary.write_text(layout(table), encoding="utf-8")

    return write_text


_WRITER_BY_SUFFIX: Final[Mapping[str, Callable[[WritableTable, Path], None]]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
    ".npz": _write_npz,
    ".tex": _text_writer(latex),
    ".html": _text_writer(lambda table: html(table, None)),
    ".txt": _text_writer(lambda table: text(table, None) + "\n"),
}
