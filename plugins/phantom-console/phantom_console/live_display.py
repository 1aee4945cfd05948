"""Displays of a run in progress: a live view in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO, TypeAlias

from rich.console import Console
from rich.live import Live

from phantom_console.progress_view import LiveView, line
from phantom_console.run_progress import RunProgress

if TYPE_CHECKING:
    LogHandler: TypeAlias = logging.StreamHandler[TextIO]


class PlainDisplay:
    """Prints a line each time it is drawn.

    Attributes:
        interval: seconds between two lines.
    """

    def __init__(self, console: Console, progress: RunProgress, *, max_rows: int, interval: float) -> None:
        """Prepare to print lines.

        Args:
            console: where to print.
            progress: the run.
            max_rows: the most values in a line.
            interval: seconds between two lines.
        """
        self.interval = interval
        self._console = console
        self._progress = progress
        self._max_rows = max_rows
        self._drawn: object = (0, {})

    def draw(self) -> None:
        """Print a line, if there is something new to say."""
        state = (self._progress.iterations, self._progress.newest)
        if state != self._drawn:
            self._drawn = state
            self._console.print(line(self._progress, self._max_rows), soft_wrap=True)

    def close(self) -> None:
        """Print the last line."""
        self.draw()


class LiveDisplay:
    """Draws a view over itself, below whatever the program prints and logs meanwhile.

    No thread is started: the view changes when it is drawn.

    Attributes:
        interval: seconds between two views.
    """

    interval: float = 1 / 8

    def __init__(self, console: Console, progress: RunProgress, *, max_rows: int) -> None:
        """Draw for the first time, and take over what is printed to the terminal.

        Args:
            console: where to draw.
            progress: the run.
            max_rows: the most values to show.
        """
        before = (sys.stdout, sys.stderr)
        self._live = Live(
            LiveView(progress, max_rows),
            console=console,
            auto_refresh=False,
            redirect_stdout=is_terminal(sys.stdout),  # what goes to a file still goes there
            redirect_stderr=is_terminal(sys.stderr),
        )
        self._live.start(refresh=True)
        self._redirected = list(_redirect_log_handlers(before, (sys.stdout, sys.stderr)))

    def draw(self) -> None:
        """Draw the view as the run is now."""
        self._live.refresh()

    def close(self) -> None:
        """Draw for the last time; give back the cursor, the standard streams and the log handlers."""
        for handler, stream in self._redirected:
            handler.setStream(stream)
        self._redirected = []
        self._live.stop()
        self._live.console.line()


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a person sees what is written; a program without streams has None for them."""
    return stream is not None and stream.isatty()


def _redirect_log_handlers(
    before: tuple[TextIO, TextIO], after: tuple[TextIO, TextIO]
) -> Iterator[tuple[LogHandler, TextIO]]:
    """Let log handlers that hold a standard stream write to what took its place; yield both."""
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    for handler in {handler for one in loggers for handler in getattr(one, "handlers", ())}:
        for old, new in zip(before, after, strict=True):
            if isinstance(handler, logging.StreamHandler) and handler.stream is old is not new:
                handler.setStream(new)
                yield handler, old
                break
