"""Loggers with one defect each, and one without."""

import queue
import random
import socket
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import phantom_core as ph


class CorrectLogger(ph.Hooks):
    """Writes one line per iteration."""

    file: Any = None
    size: int | None = None

    def on_train_start(self, event: ph.TrainStart) -> None:
        if event.run_directory is not None:
            self.open(Path(event.run_directory, "lines.txt"), event)

    def open(self, path: Path, event: ph.TrainStart) -> None:
        if event.is_resumed and self.size is not None:
            ph.writing.cut_back(path, self.size)
        self.file = path.open("a" if event.is_resumed else "w", encoding="utf-8")

    def state_dict(self) -> dict[str, Any]:
        if self.file is None:
            return {}
        self.file.flush()
        return {"size": self.file.tell()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.size = state["size"]

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        self.write(f"{event.iteration} {dict(event.values)}")

    def on_train_end(self, event: ph.TrainEnd) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None

    def write(self, line: str) -> None:
        if self.file is not None:
            self.file.write(f"{line}\n")


class Raises(CorrectLogger):
    """Does not know evaluations."""

    def on_evaluation_end(self, event: ph.EvaluationEnd) -> None:
        raise OSError("no space left on device")


class ChangesWeights(CorrectLogger):
    """Rounds the policies that it looks at."""

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        for policy in event.policies.values():
            policy.table = policy.table.round(2)


class Shuffles(CorrectLogger):
    """Writes the values in random order."""

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        random.shuffle(list(event.values))
        super().on_metrics(event)


class CountsInIntegers(CorrectLogger):
    """Cannot take NaN."""

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        self.write(str({name: int(1000 * value) for name, value in event.values.items()}))


class FixedColumns(CorrectLogger):
    """Has the columns of the first iteration."""

    columns: Any = None

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        self.columns = self.columns or sorted(event.values)
        self.write(str([event.values[name] for name in self.columns]))


class ClosesOnce(CorrectLogger):
    """Writes a last line, every time it ends."""

    has_started = False

    def on_train_start(self, event: ph.TrainStart) -> None:
        super().on_train_start(event)
        self.has_started = True

    def on_train_end(self, event: ph.TrainEnd) -> None:
        if self.has_started:
            if self.file is None and event.status == "completed" and self.closed_file is not None:
                self.closed_file.write("end\n")
            self.closed_file = self.file
        super().on_train_end(event)

    closed_file: Any = None


class NeedsAStart(CorrectLogger):
    """Counts on having been started."""

    def on_train_start(self, event: ph.TrainStart) -> None:
        super().on_train_start(event)
        self.lines = 0

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        super().on_metrics(event)
        self.lines += 1


class NeedsAnIteration(CorrectLogger):
    """Counts on a whole iteration, if the run fails."""

    last: Any = None

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        super().on_metrics(event)
        self.last = event.iteration

    def on_exception(self, event: ph.TrainFailed) -> None:
        self.write(f"failed after {self.last + 1} iterations")


class NeedsADirectory(CorrectLogger):
    """Counts on a run directory."""

    def on_train_start(self, event: ph.TrainStart) -> None:
        self.open(Path(event.run_directory, "lines.txt"), event)  # type: ignore[arg-type]  its defect


class LeavesAThread(CorrectLogger):
    """Writes in a thread that nobody ends."""

    def on_train_start(self, event: ph.TrainStart) -> None:
        super().on_train_start(event)
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=lines.get, name="writer", daemon=True).start()


class KeepsEvents(CorrectLogger):
    """Keeps the values, to write them at the end."""

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        super().on_metrics(event)
        self.last = event.values


class Blocks(CorrectLogger):
    """Waits for a server in every iteration."""

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        super().on_metrics(event)
        time.sleep(0.06)


class NoHooks:
    """Is no logger at all."""


class WritesTens(CorrectLogger):
    """Writes ten lines at a time, and forgets those that are left."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(f"{line}\n")
        if len(self.lines) == 10 and self.file is not None:
            self.file.writelines(self.lines)
            self.lines.clear()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "lines": list(self.lines)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.lines = list(state["lines"])


class WritesThePreviousRow(CorrectLogger):
    """Writes a line when the next one comes."""

    previous = ""

    def write(self, line: str) -> None:
        if self.previous:
            super().write(self.previous)
        self.previous = line

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "previous": self.previous}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.previous = state["previous"]


class LosesRowsOfFailedRuns(WritesTens):
    """Writes the last lines only when all went well."""

    def on_train_end(self, event: ph.TrainEnd) -> None:
        if self.file is not None and event.status == "completed":
            self.file.writelines(self.lines)
        self.lines.clear()
        super().on_train_end(event)


OPEN: list[Any] = []


class KeepsTheFileOpen(CorrectLogger):
    """Writes into a file that it never closes."""

    def on_train_start(self, event: ph.TrainStart) -> None:
        super().on_train_start(event)
        if event.run_directory is not None:
            OPEN.append(Path(event.run_directory, "events.bin").open("wb"))  # noqa: SIM115  its defect


class KeepsTheConnection(CorrectLogger):
    """Stays connected."""

    def on_train_start(self, event: ph.TrainStart) -> None:
        super().on_train_start(event)
        OPEN.extend(socket.socketpair())


class KeepsTheDatabaseOpen(CorrectLogger):
    """Stays connected to its database."""

    def on_train_start(self, event: ph.TrainStart) -> None:
        super().on_train_start(event)
        if event.run_directory is not None:
            path = Path(event.run_directory, "rows.db")
            OPEN.append(sqlite3.connect(path, check_same_thread=False))


class SilencesNumPy(CorrectLogger):
    """Sets what NumPy says of overflows."""

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        np.seterr(all="ignore")
        super().on_metrics(event)


class BeginsAnew(CorrectLogger):
    """Replaces the file of a run that is resumed."""

    state_dict, load_state_dict = ph.Hooks.state_dict, ph.Hooks.load_state_dict

    def open(self, path: Path, event: ph.TrainStart) -> None:
        self.file = path.open("w", encoding="utf-8")


class LogsTwice(CorrectLogger):
    """Goes on at the end of the file, wherever the checkpoint was."""

    def open(self, path: Path, event: ph.TrainStart) -> None:
        self.file = path.open("a", encoding="utf-8")


class KeepsLinesBack(CorrectLogger):
    """Has lines in a buffer when a checkpoint is written."""

    def state_dict(self) -> dict[str, Any]:
        return {} if self.file is None else {"size": Path(self.file.name).stat().st_size}


class ForgetsOnStart(CorrectLogger):
    """Counts from 0 again when a run is resumed."""

    best = 0.0

    def on_train_start(self, event: ph.TrainStart) -> None:
        super().on_train_start(event)
        self.best = 0.0

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        super().on_metrics(event)
        self.best = max([self.best, *event.values.values()])

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "best": self.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.best = state["best"]
