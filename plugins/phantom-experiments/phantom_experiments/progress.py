"""Progress of a study: a bar with rate and remaining time, in a terminal or a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Self, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

_SECONDS: Final = 0.2
"""So often a notebook's display is drawn."""

_MINUTE: Final = 60
_HOUR: Final = 3600
_FAST: Final = 10
_SLOW: Final = 0.5


ShowProgress: TypeAlias = Callable[[int, int, int], None]
"""Called with how many tasks are done, of how many, and how many episodes failed."""


@contextmanager
def progress_bar(*, show: bool | None = None) -> Iterator[ShowProgress]:
    """Show how far a study is while the block runs; `Study.simulate(progress=...)` calls what it yields.

    In a terminal it is a bar on the standard error stream; in a Jupyter notebook a bar below the cell, which
    stays as it was drawn last. Elsewhere, such as in a file or a pipe, there is nothing.

    Args:
        show: whether to show it; None: where somebody sees it.
    """
    is_notebook = in_notebook()
    if show is None:
        show = is_notebook or (sys.stderr is not None and sys.stderr.isatty())
    if not show:
        yield _show_nothing
    elif is_notebook:
        with _notebook_display() as draw:
            view = NotebookProgress(draw)
            try:
                yield view.update
            finally:
                view.close()
    else:
        with TerminalProgress(Console(stderr=True)) as bar:
            yield bar.update


def _show_nothing(done: int, total: int, failed: int) -> None:
    """Leave it unseen."""


def in_notebook() -> bool:
    """Return whether this is the kernel of a Jupyter notebook; nothing is imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def rate_text(done: int, seconds: float) -> str:
    """Return a rate.

    >>> rate_text(3000, 2.0), rate_text(3, 2.0), rate_text(3, 60.0), rate_text(0, 0.0)
    ('1,500/s', '1.5/s', '3.0/min', '')
    """
    if not done or seconds <= 0:
        return ""
    per_second = done / seconds
    if per_second >= _FAST:
        return f"{per_second:,.0f}/s"
    return f"{per_second:.1f}/s" if per_second >= _SLOW else f"{_MINUTE * per_second:.1f}/min"


def time_text(seconds: float) -> str:
    """Return a duration.

    >>> time_text(5.4), time_text(65), time_text(3725)
    ('5 s', '1 min 05 s', '1 h 02 min')
    """
    whole = round(seconds)
    if whole >= _HOUR:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
    return f"{whole // _MINUTE} min {whole % _MINUTE:02} s" if whole >= _MINUTE else f"{whole} s"


def remaining_text(done: int, total: int, seconds: float) -> str:
    """Return how long it will still take at the rate so far, or how long it took when it is done.

    >>> remaining_text(50, 200, 10.0), remaining_text(200, 200, 40.0), remaining_text(0, 200, 10.0)
    ('30 s left', 'in 40 s', '')
    """
    if not done:
        return ""
    return (
        f"in {time_text(seconds)}" if done >= total else f"{time_text((total - done) * seconds / done)} left"
    )


class _Pace(ProgressColumn):
    """Rate and remaining time of a task."""

    def render(self, task: Task) -> Text:
        """Return them as text."""
        done, seconds = int(task.completed), task.elapsed or 0.0
        parts = (rate_text(done, seconds), remaining_text(done, int(task.total or 0), seconds))
        return Text(", ".join(filter(None, parts)), "dim")


class TerminalProgress:
    """A bar in a terminal."""

    def __init__(self, console: Console) -> None:
        """Draw on a console, once there is something to draw."""
        failed = TextColumn("{task.fields[failed]}", style="yellow")
        columns = (BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("tasks"), _Pace(), failed)
        self._bar = Progress(*columns, console=console)
        self._task = self._bar.add_task("", total=None, failed="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def update(self, done: int, total: int, failed: int) -> None:
        """Say how far it is."""
        text = f"{failed:,} failed" if failed else ""
        self._bar.update(self._task, completed=done, total=total, failed=text)


class NotebookProgress:
    """The display in a notebook, drawn as HTML a few times a second."""

    def __init__(self, draw: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Draw the first time.

        Args:
            draw: draws HTML in the place of what was drawn before.
            clock: returns the time in seconds.
        """
        self._draw, self._clock = draw, clock
        self._started = self._drawn = clock()
        self._done = self._total = self._failed = 0
        draw(self.html())

    def update(self, done: int, total: int, failed: int) -> None:
        """Draw it anew, if it was not drawn just now."""
        self._done, self._total, self._failed = done, total, failed
        now = self._clock()
        if now - self._drawn >= _SECONDS:
            self._drawn = now
            self._draw(self.html())

    def close(self) -> None:
        """Draw the last time."""
        self._draw(self.html())

    def html(self) -> str:
        """Return a progress bar, and in words how far it is."""
        seconds = self._clock() - self._started
        parts = (
            f"{self._done:,} of {self._total:,} tasks" if self._total else "starting",
            rate_text(self._done, seconds),
            remaining_text(self._done, self._total, seconds),
            f"{self._failed:,} failed" if self._failed else "",
        )
        value = f' value="{self._done}" max="{self._total}"' if self._total else ""
        return f"<div><progress{value}></progress> {', '.join(filter(None, parts))}</div>"


@contextmanager
def _notebook_display() -> Iterator[Callable[[str], None]]:
    """Make a place below the cell; yield what draws HTML there."""
    from IPython.display import HTML, display

    handle: Any = display(HTML(""), display_id=True)
    yield lambda text: handle.update(HTML(text))
