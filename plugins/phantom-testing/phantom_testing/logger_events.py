"""The events of a short run, for checks of loggers."""

from __future__ import annotations

import math
import sqlite3
import struct
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import phantom_core as ph

NUM_ITERATIONS: Final = 3
FIRST_MARK: Final = 4001.5  # databases store whole numbers in fewer bytes

ORDINARY: Final = {
    "rewards/A1": 0.5,
    "rewards/group": 0.5,
    "default/episode_return": 2.5,
    "time/iteration_seconds": 0.01,
}
NOT_FINITE: Final = {"rewards/A1": math.nan, "default/loss": math.inf, "time/iteration_seconds": -math.inf}
UNKNOWN: Final = {"a name/with blanks, commas: and ünïcode": 1.0, "new": 2.0}


def marked(iteration: int) -> dict[str, float]:
    """Return values that tell in a file which iteration they are from."""
    return dict.fromkeys(ORDINARY, FIRST_MARK + iteration)


def iterations_in(folder: Path, num_iterations: int) -> list[int]:
    """Return the iterations whose marked values are in the files of a folder, as text or as numbers."""
    content = _content_of(folder)
    return [i for i in range(num_iterations) if any(form in content for form in _forms_of(i))]


def num_marks_in(folder: Path, num_iterations: int) -> list[int]:
    """Return for each iteration how often its marked value is in the files of a folder."""
    content = _content_of(folder)
    return [sum(map(content.count, _forms_of(iteration))) for iteration in range(num_iterations)]


def _content_of(folder: Path) -> bytes:
    return b"\n".join(map(_read, sorted(path for path in folder.rglob("*") if path.is_file())))


def _read(path: Path) -> bytes:
    """Return what a file holds; of a database the rows, since the file holds deleted ones too."""
    content = path.read_bytes()
    if not content.startswith(b"SQLite format 3\0"):
        return content
    with closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump()).encode()


def _forms_of(iteration: int) -> list[bytes]:
    """Return how the marked value of an iteration may be written."""
    value = FIRST_MARK + iteration
    return [str(value).encode(), *(struct.pack(form, value) for form in ("<f", ">f", "<d", ">d"))]


class Handed(dict[str, Any]):
    """A dict that tells whether anybody keeps it: it can be referred to weakly."""


def start_event(run_directory: Path | None, *, is_resumed: bool = False) -> ph.TrainStart:
    """Return the start of a run."""
    return ph.TrainStart(
        run_name="conformance",
        run_directory=run_directory,
        trainer_name="toy",
        num_iterations=NUM_ITERATIONS,
        total_steps=None,
        seed=1,
        hyper_parameters={"trainer.toy.alpha": 0.1, "seed": 1},
        is_resumed=is_resumed,
    )


def iteration_events(iteration: int, values: Mapping[str, float]) -> list[tuple[str, Any]]:
    """Return hook and event, in order, of one iteration with these values."""
    steps = 5 * (iteration + 1)
    return [
        ("on_iteration_start", ph.IterationStart(iteration=iteration, env_steps=steps - 5)),
        (
            "on_episode_end",
            ph.EpisodeEnd(
                iteration=iteration,
                env_index=0,
                episode=iteration,
                seed=iteration,
                length=5,
                episode_returns={"A1": 2.5},
                terminated=False,
                truncated=True,
            ),
        ),
        ("on_metrics", ph.MetricsRecorded(iteration=iteration, env_steps=steps, values=values)),
        ("on_iteration_end", ph.IterationEnd(iteration=iteration, env_steps=steps, values=values)),
        ("should_stop", ph.IterationEnd(iteration=iteration, env_steps=steps, values=values)),
    ]


def failed_event() -> ph.TrainFailed:
    """Return the exception that ends a run."""
    return ph.TrainFailed(iteration=1, exception=RuntimeError("the env broke down"))


def end_event(status: Any = "completed") -> ph.TrainEnd:
    """Return the end of a run."""
    return ph.TrainEnd(status=status, iterations=NUM_ITERATIONS, env_steps=5 * NUM_ITERATIONS)
