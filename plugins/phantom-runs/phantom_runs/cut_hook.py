"""`Cut`: hooks that end their process as a power cut would."""

from __future__ import annotations

import os
import signal
from typing import Final

import phantom_core as ph

CUT_AFTER: Final = "PHANTOM_RUNS_CUT_AFTER"
"""The environment variable that says after how many iterations."""


class Cut(ph.Hooks):
    """Asks for a checkpoint after a number of iterations, and kills the process as soon as it is written.

    Without the environment variable `PHANTOM_RUNS_CUT_AFTER` it does nothing, so that the run can be resumed.
    """

    def __init__(self) -> None:
        """Read the number of iterations."""
        self.iterations = int(os.environ.get(CUT_AFTER, "0"))

    def should_checkpoint(self, event: ph.IterationEnd) -> bool:
        """Ask for a checkpoint there."""
        return event.iteration + 1 == self.iterations

    def on_checkpoint(self, event: ph.CheckpointSaved) -> None:
        """End the process: nothing is flushed, closed or said."""
        if event.iteration + 1 == self.iterations:
            os.kill(os.getpid(), signal.SIGKILL)
