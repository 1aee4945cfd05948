"""What a run looks like: a heading, a live view or lines while it goes on, a summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

import phantom_core as ph
from phantom_console import readable
from phantom_console.run_progress import RunProgress

_MAX_BAR_WIDTH: Final = 60
_PERCENT_WIDTH: Final = 6
_LINES_BESIDE_ROWS: Final = 9
_MIN_WIDTH_OF_CHANGES: Final = 50
_UNGROUPED: Final = "metrics"
_FIRST_NAME: Final = "rewards/group"
_HIDDEN_GROUP: Final = "time"  # the rates say it already
_FIRST_GROUPS: Final = ("eval", "rewards", "")
_STYLE_BY_STATUS: Final = {"completed": "green", "failed": "red"}


def heading(event: ph.TrainStart) -> Text:
    """Return what is about to happen, in one line."""
    limits = ((event.num_iterations, "iteration"), (event.total_steps, "env step"))
    lengths = [readable.count(limit, thing) for limit, thing in limits if limit is not None]
    parts = (event.trainer_name, " or ".join(lengths), f"seed {event.seed}")
    return Text.assemble((event.run_name, "bold"), ": ", ", ".join(filter(None, parts)))


def resumption(progress: RunProgress) -> Text:
    """Return after how much the run goes on, in one line."""
    if not progress.iterations:
        return Text("Resumed.")
    steps = f", {readable.count(progress.env_steps, 'env step')}" if progress.env_steps else ""
    return Text(f"Resumed after {readable.count(progress.iterations, 'iteration')}{steps}.")


def summary(event: ph.TrainEnd, progress: RunProgress) -> Text:
    """Return how the run ended, in one line."""
    made = readable.count(event.iterations, "iteration")
    if event.env_steps:
        made += f", {_made(event.env_steps, progress.total_steps, 'env step')}"
    reasons = f" Reason: {'; '.join(event.stop_reasons).rstrip('.')}." if event.stop_reasons else ""
    style = _STYLE_BY_STATUS.get(event.status, "yellow")
    text = f": {made} in {readable.duration(progress.elapsed)}.{reasons}"
    return Text.assemble((event.status.capitalize(), style), text)


def line(progress: RunProgress, max_rows: int) -> Text:
    """Return how far the run is and its newest values, in one line."""
    parts = [_made(progress.iterations, progress.num_iterations, "iteration")]
    if progress.env_steps:
        parts.append(_made(progress.env_steps, progress.total_steps, "env step"))
    parts.append(readable.duration(progress.elapsed))
    if progress.remaining:
        parts.append(f"{readable.duration(progress.remaining)} left")
    names = shown_names(progress.newest, max_rows)
    values = [f"{name} {readable.number(progress.newest[name])}" for name in names]
    return Text(": ".join(filter(None, (", ".join(parts), ", ".join(values)))))


class LiveView:
    """Renders the state of a run as it is when it is rendered: bar, rates, newest values."""

    def __init__(self, progress: RunProgress, max_rows: int) -> None:
        """Show a run.

        Args:
            progress: the run.
            max_rows: the most values to show.
        """
        self._progress = progress
        self._max_rows = max_rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text()
        if self._progress.fraction is not None:
            yield _bar(self._progress.fraction, options.max_width)
        yield _pace(self._progress)
        max_rows = min(self._max_rows, max(options.size.height - _LINES_BESIDE_ROWS, 0))
        names = shown_names(self._progress.newest, max_rows)
        if names:
            yield Text()
            yield _values(self._progress, names, options.max_width)
            num_hidden = len(shown_names(self._progress.newest, None)) - len(names)
            if num_hidden:
                yield Text(f"and {num_hidden:,} more", style="dim")


def shown_names(names: Iterable[str], limit: int | None) -> list[str]:
    """Choose values to show, group by group; each group gives one in turn until there are enough.

    Args:
        names: names of values, as in `ph.MetricsRecorded.values`.
        limit: how many to choose; None: all of them.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: name != _FIRST_NAME):
        groups.setdefault(_split(name)[0], []).append(name)
    groups.pop(_HIDDEN_GROUP, None)
    ranks = {group: rank for rank, group in enumerate(_FIRST_GROUPS)}
    ordered = sorted(groups, key=lambda group: (ranks.get(group, len(ranks)), group))
    in_turn = chain.from_iterable(zip_longest(*(groups[group] for group in ordered)))
    chosen = set([name for name in in_turn if name is not None][:limit])
    return [name for group in ordered for name in groups[group] if name in chosen]


def _split(name: str) -> tuple[str, str]:
    """Split a name into its group and the rest: `rewards/SHOP`."""
    group, slash, rest = name.partition("/")
    return (group, rest) if slash else ("", name)


def _made(done: int, limit: int | None, thing: str) -> str:
    return readable.count(done, thing) if limit is None else f"{done:,} of {readable.count(limit, thing)}"


def _bar(fraction: float, width: int) -> RenderableType:
    bar_width = min(_MAX_BAR_WIDTH, max(width - _PERCENT_WIDTH, 1))
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(ProgressBar(total=1.0, completed=fraction, width=bar_width), f"{int(100 * fraction)} %")
    return grid


def _pace(progress: RunProgress) -> RenderableType:
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(style="dim")
    iterations, env_steps = (readable.rate(rate) if rate else "" for rate in progress.rates)
    grid.add_row("iterations", _of(progress.iterations, progress.num_iterations), iterations)
    if progress.env_steps or progress.total_steps:
        grid.add_row("env steps", _of(progress.env_steps, progress.total_steps), env_steps)
    remaining = progress.remaining
    left = f"{readable.duration(remaining)} left" if remaining else ""
    grid.add_row("time", readable.duration(progress.elapsed), left)
    return grid


def _of(done: int, limit: int | None) -> str:
    return f"{done:,}" if limit is None else f"{done:,} of {limit:,}"


def _values(progress: RunProgress, names: Sequence[str], width: int) -> RenderableType:
    """Return a table of values; names are cut where there is little room, numbers are not."""
    newest = [progress.newest[name] for name in names]
    changes = [progress.newest[name] - progress.first[name] for name in names]
    columns = {"newest": readable.aligned([readable.number(value) for value in newest])}
    if width >= _MIN_WIDTH_OF_CHANGES:
        columns["change"] = readable.aligned([readable.change(value) for value in changes])
    table = Table("", "", box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for header in columns:
        table.add_column(header, no_wrap=True, style="dim" if header == "change" else "")
    previous = ""
    for name, *cells in zip(names, *columns.values(), strict=True):
        group, rest = _split(name)
        group = group or _UNGROUPED
        label = Text(group if group != previous else "", "dim", no_wrap=True, overflow="ellipsis")
        table.add_row(label, Text(rest, no_wrap=True, overflow="ellipsis"), *map(Text, cells))
        previous = group
    return table
