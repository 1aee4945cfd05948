"""What processes are started with: who gets signals, the script that they import, and the threads of BLAS.

For whoever starts processes with `multiprocessing`, as the workers of a run and those of a study:

    ph.processes.leave_if_starting()  # before anything is started
    with ph.processes.starting():
        process.start()  # whose function begins with ph.processes.leave_signals_to_driver()
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Final

import threadpoolctl

__all__ = [
    "UNGUARDED",
    "blas_threads",
    "leave_if_starting",
    "leave_signals_to_driver",
    "one_blas_thread",
    "starting",
]

UNGUARDED: Final = 86
"""The exit code of a process that would start others while it imports the script."""

_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def leave_if_starting() -> None:
    """End a process that is importing the script, which would start it again without a guard."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as multiprocessing itself asks
        sys.exit(UNGUARDED)  # whoever started it says what happened


@contextmanager
def starting() -> Iterator[None]:
    """Hold signals back while processes start, until these can leave them to the driver.

    Nor do they import the script meanwhile, if it is no file, such as stdin.
    """
    main, set_mask = sys.modules["__main__"], getattr(signal, "pthread_sigmask", None)  # not on Windows
    script = getattr(main, "__file__", None)
    is_no_file = script is not None and not Path(script).exists()
    if set_mask is not None:
        resource_tracker.ensure_running()  # starting it would let signals through
        before = set_mask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        if is_no_file:
            main.__file__ = None
        yield
    finally:
        if is_no_file:
            main.__file__ = script
        if set_mask is not None:
            set_mask(signal.SIG_SETMASK, before)


def leave_signals_to_driver() -> None:
    """Let signals pass: the driver gets them too, and ends this process. Programs that it starts get them.

    It leads a process group of its own from now on, so that it can be killed with what it started.
    """
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which other programs would inherit
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(signal.signal, number, usual))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread inside the block, unless an environment variable sets the number.

    Matrix products of small networks take microseconds. More threads cost more in synchronisation than they
    save, and make the last digits of sums depend on the machine.
    """
    if any(os.environ.get(variable) for variable in _THREAD_VARIABLES):
        yield
        return
    with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
        yield


def blas_threads() -> dict[str, int]:
    """Return the current number of threads of each BLAS library in this process."""
    return {
        library["internal_api"]: library["num_threads"]
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    }
