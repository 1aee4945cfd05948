"""One BLAS thread while a study is played."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import threadpoolctl

_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread inside the block, unless an environment variable sets the number.

    The number of threads decides the last digits of sums, which shall be the same whatever the number of
    processes.
    """
    if any(os.environ.get(variable) for variable in _VARIABLES):
        yield
        return
    with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
        yield
