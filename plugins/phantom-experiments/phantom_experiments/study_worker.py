"""What happens in a worker process of `LocalExecutor`: it plays one task after the other."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import os
import pickle
import queue
import signal
import threading
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

import phantom_core as ph

READY: Final = -1
"""The number of the message that says that a process has what it needs to begin."""


class TaskFailure(NamedTuple):
    """An exception in a worker."""

    error: Exception  # or one that says the same
    text: str  # its traceback


def work(connection: Connection) -> None:
    """Play the tasks that come; end at once when the other end of the connection is closed."""
    ph.processes.leave_signals_to_driver()
    received: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, received), daemon=True).start()
    with suppress(BrokenPipeError, ConnectionResetError):  # nobody is there any more
        try:
            play = pickle.loads(received.get())  # noqa: S301  from the process that started this one
        except Exception as error:  # whatever importing a user's module raises
            said = ph.errors.ConfigError(
                f"The study cannot be imported by a worker process: {ph.tools.error_text(error)}. Define "
                "what it uses at the top level of a module, or use workers=1."
            )
            connection.send_bytes(_failure(said))
            return
        connection.send_bytes(pickle.dumps((READY, None)))
        with ph.processes.one_blas_thread():
            while True:
                number, task = pickle.loads(received.get())  # noqa: S301  likewise
                try:
                    answer = pickle.dumps((number, play(task)), protocol=pickle.HIGHEST_PROTOCOL)
                except Exception as error:  # whatever a task raises
                    answer = _failure(error)
                connection.send_bytes(answer)


def end_process(process: multiprocessing.process.BaseProcess) -> None:
    """End a worker, and the processes of its envs, if it still runs."""
    if process.is_alive():
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError):  # it only just began
                os.killpg(process.pid or 0, signal.SIGKILL)
        process.kill()
    process.join()


def _receive(connection: Connection, received: queue.SimpleQueue[bytes]) -> None:
    """Take in what comes; end this process and its children when nobody is there any more."""
    with suppress(EOFError, OSError):
        while True:
            received.put(connection.recv_bytes())
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def _failure(error: Exception) -> bytes:
    text: Any = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    except Exception:  # whatever a user's exception does when it is pickled
        error = ph.errors.EnvError(ph.tools.error_text(error))
    return pickle.dumps((READY, TaskFailure(error, text)))
