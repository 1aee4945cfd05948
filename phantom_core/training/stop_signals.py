"""What SIGINT and SIGTERM do to a run: the first ends it after the iteration, the second at once."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from phantom_core.training.run_state import RunFacts, RunState

_log = logging.getLogger("phantom_core")

GRACE: Final = 5.0
"""Seconds that the iteration has left after SIGTERM; whoever sends it kills the process after 10 to 30."""

AGAIN: Final = 1.0
"""Seconds after which the iteration is broken off once more, if it still goes on."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_end(facts: RunFacts, state: RunState) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the run while the block runs; in another than the main thread, do nothing.

    The second signal raises `KeyboardInterrupt`, and so does the end of the grace period after SIGTERM; but
    never while the run saves.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _Handler(facts, state)
    before = {number: signal.signal(number, handler.take) for number in _SIGNALS}
    try:
        yield
    finally:
        if handler.timer is not None:
            handler.timer.cancel()
        for number, earlier in before.items():
            signal.signal(number, earlier)


class _Handler:
    """Takes the signals of one run.

    Attributes:
        timer: sends the second SIGTERM when the time is up.
    """

    def __init__(self, facts: RunFacts, state: RunState) -> None:
        self._facts = facts
        self._state = state
        self.timer: threading.Timer | None = None

    def take(self, number: int, frame: FrameType | None) -> None:
        """Ask the run to stop, or break it off if it was asked before."""
        state = self._state
        if not state.is_interrupted:
            state.is_interrupted = True
            state.stop_reasons.append(signal.Signals(number).name)
            _log.warning("%s", _announcement(self._facts, state, number))
            if number == signal.SIGTERM and hasattr(signal, "pthread_kill"):  # where others can send it
                self.timer = threading.Timer(GRACE, self._insist)
                self.timer.daemon = True
                self.timer.start()
        elif not state.is_saving:
            raise KeyboardInterrupt

    def _insist(self) -> None:
        """Send the second SIGTERM, and again if its exception is lost: Python drops those of a `__del__`."""
        main = threading.main_thread().ident
        assert main is not None
        assert self.timer is not None
        signal.pthread_kill(main, signal.SIGTERM)
        while not self.timer.finished.wait(AGAIN) and self._state.is_iterating:
            signal.pthread_kill(main, signal.SIGTERM)


def _announcement(facts: RunFacts, state: RunState, number: int) -> str:
    """Say when the run ends now, and what becomes of what it learned."""
    name = signal.Signals(number).name
    what = "this iteration" if state.is_iterating else "what it is doing"
    sooner = f"In {GRACE:g} seconds, or at a second one," if number == signal.SIGTERM else "At a second one"
    text = f"{name}: the run ends when {what} is finished. {sooner} it ends at once"
    if not state.policies:
        return f"{text}."
    if facts.directory is None:
        return f"{text}, and what it learned is lost: it has no run directory."
    return f"{text}. What it learned is saved in {facts.directory}."
