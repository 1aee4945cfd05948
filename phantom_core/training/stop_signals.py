"""What SIGINT and SIGTERM do to a run: the first ends it after the iteration, the second at once."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from phantom_core.training.run import Run

_log = logging.getLogger("phantom_core")

GRACE: Final = 5.0
"""Seconds that the iteration has left after SIGTERM; whoever sends it kills the process after 10 to 30."""

AGAIN: Final = 1.0
"""Seconds after which the iteration is broken off once more, if it still goes on."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def heeding_signals(run: Run) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the run while the block runs; only a run in the main thread can.

    The second one raises `KeyboardInterrupt`, and so does the time after SIGTERM when it is up; but never
    while the run saves.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heed = _Heed(run)
    before = {number: signal.signal(number, heed.take) for number in _SIGNALS}
    try:
        yield
    finally:
        if heed.timer is not None:
            heed.timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


class _Heed:
    """Takes the signals of one run.

    Attributes:
        timer: sends the second SIGTERM when the time is up.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.timer: threading.Timer | None = None

    def take(self, number: int, frame: FrameType | None) -> None:
        """Ask the run to stop, or break it off if it was asked before."""
        run = self._run
        if not run.is_interrupted:
            run.is_interrupted = True
            run.stop_reasons.append(signal.Signals(number).name)
            _log.warning("%s", _announcement(run, number))
            if number == signal.SIGTERM and hasattr(signal, "pthread_kill"):  # where others can send it
                self.timer = threading.Timer(GRACE, self._insist)
                self.timer.daemon = True
                self.timer.start()
        elif not run.is_saving:
            raise KeyboardInterrupt

    def _insist(self) -> None:
        """Send the second SIGTERM, and again if its exception is lost: Python drops those of a `__del__`."""
        main = threading.main_thread().ident
        assert main is not None
        assert self.timer is not None
        signal.pthread_kill(main, signal.SIGTERM)
        while not self.timer.finished.wait(AGAIN) and self._run.is_iterating:
            signal.pthread_kill(main, signal.SIGTERM)


def _announcement(run: Run, number: int) -> str:
    """Say when the run ends now, and what becomes of what it learned."""
    name = signal.Signals(number).name
    what = "this iteration" if run.is_iterating else "what it is doing"
    sooner = f"In {GRACE:g} seconds, or at a second one," if number == signal.SIGTERM else "At a second one"
    text = f"{name}: the run ends when {what} is finished. {sooner} it ends at once"
    if not run.policies:
        return f"{text}."
    if run.directory is None:
        return f"{text}, and what it learned is lost: it has no run directory."
    return f"{text}. What it learned is saved in {run.directory}."
