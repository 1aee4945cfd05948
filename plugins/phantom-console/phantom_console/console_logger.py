"""The logger `console`: how training goes, for the person in front of the terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Console
from rich.text import Text

import phantom_core as ph
from phantom_console.live_display import LiveDisplay, PlainDisplay, is_terminal
from phantom_console.progress_view import heading, resumption, summary
from phantom_console.run_progress import RunProgress


class PatientConsole(Console):
    """A console that falls silent when nobody reads it any more, where rich would end the program."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on: `phantom train … | head` must not end the training."""
        self.quiet = True


@dataclass(frozen=True)
class ConsoleConfig:
    """Settings of the logger `console`."""

    quiet: bool = False
    """Whether to print nothing but problems, and how a run ended that was not completed."""

    interval: float = 10.0
    """Seconds between two lines, where the output is no terminal."""

    max_rows: int = 12
    """The most values to show at a time."""

    def __post_init__(self) -> None:
        """Refuse negative numbers.

        Raises:
            ValueError: that names the setting.
        """
        for name in ("interval", "max_rows"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}. Expected 0 or more.")


class ConsoleLogger(ph.Hooks):
    """Shows a run on the standard error stream: a heading, its progress, a summary.

    In a terminal the progress is a live view; elsewhere (a file, a notebook, a dumb terminal, or a
    run in a thread) it is a line after the first iteration, then every `interval` seconds, then
    after the last iteration. Plugins that failed are named at the end. A run that is resumed goes on from
    where its checkpoint was written.
    """

    config_class: ClassVar[type] = ConsoleConfig
    config: ConsoleConfig
    _console: Console | None = None
    _display: LiveDisplay | PlainDisplay | None = None
    _progress: RunProgress
    _run_directory: Path | None
    _next_draw: float
    _saved: Mapping[str, Any] | None = None

    def make_console(self) -> Console:
        """Return where to print, and by which clock. Override it to print elsewhere."""
        # FORCE_COLOR makes rich take a file for a terminal.
        return PatientConsole(stderr=True, force_interactive=None if is_terminal(sys.stderr) else False)

    def on_train_start(self, event: ph.TrainStart) -> None:
        """Print the heading."""
        self._close_display()
        self._console = console = self.make_console()
        now = console.get_time()
        self._progress = RunProgress(event.num_iterations, event.total_steps, now)
        self._next_draw = now
        self._run_directory = event.run_directory
        saved, self._saved = self._saved, None
        if event.is_resumed and saved is not None:
            self._progress.advance(saved["iterations"], saved["env_steps"])
            self._progress.first = saved["first"]
        if not self.config.quiet:
            console.print(heading(event), soft_wrap=not console.is_interactive)
            if event.is_resumed:
                console.print(resumption(self._progress))
            if event.run_directory is not None:
                console.print(Text(f"Run directory: {event.run_directory}"), soft_wrap=True)

    def state_dict(self) -> dict[str, Any]:
        """Return how far the run is, and the first value under each name."""
        if self._console is None:
            return {}
        progress = self._progress
        return {
            "iterations": progress.iterations,
            "env_steps": progress.env_steps,
            "first": dict(progress.first),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Keep what `state_dict` returned until the run goes on."""
        self._saved = state

    def on_iteration_start(self, event: ph.IterationStart) -> None:
        """Start the display, once."""
        if self._display is None and self._console is not None and not self.config.quiet:
            self._progress.advance(event.iteration, event.env_steps)
            self._progress.sample(self._console.get_time())
            self._display = self._make_display(self._console)

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        """Keep the values for the display."""
        if self._console is not None:
            self._progress.record(event.values)

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        """Draw the display, if it is time to."""
        if self._console is None:
            return
        self._progress.advance(event.iteration + 1, event.env_steps)
        if self._display is None:
            return
        now = self._console.get_time()
        if now >= self._next_draw:
            self._progress.sample(now)
            self._display.draw()
            self._next_draw = self._console.get_time() + self._display.interval

    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Close the display; print the summary, and what failed on the way."""
        console, self._console = self._console, None
        if console is None:
            return
        self._progress.sample(console.get_time())
        self._close_display()
        if not self.config.quiet or event.status != "completed":
            text = summary(event, self._progress)
            if self.config.quiet and self._run_directory is not None:
                text.append(f" To evaluate it: phantom evaluate {self._run_directory}")
            console.print(text, soft_wrap=not console.is_interactive)
        for failure in event.hook_failures:
            text = Text.assemble(("Problem", "yellow"), f": {failure}")
            console.print(text, soft_wrap=not console.is_interactive)

    def _make_display(self, console: Console) -> LiveDisplay | PlainDisplay:
        max_rows, interval = self.config.max_rows, self.config.interval
        # Views of several runs in one terminal would overwrite each other.
        is_alone = threading.current_thread() is threading.main_thread()
        if console.is_interactive and is_alone:
            return LiveDisplay(console, self._progress, max_rows=max_rows)
        return PlainDisplay(console, self._progress, max_rows=max_rows, interval=interval)

    def _close_display(self) -> None:
        display, self._display = self._display, None
        if display is not None:
            display.close()
