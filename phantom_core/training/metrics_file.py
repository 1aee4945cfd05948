"""`metrics.jsonl`, which holds what a run logged, and `History`, which reads it row by row."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, cast, overload

import msgspec

from phantom_core.errors import RunDirectoryError, without_stop
from phantom_core.reading import MAX_BYTES, read_lines

METRICS_FILE: Final = "metrics.jsonl"
"""One line of JSON per iteration: `iteration`, `env_steps` and `values`; `SavedRun` reads it."""


BLOCK: Final = 1 << 16
"""So many bytes are read at the end of the file; more only if no whole line of an iteration is in them."""


class MetricsRow(msgspec.Struct, omit_defaults=True):
    """A line of `metrics.jsonl`; NaN and infinities are texts."""

    iteration: int
    env_steps: int
    values: dict[str, float | Literal["nan", "inf", "-inf"]]
    is_of_iteration: bool = True

    @property
    def numbers(self) -> dict[str, float]:
        """The values as numbers."""
        if str not in map(type, self.values.values()):  # as in most rows
            return cast("dict[str, float]", self.values)
        return {name: float(value) for name, value in self.values.items()}


_decode: Final = msgspec.json.Decoder(MetricsRow).decode


def encode_row(
    iteration: int, env_steps: int, values: Mapping[str, float], *, is_of_iteration: bool
) -> bytes:
    """Return a line, with its end."""
    found: dict[str, Any] = {n: v if math.isfinite(v) else str(v) for n, v in values.items()}
    return msgspec.json.encode(MetricsRow(iteration, env_steps, found, is_of_iteration)) + b"\n"


def read_rows(path: Path) -> Iterator[tuple[int, MetricsRow]]:
    """Yield the rows of the file, each with the place in bytes where it begins; without a file, nothing.

    A last line that was cut off when the run was killed is left out.

    Raises:
        RunDirectoryError: if another line is damaged, or the file cannot be read.
    """
    place = 0
    try:
        for number, line in enumerate(read_lines(path) if path.exists() else (), start=1):
            try:
                row = _decode(line)
            except (ValueError, RecursionError) as error:
                if not line.endswith(b"\n"):
                    return
                raise RunDirectoryError(
                    f"{path} is damaged in line {number}: {without_stop(error)}."
                ) from error
            yield place, row
            place += len(line)
    except OSError as error:
        raise RunDirectoryError(f"{path} cannot be read: {error.strerror}.") from error


def read_last_rows(path: Path) -> list[MetricsRow]:
    """Return the last rows of the file, in order, without reading those before; without a file, none.

    They are as many as `BLOCK` bytes hold, and at least one of an iteration. What is no whole line is left
    out.

    Raises:
        RunDirectoryError: if the file cannot be read.
    """
    if not path.is_file():
        return []
    try:
        with path.open("rb") as file:
            size, length = file.seek(0, os.SEEK_END), BLOCK
            while True:
                start = file.seek(max(0, size - length))
                lines = file.read(size - start).split(b"\n")
                rows = list(_whole_rows(lines[1:] if start else lines))  # a block begins inside of a line
                if any(row.is_of_iteration for row in rows) or start == 0 or length >= MAX_BYTES:
                    return rows
                length *= 8
    except OSError as error:
        raise RunDirectoryError(f"{path} cannot be read: {error.strerror}.") from error


def _whole_rows(lines: Iterable[bytes]) -> Iterator[MetricsRow]:
    for line in lines:
        try:
            row = _decode(line)
        except (ValueError, RecursionError):
            continue
        yield row


class History(Sequence[Mapping[str, float]]):
    """One row per iteration: `iteration`, `env_steps` and every logged value.

    The rows of a run with a directory are read from its `metrics.jsonl` when they are asked for, so that a
    long run needs no more memory than a short one; those of other runs are kept.
    """

    def __init__(self, file: Path | None = None) -> None:
        """Make a history that is read from a file, or is kept."""
        self._file = None if file is None else file.absolute()
        self._kept: list[dict[str, float]] = []
        self._places = array("q")  # in the file, of the first line of each iteration
        self._size = -1  # of the file, when these were looked up

    def add(self, row: dict[str, float]) -> None:
        """Note an iteration, after it was logged."""
        if self._file is None:
            self._kept.append(row)

    def add_to_last(self, values: Mapping[str, float]) -> None:
        """Note what was logged after the last iteration, such as an evaluation."""
        if self._kept:
            self._kept[-1].update(values)

    def __len__(self) -> int:
        return len(self._kept) if self._file is None else len(self._looked_up(self._file))

    def __iter__(self) -> Iterator[Mapping[str, float]]:
        if self._file is None:
            yield from self._kept
            return
        found: dict[str, float] | None = None
        for _, row in read_rows(self._file):
            if not row.is_of_iteration:
                continue
            if found is not None and found["iteration"] != row.iteration:
                yield found
                found = None
            found = _joined(found, row)
        if found is not None:
            yield found

    @overload
    def __getitem__(self, index: int) -> Mapping[str, float]: ...

    @overload
    def __getitem__(self, index: slice) -> list[Mapping[str, float]]: ...

    def __getitem__(self, index: int | slice) -> Mapping[str, float] | list[Mapping[str, float]]:
        """Return a row, or a list of them.

        Raises:
            IndexError: if there is no such row.
            RunDirectoryError: if the file cannot be read, or is damaged.
        """
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if self._file is None:
            return self._kept[index]
        places = self._looked_up(self._file)
        number = index + len(places) if index < 0 else index
        if not 0 <= number < len(places):
            raise IndexError(f"history has {len(places)} rows, and none is number {index}")
        end = places[number + 1] if number + 1 < len(places) else self._size
        return _read_row(self._file, places[number], end)

    def __repr__(self) -> str:
        where = "" if self._file is None else f" in {self._file}"
        return f"<{len(self)} rows{where}>"

    def _looked_up(self, file: Path) -> array[int]:
        """Return where the rows begin, looked up again if the file has changed."""
        try:
            size = file.stat().st_size
        except OSError as error:
            if file.parent.is_dir() and not file.exists():  # nothing was logged
                return array("q")
            raise RunDirectoryError(
                f"The history of the run was in {file}, which cannot be read: {error.strerror}."
            ) from error
        if size != self._size:
            self._places, last = array("q"), None
            for place, row in read_rows(file):
                if row.is_of_iteration and row.iteration != last:
                    self._places.append(place)
                    last = row.iteration
            self._size = size
        return self._places


def _read_row(file: Path, start: int, end: int) -> dict[str, float]:
    with file.open("rb") as opened:
        opened.seek(start)
        lines = opened.read(min(end - start, MAX_BYTES)).splitlines()
    found: dict[str, float] | None = None
    for line in lines:
        row = _decode(line)
        if row.is_of_iteration:
            found = _joined(found, row)
    assert found is not None
    return found


def _joined(before: dict[str, float] | None, row: MetricsRow) -> dict[str, float]:
    """Return a row of the history with what a line adds to it."""
    return (before or {"iteration": row.iteration, "env_steps": row.env_steps}) | row.numbers
