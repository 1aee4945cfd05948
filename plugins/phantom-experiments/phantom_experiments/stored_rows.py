"""The rows that a study directory holds, read one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import phantom_core as ph


def stored_rows(
    directory: Path, table: str, parameters: Sequence[str], points: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table of a study, each with the parameters of its point after the point's number.

    Arrays are NumPy arrays; one file of them is in memory at a time. A last line that was cut off is left
    out; without the file there are no rows.

    Args:
        directory: the study directory.
        table: `"episodes"`, `"agents"` or `"steps"`.
        parameters: the names of the parameters.
        points: their values, for each point.

    Raises:
        ConfigError: if a line is damaged, or a file cannot be read.
    """
    path = directory / f"{table}.jsonl"
    joined = [{"point": n, **{name: p.get(name) for name in parameters}} for n, p in enumerate(points)]
    arrays = _Arrays(directory / "arrays", table)
    if not path.exists():
        return
    number = 1  # of the line
    try:
        for line in ph.reading.read_lines(path):
            if not line.endswith(b"\n"):
                return
            row = json.loads(line)
            found = arrays.of(row) if b'{"array"' in line else row
            yield joined[row["point"]] | found
            number += 1
    except (ValueError, KeyError, IndexError, TypeError, OSError) as error:
        raise ph.errors.ConfigError(
            f"{path} is damaged in line {number}: {ph.tools.error_text(error)}. Play the study anew, in "
            "another folder."
        ) from error


class _Arrays:
    """The files of arrays of one table."""

    def __init__(self, folder: Path, table: str) -> None:
        self._folder, self._table = folder, table
        self._number, self._arrays = -1, dict[str, np.ndarray[Any, Any]]()

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row with its arrays in their places."""
        return {
            name: self._array(*value["array"])
            if isinstance(value, dict) and value.keys() == {"array"}
            else value
            for name, value in row.items()
        }

    def _array(self, number: int, index: int) -> np.ndarray[Any, Any]:
        if number != self._number:
            with np.load(self._folder / f"{self._table}-{number}.npz", allow_pickle=False) as file:
                self._arrays = dict(file)
            self._number = number
        return self._arrays[str(index)]
