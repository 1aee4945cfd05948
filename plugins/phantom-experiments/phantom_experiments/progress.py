"""Progress of a study: a bar with rate and remaining time, in a terminal or a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

_SECONDS: Final = 0.2
"""So often a notebook's display is drawn."""

_MINUTE: Final = 60
_HOUR: Final = 3600
_FAST: Final = 10


class Counter(Protocol):
    """What a study tells how far it is."""

    def update(self, done: int, failed: int = 0) -> None:
        """Say how many episodes are done, those that failed included, and how many failed."""
        ...


@contextmanager
def progress_of(total: int | None, *, noun: str = "episodes", show: bool | None = None) -> Iterator[Counter]:
    """Show how far a study is while the block runs.

    In a terminal it is a bar on the standard error stream; in a Jupyter notebook a bar below the cell, which
    stays with its last text. Elsewhere, such as in a file or a pipe, there is nothing.

    Args:
        total: how many episodes there are to play; None if nobody knows, as with `until`.
        noun: what is counted.
        show: whether to show it; None: where somebody sees it.
    """
    is_notebook = in_notebook()
    if show is None:
        show = is_notebook or (sys.stderr is not None and sys.stderr.isatty())
    if not show:
        yield _Silent()
    elif is_notebook:
        with _notebook_display() as draw:
            counter = NotebookCounter(total, noun, draw)
            try:
                yield counter
            finally:
                counter.close()
    else:
        with _bar(Console(stderr=True)) as bar:
            yield _TerminalCounter(bar, total, noun)


def in_notebook() -> bool:
    """Return whether this process is the kernel of a Jupyter notebook; nothing is imported to find that out."""
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
    return f"{per_second:.1f}/s" if per_second >= 0.5 else f"{_MINUTE * per_second:.1f}/min"  # noqa: PLR2004  one in two


def time_text(seconds: float) -> str:
    """Return a duration.

    >>> time_text(5.4), time_text(65), time_text(3725)
    ('5 s', '1 min 05 s', '1 h 02 min')
    """
    whole = round(seconds)
    if whole >= _HOUR:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
    return f"{whole // _MINUTE} min {whole % _MINUTE:02} s" if whole >= _MINUTE else f"{whole} s"


def remaining_text(done: int, total: int | None, seconds: float) -> str:
    """Return how long it will still take at the rate so far, or how long it took when it is done.

    >>> remaining_text(50, 200, 10.0), remaining_text(200, 200, 40.0), remaining_text(50, None, 10.0)
    ('30 s left', 'in 40 s', '10 s')
    """
    if total is None:
        return time_text(seconds)
    if done >= total:
        return f"in {time_text(seconds)}"
    return f"{time_text((total - done) * seconds / done)} left" if done else ""


class _Silent:
    def update(self, done: int, failed: int = 0) -> None:
        """Show nothing."""


class _Pace(ProgressColumn):
    """Rate and remaining time of a task."""

    def render(self, task: Task) -> Text:
        """Return them as text."""
        done, seconds = int(task.completed), task.elapsed or 0.0
        total = None if task.total is None else int(task.total)
        parts = (rate_text(done, seconds), remaining_text(done, total, seconds))
        return Text(", ".join(filter(None, parts)), "dim")


def _bar(console: Console) -> Progress:
    failed = TextColumn("{task.fields[failed]}", style="yellow")
    columns = (BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("{task.description}"), _Pace(), failed)
    return Progress(*columns, console=console)


class _TerminalCounter:
    def __init__(self, bar: Progress, total: int | None, noun: str) -> None:
        self._bar = bar
        self._task = bar.add_task(noun, total=total, failed="")

    def update(self, done: int, failed: int = 0) -> None:
        """Draw the bar anew."""
        self._bar.update(self._task, completed=done, failed=f"{failed:,} failed" if failed else "")


class NotebookCounter:
    """The display in a notebook, drawn as HTML a few times a second."""

    def __init__(
        self,
        total: int | None,
        noun: str,
        draw: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Draw the first time.

        Args:
            total: how many there are; None if nobody knows.
            noun: what is counted.
            draw: draws HTML in the place of what was drawn before.
            clock: returns the time in seconds.
        """
        self._total, self._noun, self._draw, self._clock = total, noun, draw, clock
        self._started = self._drawn = clock()
        self._done = self._failed = 0
        draw(self.html())

    def update(self, done: int, failed: int = 0) -> None:
        """Draw it anew, if it was not drawn just now."""
        self._done, self._failed = done, failed
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
        of_total = "" if self._total is None else f" of {self._total:,}"
        parts = (
            f"{self._done:,}{of_total} {self._noun}",
            rate_text(self._done, seconds),
            remaining_text(self._done, self._total, seconds),
            f"{self._failed:,} failed" if self._failed else "",
        )
        value = "" if self._total is None else f' value="{self._done}" max="{self._total}"'
        return f"<div><progress{value}></progress> {', '.join(filter(None, parts))}</div>"


@contextmanager
def _notebook_display() -> Iterator[Callable[[str], None]]:
    """Make a place below the cell; yield what draws HTML there."""
    from IPython.display import HTML, display

    handle: Any = display(HTML(""), display_id=True)  # type: ignore[no-untyped-call]  IPython ships no types
    yield lambda text: handle.update(HTML(text))  # type: ignore[no-untyped-call]  likewise
