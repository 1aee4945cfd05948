"""Signal handling: the first SIGINT, SIGTERM or SIGHUP ends a run after its iteration, the second at once."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

from phantom_core.training.run_state import RunFacts, RunState

_log = logging.getLogger("phantom_core")

GRACE: Final = 5.0
"""Seconds that an iteration may take after SIGTERM or SIGHUP. Schedulers kill after 10 to 30 seconds."""

AGAIN: Final = 1.0
"""Seconds after which the signal is sent again, if the iteration is still running."""

_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@contextmanager
def signals_end(facts: RunFacts, state: RunState) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP end the run inside the block. Does nothing outside the main thread.

    The second signal raises `KeyboardInterrupt`, as does the end of the grace period after SIGTERM and
    SIGHUP, except while the run is writing files. SIGHUP comes when a terminal is closed; who ignores it, as
    `nohup` does, ignores it here too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _Handler(facts, state)
    heard = [number for number in _SIGNALS if not _is_ignored_hangup(number)]
    before = {number: signal.signal(number, handler.handle) for number in heard}
    try:
        yield
    finally:
        if handler.timer is not None:
            handler.timer.cancel()
        for number, earlier in before.items():
            signal.signal(number, earlier)


@dataclass(repr=False, slots=True)
class _Handler:
    """Handles the signals of one run."""

    facts: RunFacts
    state: RunState
    timer: threading.Timer | None = None  # sends the second SIGTERM after the grace period

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Ask the run to stop, or interrupt it on the second signal."""
        state = self.state
        if not state.is_interrupted:
            state.is_interrupted = True
            state.stop_reasons.append(signal.Signals(number).name)
            _log.warning("%s", _announcement(self.facts, state, number))
            if number != signal.SIGINT and hasattr(signal, "pthread_kill"):  # not on Windows
                self.timer = threading.Timer(GRACE, self._send_again)
                self.timer.daemon = True
                self.timer.start()
        elif not state.is_saving:
            raise KeyboardInterrupt

    def _send_again(self) -> None:
        """Send the second SIGTERM until the iteration ends: Python discards an exception in `__del__`."""
        main = threading.main_thread().ident
        assert main is not None
        assert self.timer is not None
        signal.pthread_kill(main, signal.SIGTERM)
        while not self.timer.finished.wait(AGAIN) and self.state.is_iterating:
            signal.pthread_kill(main, signal.SIGTERM)


def _is_ignored_hangup(number: int) -> bool:
    is_hangup = number == getattr(signal, "SIGHUP", None)
    return is_hangup and signal.getsignal(number) == signal.SIG_IGN


def _announcement(facts: RunFacts, state: RunState, number: int) -> str:
    """Return the message that says when the run will end, and where its policies are saved."""
    name = signal.Signals(number).name
    what = "this iteration" if state.is_iterating else "what it is doing"
    sooner = "At a second one" if number == signal.SIGINT else f"In {GRACE:g} seconds, or at a second one,"
    text = f"{name}: the run ends when {what} is finished. {sooner} it ends at once"
    if not state.policies:
        return f"{text}."
    if facts.directory is None:
        return f"{text}, and what it learned is lost: it has no run directory."
    return f"{text}. What it learned is saved in {facts.directory}."
