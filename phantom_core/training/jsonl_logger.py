"""The logger `jsonl`: every value of a run in `metrics.jsonl`, one line of JSON per iteration."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO

import msgspec

from phantom_core.hooks.events import MetricsRecorded, TrainEnd, TrainStart
from phantom_core.hooks.hookspecs import Hooks


class JsonLinesLogger(Hooks):
    """Writes `metrics.jsonl` into the run directory; `ph.train` attaches it wherever there is one.

    Each line holds `iteration`, `env_steps` and `values`. NaN and infinities are the strings
    `"nan"`, `"inf"` and `"-inf"`.
    """

    _file: IO[bytes] | None = None

    def on_train_start(self, event: TrainStart) -> None:
        """Open the file."""
        if event.run_directory is not None:
            path = Path(event.run_directory, "metrics.jsonl")
            self._file = path.open("ab")

    def on_metrics(self, event: MetricsRecorded) -> None:
        """Write one line, so that another program can read it at once."""
        if self._file is None:
            return
        values = {name: value if math.isfinite(value) else str(value) for name, value in event.values.items()}
        row = {"iteration": event.iteration, "env_steps": event.env_steps, "values": values}
        self._file.write(msgspec.json.encode(row) + b"\n")
        self._file.flush()

    def on_train_end(self, event: TrainEnd) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
