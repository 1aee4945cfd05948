"""The logger `csv`: all values of a run in `metrics.csv`, one row per iteration."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import phantom_core as ph

_FIRST: Final = ("iteration", "env_steps")


class CsvLogger(ph.Hooks):
    """Writes `metrics.csv` to the run directory: a header, then one row per iteration.

    The columns are `iteration`, `env_steps` and one per value, sorted by name. A value that was not logged
    in an iteration is an empty cell. When a new value appears, the file is rewritten atomically with one more
    column; earlier rows have an empty cell there. An existing file is appended to, after an incomplete last
    row is removed. Rows that cannot be written are kept and written first next time.
    """

    _path: Path
    _columns: tuple[str, ...] = ()
    _rows: ph.writing.RetryQueue[Mapping[str, object]] | None = None

    def on_train_start(self, event: ph.TrainStart) -> None:
        """Read the header of an existing file and remove an incomplete last row."""
        if event.run_directory is None:
            raise ph.errors.ConfigError(
                "it writes into the run directory, and this run has none. Give run_dir, or leave it out."
            )
        self._path = Path(event.run_directory, "metrics.csv")
        self._columns = ()
        self._rows = ph.writing.RetryQueue(self._write, name="csv")
        if self._path.exists():
            self._drop_broken_row(self._path)
            self._columns = tuple(next(iter(self._read()), ()))

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        """Write one row, flushed so that other programs can read it immediately."""
        if self._rows is not None:
            self._rows.write({"iteration": event.iteration, "env_steps": event.env_steps, **event.values})

    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Write the rows that were kept.

        Raises:
            HookError: if they still cannot be written; the message gives their number.
        """
        if self._rows is not None:
            with self._rows.closing():
                self._rows = None

    def _write(self, values: Mapping[str, object]) -> None:
        """Write one row, adding columns for new values."""
        if new := values.keys() - set(self._columns):
            self._widen(new)
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerow([values.get(name, "") for name in self._columns])
        ph.writing.append(self._path, text.getvalue().encode())

    def _widen(self, new: Iterable[str]) -> None:
        """Rewrite the file with more columns; existing columns keep their position."""
        columns = (*(self._columns or _FIRST), *sorted(set(new) - set(_FIRST)))
        empty = [""] * (len(columns) - len(self._columns))
        rows = [row + empty for row in self._read()[1:]] if self._columns else []
        temporary = ph.writing.temporary_beside(self._path)
        try:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([columns, *rows])
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)  # missing if it replaced the file
        self._columns = columns

    def _read(self) -> list[list[str]]:
        with self._path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))

    @staticmethod
    def _drop_broken_row(path: Path) -> None:
        """Truncate the file after the last newline."""
        with path.open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
