"""The number of BLAS threads during training: one, unless the user sets it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import threadpoolctl

THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that set the number of threads; each overrides the default of one."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread inside the block, unless an environment variable sets the number.

    Matrix products of small networks take microseconds. More threads cost more in synchronisation than they
    save, and make the last digits of sums depend on the machine.
    """
    if any(os.environ.get(variable) for variable in THREAD_VARIABLES):
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
