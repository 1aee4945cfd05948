"""What happens in a process of the cluster: it plays one task after the other."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import threadpoolctl

import phantom_core as ph


class Failure(NamedTuple):
    """An exception that a task raised."""

    error: Exception  # or one that says the same
    text: str  # its traceback


class Player:
    """Plays tasks; `RayExecutor` makes a Ray actor of it, whose calls are answered in their order."""

    def __init__(self) -> None:
        self._play: Callable[[Any], Any] | None = None
        threadpoolctl.threadpool_limits(limits=1, user_api="blas")  # sums shall not depend on the machine

    def begin(self, job: bytes) -> Failure | None:
        """Unpickle what plays the tasks; return what was raised, if anything was."""
        try:
            self._play = pickle.loads(job)  # noqa: S301  from the process that started this one
        except Exception as error:  # whatever importing a user's module raises
            return _failure(error)
        return None

    def play(self, task: Any) -> Any:
        """Play a task; return its outcome, or what was raised."""
        assert self._play is not None
        try:
            return self._play(task)
        except Exception as error:  # whatever a task raises
            return _failure(error)


def _failure(error: Exception) -> Failure:
    text = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    except Exception:  # whatever a user's exception does when it is pickled
        error = ph.errors.EnvError(ph.tools.error_text(error))
    return Failure(error, text)
