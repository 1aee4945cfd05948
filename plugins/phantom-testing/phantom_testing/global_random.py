"""The process-wide generators `random` and `np.random`: whether an env draws from them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class GlobalRandom:
    """Puts the process-wide generators into a known state, and tells when they were used."""

    def __init__(self) -> None:
        self._random: Any = random.getstate()
        self._numpy: Any = _numpy_state()

    def fix(self) -> None:
        """Seed both, so that two plays of one episode draw the same from them."""
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002  what envs use that do as they should not
        self.used()

    def used(self) -> tuple[str, ...]:
        """Return the names of those that were used since the last call."""
        before = self._random, self._numpy
        self._random, self._numpy = random.getstate(), _numpy_state()
        names = ("random", "np.random")
        now = self._random, self._numpy
        return tuple(name for name, old, new in zip(names, before, now, strict=True) if old != new)


@contextmanager
def restored_afterwards() -> Iterator[GlobalRandom]:
    """Give the process-wide generators back as they were."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002  to be restored
    try:
        yield GlobalRandom()
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002  likewise


def _numpy_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002  only looked at
    return (name, bytes(np.asarray(keys)), *rest)
