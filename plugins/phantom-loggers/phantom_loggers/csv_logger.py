"""The logger `csv`: all values of a run in `metrics.csv`, one row per iteration."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import phantom_core as ph

_log = logging.getLogger("phantom_core")

_FIRST: Final = ("iteration", "env_steps")


class CsvLogger(ph.Hooks):
    """Writes `metrics.csv` to the run directory: a header, then one row per iteration.

    The columns are `iteration`, `env_steps` and one per value, sorted by name. A value that was not logged
    in an iteration is an empty cell. When a new value appears, the file is rewritten atomically with one more
    column; earlier rows have an empty cell there. An existing file is appended to, after an incomplete last
    row is removed; of a run that is resumed, what was written after its checkpoint is removed too. Rows that
    cannot be written are kept and written first next time.
    """

    _path: Path
    _columns: tuple[str, ...] = ()
    _num_rows: int = 0
    _rows: ph.writing.RetryQueue[Mapping[str, object]] | None = None

    def on_train_start(self, event: ph.TrainStart) -> None:
        """Read an existing file; remove an incomplete last row, and what came after the checkpoint."""
        if event.run_directory is None:
            raise ph.errors.ConfigError(
                "it writes into the run directory, and this run has none. Give run_dir, or leave it out."
            )
        self._path = Path(event.run_directory, "metrics.csv")
        self._rows = ph.writing.RetryQueue(self._write, name="csv")
        if self._path.exists():
            ph.writing.drop_broken_line(self._path)
        found = self._read()
        if event.is_resumed and self._columns:
            found = self._cut_back(found)
        self._columns, self._num_rows = tuple(found[0]) if found else (), max(len(found) - 1, 0)

    def state_dict(self) -> dict[str, Any]:
        """Return the columns of the file, and its number of rows."""
        return {"columns": list(self._columns), "rows": self._num_rows} if self._columns else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the columns and the number of rows that the file had."""
        self._columns, self._num_rows = tuple(state["columns"]), state["rows"]

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
        self._num_rows += 1

    def _widen(self, new: Iterable[str]) -> None:
        """Rewrite the file with more columns; existing columns keep their position."""
        columns = (*(self._columns or _FIRST), *sorted(set(new) - set(_FIRST)))
        empty = [""] * (len(columns) - len(self._columns))
        rows = [row + empty for row in self._read()[1:]] if self._columns else []
        self._rewrite([list(columns), *rows])
        self._columns = columns

    def _cut_back(self, found: list[list[str]]) -> list[list[str]]:
        """Return header and rows as they were when the checkpoint was written; remove what came later."""
        kept = [row[: len(self._columns)] for row in found[: 1 + self._num_rows]]
        if len(kept) <= self._num_rows:
            _log.warning(
                "%s has %s of the %s rows that it had when the checkpoint was written. What is missing stays "
                "missing; the run goes on.",
                self._path, f"{max(len(kept) - 1, 0):,}", f"{self._num_rows:,}",
            )  # fmt: skip
        if kept != found:
            self._rewrite(kept)
        return kept

    def _rewrite(self, rows: Iterable[list[str]]) -> None:
        """Replace the file, header and rows, atomically."""
        temporary = ph.writing.temporary_beside(self._path)
        try:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)  # missing if it replaced the file

    def _read(self) -> list[list[str]]:
        if not self._path.exists():
            return []
        with self._path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))
