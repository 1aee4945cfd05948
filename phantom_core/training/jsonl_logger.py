"""The logger `jsonl`: all values of a run in `metrics.jsonl`, one line of JSON per iteration."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Final

import msgspec

from phantom_core.hooks.events import MetricsRecorded, TrainEnd, TrainStart
from phantom_core.hooks.hookspecs import Hooks
from phantom_core.writing import RetryQueue, append

METRICS_FILE: Final = "metrics.jsonl"
"""One line of JSON per iteration: `iteration`, `env_steps` and `values`; `SavedRun` reads it."""


class JsonLinesLogger(Hooks):
    """Writes `metrics.jsonl` to the run directory. `ph.train` attaches it to every run that has one.

    Each line holds `iteration`, `env_steps` and `values`. NaN and infinities are written as the strings
    `"nan"`, `"inf"` and `"-inf"`. Lines that cannot be written are kept and written first next time.
    """

    _lines: RetryQueue[bytes] | None = None

    def on_train_start(self, event: TrainStart) -> None:
        """Create the file, or append to an existing one."""
        if event.run_directory is not None:
            path = Path(event.run_directory, METRICS_FILE)
            append(path, b"")
            self._lines = RetryQueue(functools.partial(append, path), name="jsonl")

    def on_metrics(self, event: MetricsRecorded) -> None:
        """Write one line, flushed so that other programs can read it immediately."""
        if self._lines is None:
            return
        values = {name: value if math.isfinite(value) else str(value) for name, value in event.values.items()}
        row = {"iteration": event.iteration, "env_steps": event.env_steps, "values": values}
        self._lines.write(msgspec.json.encode(row) + b"\n")

    def on_train_end(self, event: TrainEnd) -> None:
        """Write the lines that were kept, or raise `HookError` with their number."""
        if self._lines is not None:
            with self._lines.closing():
                self._lines = None
