"""`WorkerHandle`: the driver's end of a worker process, from its start to its end."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any, Final, NoReturn

from phantom_core.errors import ConfigError, EnvError, PhantomError, PluginError, error_text
from phantom_core.processes import UNGUARDED
from phantom_core.rollouts.vector_env import CopyError
from phantom_core.rollouts.worker_process import PATIENCE, Failure, work

_log = logging.getLogger("phantom_core")

LONG: Final = 60.0
"""Seconds without an answer after which a worker is named; again after each further time of that length."""


class WorkerHandle:
    """The driver's end of one worker.

    Attributes:
        process: its process.
        connection: to it; when it is closed the worker closes its envs and ends.
    """

    def __init__(self, index: int, env_name: str, buffer: Any) -> None:
        """Start the process; `buffer` is the memory of the shared rows."""
        self._index = index
        self._env_name = env_name
        context = multiprocessing.get_context("spawn")
        self._current = context.RawValue("q", -1)
        self.connection, remote = context.Pipe()
        arguments = remote, buffer, self._current
        self.process = context.Process(target=work, args=arguments, name=f"Worker {index}")
        self.process.start()
        remote.close()
        self._is_asked = False
        self._doing = self._sent = ""
        self._asked_at = 0.0

    def ask(self, name: str, given: Mapping[int, tuple[Any, ...]], what: str) -> None:
        """Ask the worker to call one of its methods for copies; `receive` returns the answers.

        Args:
            name: the method.
            given: the arguments by the number of the copy.
            what: what messages call them.

        Raises:
            ConfigError: if it cannot be pickled.
            CopyError: if the worker died.
        """
        question = pickled((name, given), what)
        if self._is_asked:  # nobody waited for the last answer, because the collection was broken off
            with suppress(CopyError, PhantomError):
                self.receive()
        self._doing, self._sent, self._asked_at = name.removesuffix("_rows"), what, time.monotonic()
        self._is_asked = True  # even if sending is broken off
        try:
            self.connection.send_bytes(question)
        except (BrokenPipeError, ConnectionResetError):
            self._raise_death()

    def receive(self) -> dict[int, Any]:
        """Wait for the answer; return what came back, by the number of the copy.

        Raises:
            ConfigError: if the worker cannot import what it was sent.
            CopyError: if an env raised, or the worker died.
        """
        due = self._asked_at + LONG
        ends = self.connection, self.process.sentinel
        while not (ready := wait(ends, max(0.0, due - time.monotonic()))):
            due += LONG
            _log.warning(
                "Worker %s has not answered for %.0f seconds: %s of copy %s of %s. If the env hangs, "
                "Ctrl-C (in a run: twice) breaks it off.",
                self._index, time.monotonic() - self._asked_at, self._doing, max(0, self._current.value),
                self._env_name,
            )  # fmt: skip
        if self.connection not in ready and not self.connection.poll():  # a child of its env may hold it open
            self._raise_death()
        try:
            received = self.connection.recv_bytes()
        except (EOFError, ConnectionResetError):
            self._raise_death()
        self._is_asked = False
        answer = pickle.loads(received)  # noqa: S301  from our own worker
        if not isinstance(answer, Failure):
            return answer  # type: ignore[no-any-return]
        if answer.number is not None:
            answer.error.add_note(f"In worker {self._index}:\n{answer.text}")
            raise CopyError(answer.number, answer.place) from answer.error
        if isinstance(answer.error, PluginError):
            raise answer.error
        raise ConfigError(
            f"{self._sent} cannot be imported by worker {self._index}: {error_text(answer.error)}. A worker "
            "imports classes and functions by name, which cannot be done with those of a notebook, of "
            '`python -c`, of stdin or under `if __name__ == "__main__":`. Put them into a module, or use '
            "workers=0."
        )

    def kill(self) -> None:
        """End the worker, and the processes of its envs, if it still runs."""
        if self.process.is_alive():
            if hasattr(os, "killpg"):
                with suppress(ProcessLookupError):  # it only just began
                    os.killpg(self.process.pid or 0, signal.SIGKILL)
            self.process.kill()

    def _raise_death(self) -> NoReturn:
        """Say that the worker is no more, and how it ended."""
        self.process.join(PATIENCE)
        self.kill()
        self.process.join()
        code, number = self.process.exitcode or 0, self._current.value
        script = getattr(sys.modules["__main__"], "__file__", "the script")
        if code == UNGUARDED:
            raise ConfigError(
                f"Worker {self._index} could not begin: a worker imports {script}, which starts the workers "
                'again. Put what it runs under `if __name__ == "__main__":`, or use workers=0.'
            ) from None
        name = f" ({signal.Signals(-code).name})" if -code in set(signal.Signals) else ""
        died = f"Worker {self._index} died with exit code {code}{name}"
        if number < 0:
            raise EnvError(
                f"{died} before it began. A worker imports {script}: what it wrote says why that failed. "
                "Fix the script, or use workers=0."
            ) from None
        raise CopyError(number) from EnvError(f"{died} while it played copy {number} of {self._env_name}.")


def end_workers(workers: Sequence[WorkerHandle]) -> None:
    """Let workers close their envs; kill those that do not, and all if this is interrupted."""
    try:
        for worker in workers:
            worker.connection.close()
        deadline = time.monotonic() + PATIENCE
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.process.join()


def pickled(value: Any, what: str) -> bytes:
    """Return a value as a worker is sent it.

    Raises:
        ConfigError: if it cannot be pickled.
    """
    try:
        return pickle.dumps(value)
    except Exception as error:  # whatever pickling raises about a user's object
        raise ConfigError(
            f"{what} cannot be sent to a worker process: {error_text(error)}. Define classes and functions "
            "at the top level of a module, or use workers=0."
        ) from error
