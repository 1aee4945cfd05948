"""The logger `jsonl`: all values of a run in `metrics.jsonl`, one line of JSON per iteration."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phantom_core.hooks.events import MetricsRecorded, TrainEnd, TrainStart
from phantom_core.hooks.hookspecs import Hooks
from phantom_core.training.metrics_file import METRICS_FILE, encode_row
from phantom_core.writing import RetryQueue, append, cut_back, drop_broken_line


class JsonLinesLogger(Hooks):
    """Writes `metrics.jsonl` to the run directory. `ph.train` attaches it to every run that has one.

    Each line holds `iteration`, `env_steps` and `values`. NaN and infinities are written as the strings
    `"nan"`, `"inf"` and `"-inf"`. Lines that cannot be written are kept and written first next time. A run
    that is resumed goes on in the file, after what it had written when its checkpoint was made.
    """

    _lines: RetryQueue[bytes] | None = None
    _path: Path | None = None
    _size: int | None = None  # of the file, when the checkpoint was made from which the run is resumed

    def on_train_start(self, event: TrainStart) -> None:
        """Note where to write; the file is made with its first line."""
        if event.run_directory is not None:
            self._path = path = Path(event.run_directory, METRICS_FILE)
            if event.is_resumed and self._size:
                cut_back(path, self._size)
                if path.exists():
                    drop_broken_line(path)
            self._lines = RetryQueue(functools.partial(append, path), name="jsonl")

    def state_dict(self) -> dict[str, Any]:
        """Return the size of the file."""
        if self._path is None:
            return {}
        return {"size": self._path.stat().st_size if self._path.exists() else 0}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the size that the file had."""
        self._size = int(state["size"])

    def on_metrics(self, event: MetricsRecorded) -> None:
        """Write one line, flushed so that other programs can read it immediately."""
        if self._lines is None:
            return
        self._lines.write(
            encode_row(event.iteration, event.env_steps, event.values, is_of_iteration=event.is_of_iteration)
        )

    def on_train_end(self, event: TrainEnd) -> None:
        """Write the lines that were kept, or raise `HookError` with their number."""
        if self._lines is not None:
            with self._lines.closing():
                self._lines = None
