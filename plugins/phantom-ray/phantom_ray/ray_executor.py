"""`RayExecutor`: plays the tasks of a study in processes of a Ray cluster."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import phantom_core as ph
from phantom_experiments import Executor, WorkerLostError, pickled_by_value
from phantom_experiments.executors import Outcome, Task
from phantom_ray.ray_player import Failure, Player

_log = logging.getLogger("phantom_core")

DEPTH: Final = 4
"""So many tasks a process has at a time, so that it does not wait for the next one."""

ATTEMPTS: Final = 4
"""So often a task is tried whose process dies, with its machine or alone."""

PATIENCE: Final = 30.0
"""After so many seconds without any process, it is said that the cluster has no room."""


class RayExecutor(Executor[Task, Outcome]):
    """Plays tasks in processes of a Ray cluster, one for each CPU that it has.

    A process that dies, alone or with its machine, is replaced, and what it had not returned is played again
    by others; the rows are the same. Ctrl-C and an exception end all of them.
    """

    def __init__(self, address: str | None = None, *, workers: int | None = None) -> None:
        """Say where to play; nothing is started yet.

        Args:
            address: of the cluster, as for `ray.init`: `"auto"` for the one that `ray start` started on this
                machine, `"ray://HOST:10001"` for another; `"local"` to start one here. None: what Ray is
                connected to; else the variable RAY_ADDRESS; else one that runs here; else one is started.
            workers: how many processes play; None: as many as the cluster has CPUs.

        Raises:
            ConfigError: if `workers` is no positive integer, or Ray is not installed.
        """
        if workers is not None and (not isinstance(workers, int) or isinstance(workers, bool) or workers < 1):
            raise ph.errors.ConfigError(f"workers is {workers!r}. Expected a positive integer.")
        self._ray = _import_ray()
        self._address, self._workers = address, workers
        self._has_connected = False
        self._job: Any = None
        self._processes: list[_Process] = []
        self._queue: deque[tuple[int, Any]] = deque()  # what no process has
        self._deaths: dict[int, int] = {}  # by the number of the task
        self._idle_since = 0.0

    def start(self, play: Callable[[Task], Outcome]) -> None:
        """Connect to the cluster, and start the processes.

        Raises:
            ConfigError: if `play` cannot be pickled, or there is no such cluster.
        """
        job = pickled_by_value(play)
        self._connect()
        cpus = int(self._ray.cluster_resources().get("CPU", 1))
        self.slots = DEPTH * (self._workers or max(1, cpus))
        self._job = self._ray.put(job)
        self._queue.clear()
        self._idle_since = time.monotonic()
        self._processes = [self._new_process() for _ in range(self.slots // DEPTH)]

    def submit(self, number: int, task: Task) -> None:
        """Take a task; a process that has begun gets it."""
        self._queue.append((number, task))

    def wait(self) -> list[tuple[int, Outcome]]:
        """Hand out tasks, and wait until at least one outcome is there."""
        found: list[tuple[int, Outcome]] = []
        while not found:
            self._hand_out()
            refs = {ref: process for process in self._processes for ref in process.refs()}
            done, _ = self._ray.wait(list(refs), num_returns=1, timeout=PATIENCE)
            if done:
                done, _ = self._ray.wait(list(refs), num_returns=len(refs), timeout=0)
            for ref in done:
                found += self._take(refs[ref], ref)
            self._say_if_there_is_no_room()
        return found

    def close(self) -> None:
        """End the processes, and the cluster if it was started here."""
        processes, self._processes = self._processes, []
        self._job = None
        for process in processes:
            self._ray.kill(process.actor, no_restart=True)
        if self._has_connected:
            self._has_connected = False
            self._ray.shutdown()

    def _connect(self) -> None:
        if self._ray.is_initialized():
            return
        settings: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        try:
            self._ray.init(address=self._address, **settings)
        except Exception as error:  # ConnectionError, ValueError and others, by address
            raise ph.errors.ConfigError(
                f"There is no Ray cluster at {self._address!r}: {ph.tools.error_text(error)}. Start one "
                "(`ray start --head`), or use address='local'."
            ) from error
        self._has_connected = True

    def _new_process(self) -> _Process:
        actor = self._ray.remote(num_cpus=1, max_restarts=0)(Player).remote()
        return _Process(actor, actor.begin.remote(self._job))

    def _hand_out(self) -> None:
        """Give tasks to the processes that have begun, first to those that have the fewest."""
        ready = [process for process in self._processes if process.has_begun]
        while self._queue and ready:
            process = min(ready, key=lambda one: len(one.tasks))
            if len(process.tasks) >= DEPTH:
                return
            number, task = self._queue.popleft()
            process.tasks[process.actor.play.remote(task)] = number, task

    def _take(self, process: _Process, ref: Any) -> list[tuple[int, Any]]:
        """Return what came back from a process; nothing if it is no more, or has only begun."""
        if process not in self._processes:
            return []  # it was replaced since
        try:
            answer = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._replace(process, error)
            return []
        if isinstance(answer, Failure):
            answer.error.add_note(answer.text)
            if ref in process.tasks:
                raise answer.error
            raise ph.errors.ConfigError(
                f"The study cannot be imported on the cluster: {ph.tools.error_text(answer.error)}. Install "
                "there what it uses, or name it in the runtime_env of ray.init()."
            ) from answer.error
        if ref in process.tasks:
            number, _ = process.tasks.pop(ref)
            return [(number, answer)]
        process.has_begun, process.beginning = True, None
        return []

    def _replace(self, process: _Process, error: Exception) -> None:
        """Start another process in the place of one that died, and let others play its tasks."""
        self._processes.remove(process)
        self._ray.kill(process.actor, no_restart=True)
        tasks = list(process.tasks.values())
        if tasks:
            number, task = tasks[0]  # which it was playing
            self._deaths[number] = self._deaths.get(number, 0) + 1
            if self._deaths[number] >= ATTEMPTS:
                raise WorkerLostError(task, type(error).__name__) from error
        self._queue.extendleft(reversed(tasks))
        self._processes.append(self._new_process())

    def _say_if_there_is_no_room(self) -> None:
        """Warn once if nobody has begun for a while."""
        if any(process.has_begun for process in self._processes):
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > PATIENCE:
            self._idle_since = float("inf")
            _log.warning(
                "No process has begun in the Ray cluster for %.0f seconds: it has %s, and others may use it. "
                "The study waits.",
                PATIENCE, self._ray.available_resources(),
            )  # fmt: skip


class _Process:
    """One process of the cluster, and the tasks that it was given, the one that it plays first."""

    def __init__(self, actor: Any, beginning: Any) -> None:
        self.actor = actor
        self.beginning: Any = beginning  # what it returns when it has begun
        self.has_begun = False
        self.tasks: dict[Any, tuple[int, Any]] = {}  # by what they return

    def refs(self) -> list[Any]:
        """Return what it is going to return."""
        return list(self.tasks) if self.beginning is None else [self.beginning]


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ph.errors.ConfigError(
            "The executor 'ray' needs Ray, which is not installed. Run: pip install 'phantom-ray[ray]'"
        ) from error
    return ray
