"""`phantom show FILE`."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from phantom_core.errors import RecordingError
from phantom_core.recording.episode_printer import KINDS, EpisodePrinter
from phantom_core.recording.recorded_episodes import read_recording


@click.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--episode", type=click.IntRange(min=0), metavar="N", help="Show this episode only, counted from 0."
)
@click.option("--agent", "agents", multiple=True, metavar="ID", help="Show this agent only. Repeatable.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(KINDS),
    help="Show this only. Repeatable.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def show_command(
    *, file: Path, episode: int | None, agents: tuple[str, ...], kinds: tuple[str, ...], verbose: bool
) -> None:
    """Show the episodes of a recording as text."""
    del verbose  # main() looks at it
    printer = EpisodePrinter(agents=agents or None, kinds=kinds or None)
    chosen = (None,) if episode is None else (episode, episode + 1)
    is_found = False
    for number, recorded in islice(enumerate(read_recording(file)), *chosen):
        printer.show(recorded, number)
        is_found = True
    if not is_found and episode is not None:
        raise RecordingError(f"The recording {file} has no episode {episode}. Episodes are numbered from 0.")
