"""The logger `csv`: every value of a run in `metrics.csv`, one row per iteration."""

from __future__ import annotations

import csv
import errno
import io
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from phantom_core.errors import ConfigError
from phantom_core.hooks.events import MetricsRecorded, TrainStart
from phantom_core.hooks.hookspecs import Hooks

_FIRST: Final = ("iteration", "env_steps")


class CsvLogger(Hooks):
    """Writes `metrics.csv` into the run directory: a heading, then one row per iteration.

    The columns are `iteration`, `env_steps` and a column per value, sorted by name. A value that was not
    logged in an iteration is an empty cell. When a value appears for the first time the file is written
    anew with one more column, at once or not at all; earlier rows have an empty cell there. A file that is
    there already is continued, also if its last row was broken off.
    """

    _path: Path | None = None
    _columns: tuple[str, ...] = ()

    def on_train_start(self, event: TrainStart) -> None:
        """Read the heading of a file that is there already; mend its end."""
        if event.run_directory is None:
            raise ConfigError(
                "it writes into the run directory, and this run has none. Give run_dir, or leave it out."
            )
        self._path = Path(event.run_directory, "metrics.csv")
        self._columns = ()
        if self._path.exists():
            self._drop_broken_row(self._path)
            self._columns = tuple(next(iter(self._rows()), ()))

    def on_metrics(self, event: MetricsRecorded) -> None:
        """Write one row, so that another program can read it at once."""
        if self._path is None:
            return
        values = {"iteration": event.iteration, "env_steps": event.env_steps, **event.values}
        if new := values.keys() - set(self._columns):
            self._widen(new)
        self._append([values.get(name, "") for name in self._columns])

    def _append(self, row: Iterable[object]) -> None:
        """Write a row whole or not at all: half a row would spoil the next one."""
        assert self._path is not None
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerow(row)
        content = text.getvalue().encode()
        with self._path.open("ab", buffering=0) as file:
            end, written = file.seek(0, os.SEEK_END), 0
            try:
                written = file.write(content)
            finally:
                if written != len(content):
                    file.truncate(end)
        if written != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _widen(self, new: Iterable[str]) -> None:
        """Write the file anew with more columns; the old ones keep their place."""
        assert self._path is not None
        columns = (*(self._columns or _FIRST), *sorted(set(new) - set(_FIRST)))
        empty = [""] * (len(columns) - len(self._columns))
        rows = [row + empty for row in self._rows()[1:]] if self._columns else []
        temporary = self._path.with_name(f".{self._path.name}-{secrets.token_hex(4)}")
        try:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([columns, *rows])
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)  # there is none, if all went well
        self._columns = columns

    def _rows(self) -> list[list[str]]:
        assert self._path is not None
        with self._path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))

    @staticmethod
    def _drop_broken_row(path: Path) -> None:
        """Cut off what comes after the last end of a line."""
        with path.open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
