"""What is shown while something runs."""

import os
import sys
from typing import Any


def show_pythonhashseed_warning() -> None:
    """Say, in yellow, if the order of sets of texts is another one in each process."""
    if "PYTHONHASHSEED" not in os.environ:
        sys.stdout.write(
            "\033[33mPYTHONHASHSEED is not set: the order of sets of texts differs from process to process. "
            "Set it, as in PYTHONHASHSEED=1, for runs that can be repeated.\033[0m\n"
        )


def rich_progress(text: str) -> Any:
    """Return a `rich.progress.Progress` with a text, a bar, the rate and the times.

    Raises:
        ImportError: if rich is not installed.
    """
    try:
        from rich import progress
        from rich.text import Text
    except ImportError as error:
        raise ImportError("rich_progress shows its bar with rich. Run: pip install rich") from error

    class SpeedColumn(progress.ProgressColumn):
        """The rate of a task; nothing before there is one."""

        def render(self, task: progress.Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:.2f} it/s", justify="right")

    return progress.Progress(
        progress.TextColumn(text),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        SpeedColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
