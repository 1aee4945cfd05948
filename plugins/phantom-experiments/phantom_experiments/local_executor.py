"""`LocalExecutor`: plays tasks in this process, or in several spawned ones."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait as wait_for
from typing import Any, Final

import phantom_core as ph
from phantom_experiments.executors import Executor, Outcome, Task, WorkerLostError
from phantom_experiments.study_worker import (
    READY,
    TaskFailure,
    end_process,
    work,
)
from phantom_experiments.task_pickling import pickled

DEPTH: Final = 4
"""So many tasks a process has at a time, so that it does not wait for the next one."""

ATTEMPTS: Final = 2
"""So often a task is tried whose process dies."""

PATIENCE: Final = 2.0
"""Seconds in which a process is to end by itself."""


class LocalExecutor(Executor[Task, Outcome]):
    """Plays tasks on this machine: in this process, or in several.

    Processes are spawned, so that they share nothing. Ctrl-C, an exception and the end of this process, in
    whatever way, end them. A process that dies is replaced, and its tasks are played again; if the same task
    kills a second one, that is an error.
    """

    def __init__(self, workers: int = 1) -> None:
        """Set the number of processes.

        Args:
            workers: how many processes play; 1: this one, without another.

        Raises:
            ConfigError: if `workers` is no positive integer.
        """
        if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
            raise ph.errors.ConfigError(f"workers is {workers!r}. Expected a positive integer.")
        self.num_workers = workers
        self.slots = 1 if workers == 1 else workers * DEPTH
        self._play: Callable[[Task], Outcome] | None = None
        self._own: deque[tuple[int, Task]] = deque()
        self._job = b""
        self._workers: list[_Worker] = []
        self._deaths: dict[int, int] = {}  # by the number of the task

    def start(self, play: Callable[[Task], Outcome]) -> None:
        """Start the processes, if there are to be several."""
        ph.processes.leave_if_starting()
        if self.num_workers == 1:
            self._play = play
            return
        self._job = pickled(play)
        self._workers = []
        for index in range(self.num_workers):
            self._workers.append(_Worker(index, self._job))

    def submit(self, number: int, task: Task) -> None:
        """Give a task to the process that has the fewest."""
        if self.num_workers == 1:
            self._own.append((number, task))
            return
        min(self._workers, key=lambda worker: len(worker.tasks)).give(number, task)

    def wait(self) -> list[tuple[int, Outcome]]:
        """Play a task here, or wait until processes return something."""
        if self._play is not None:
            number, task = self._own.popleft()
            return [(number, self._play(task))]
        found: list[tuple[int, Outcome]] = []
        while not found:
            ends = {worker.connection: worker for worker in self._workers}
            for connection in wait_for(list(ends)):
                worker = ends[connection]  # type: ignore[index]  # what was given comes back
                outcomes = worker.receive()
                if outcomes is None:
                    self._replace(worker)
                else:
                    found += outcomes
        return found

    def close(self) -> None:
        """End the processes."""
        workers, self._workers, self._play = self._workers, [], None
        self._own.clear()
        try:
            for worker in workers:
                worker.connection.close()  # it ends by itself
            deadline = time.monotonic() + PATIENCE
            for worker in workers:
                if not worker.tasks:
                    worker.process.join(max(0.0, deadline - time.monotonic()))
        finally:
            for worker in workers:
                worker.kill()

    def _replace(self, worker: _Worker) -> None:
        """Start another process in the place of one that died, and give it the tasks."""
        index = self._workers.index(worker)
        code = worker.exit_code()
        tasks = list(worker.tasks.items())
        if not worker.has_begun:
            raise _not_begun(code)
        self._workers[index] = _Worker(index, self._job)
        if not tasks:
            return
        number, task = tasks[0]  # which it was playing
        self._deaths[number] = self._deaths.get(number, 0) + 1
        if self._deaths[number] >= ATTEMPTS:
            raise WorkerLostError(task, f"exit code {code}{_signal_name(code)}")
        for number, task in tasks:
            self._workers[index].give(number, task)


class _Worker:
    """One process, and the tasks that it was given, the one that it plays first."""

    def __init__(self, index: int, job: bytes) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, remote = context.Pipe()
        self.process = context.Process(target=work, args=(remote,), name=f"Study worker {index}")
        with ph.processes.starting():
            self.process.start()
        remote.close()
        self.tasks: dict[int, Any] = {}
        self.has_begun = False
        self._send(job)

    def give(self, number: int, task: Any) -> None:
        self.tasks[number] = task
        self._send(pickle.dumps((number, task)))

    def receive(self) -> list[tuple[int, Any]] | None:
        """Return what came back, often one outcome; None if the process is no more; raise what it raised."""
        try:
            number, outcome = pickle.loads(self.connection.recv_bytes())  # noqa: S301  from our own process
        except (EOFError, OSError):
            return None
        self.has_begun = True
        if isinstance(outcome, TaskFailure):
            outcome.error.add_note(outcome.text)
            raise outcome.error
        if number == READY:
            return []
        del self.tasks[number]
        return [(number, outcome)]

    def exit_code(self) -> int:
        self.process.join(PATIENCE)
        self.kill()
        return self.process.exitcode or 0

    def kill(self) -> None:
        end_process(self.process)

    def _send(self, content: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # `receive` notices that it died
            self.connection.send_bytes(content)


def _not_begun(code: int) -> Exception:
    script = getattr(sys.modules["__main__"], "__file__", "the script")
    if code == ph.processes.UNGUARDED:
        return ph.errors.ConfigError(
            f"A worker process could not begin: it imports {script}, which starts the study again. Put what "
            'it runs under `if __name__ == "__main__":`, or use workers=1.'
        )
    return ph.errors.EnvError(
        f"A worker process died with exit code {code}{_signal_name(code)} before it began. It imports "
        f"{script}: what it wrote says why that failed. Fix the script, or use workers=1."
    )


def _signal_name(code: int) -> str:
    return f" ({signal.Signals(-code).name})" if -code in set(signal.Signals) else ""
