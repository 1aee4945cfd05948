"""How many threads linear algebra uses while a run trains: one, unless the user says otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import threadpoolctl

THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables with which a user sets the number; any of them counts for more than ours."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS use one thread in the block, unless an environment variable sets the number.

    The matrices of small networks are multiplied in microseconds; more threads spend longer on waiting
    for each other, and change the last digits of the sums from machine to machine.
    """
    if any(os.environ.get(variable) for variable in THREAD_VARIABLES):
        yield
        return
    with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
        yield


def blas_threads() -> dict[str, int]:
    """Return the number of threads that each BLAS library in this process uses now."""
    return {
        library["internal_api"]: library["num_threads"]
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    }
