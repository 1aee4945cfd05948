"""Sentences that several commands end with."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def patient_output() -> Iterator[None]:
    """Print nothing more once nobody reads: `phantom train … | head -1` has done what it was to do."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains as it ends


def final_line(mean_return: float, reference_return: float | None) -> str:
    """Return the result of an evaluation.

    >>> final_line(801.3, 818.02)
    'mean return 801.3 = 98.0 % of 818.02'
    >>> final_line(-13.0, None)
    'mean return -13.0'
    """
    if not reference_return:
        return f"mean return {mean_return:.1f}"
    return (
        f"mean return {mean_return:.1f} = {100 * mean_return / reference_return:.1f} % of {reference_return}"
    )
