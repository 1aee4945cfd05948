"""`SavedRun`: a run that was written, read from its run directory."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phantom_core.hooks.events import MetricsRecorded
from phantom_core.training.jsonl_logger import METRICS_FILE
from phantom_core.training.run_directory import CONFIG_FILE, RunDirectory


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A run that was written: finished, broken off, or still going on.

    Attributes:
        path: the run directory.
        facts: the contents of `run.json`, such as `"status"`, `"seed"`, `"versions"` and `"plugins"`.
        settings: the contents of `config.toml`: the settings of the run as a run file. Empty if the file
            is missing or cannot be read.
    """

    path: Path
    facts: Mapping[str, Any]
    settings: Mapping[str, Any]

    @classmethod
    def read(cls, path: str | Path) -> SavedRun:
        """Read a run from its run directory.

        Raises:
            RunDirectoryError: if it is not a run directory, or its `run.json` cannot be read.
        """
        directory = RunDirectory.open(path)
        return cls(directory.path, directory.read_run(), _settings(directory.path / CONFIG_FILE))

    def logged_values(self) -> Iterator[MetricsRecorded]:
        """Yield what the run logged, one event per line of `metrics.jsonl`, in order; without it, nothing.

        NaN and infinities are floats. A line that was cut off when the run was killed is skipped.
        """
        try:
            lines = (self.path / METRICS_FILE).read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            values = {
                name: float(value) if isinstance(value, str) else value  # "nan", "inf" and "-inf"
                for name, value in row["values"].items()
            }
            yield MetricsRecorded(iteration=row["iteration"], env_steps=row["env_steps"], values=values)


def _settings(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
