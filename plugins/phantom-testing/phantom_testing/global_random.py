"""The process-wide generators `random`, `np.random` and torch's: whether somebody draws from them."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class GlobalRandom:
    """Puts the process-wide generators into a known state, and tells when they were used."""

    def __init__(self) -> None:
        self._states = _states()

    def fix(self, seed: int = 0) -> None:
        """Seed all, so that two plays of one episode draw the same from them."""
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  what envs use that do as they should not
        torch = _torch()
        if torch is not None:
            torch.manual_seed(seed)
        self.used()

    def used(self) -> tuple[str, ...]:
        """Return the names of those that were used since the last call."""
        before, self._states = self._states, _states()
        return tuple(name for name, state in self._states.items() if before.get(name, state) != state)


@contextmanager
def restored_afterwards() -> Iterator[GlobalRandom]:
    """Give the process-wide generators back as they were."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002  to be restored
    torch = _torch()
    of_torch = None if torch is None else torch.get_rng_state()
    try:
        yield GlobalRandom()
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002  likewise
        if torch is not None:
            torch.set_rng_state(of_torch)


def _states() -> dict[str, Any]:
    """Return the state by name; torch's only if somebody has imported it."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002  only looked at
    found: dict[str, Any] = {
        "random": random.getstate(),
        "np.random": (name, bytes(np.asarray(keys)), *rest),
    }
    torch = _torch()
    if torch is not None:
        found["torch"] = bytes(torch.get_rng_state().numpy())
    return found


def _torch() -> Any:
    """Return torch if somebody has imported it, and all of it; else None."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "get_rng_state") else None
