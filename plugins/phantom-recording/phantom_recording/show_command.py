"""`phantom show FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import click

import phantom_core as ph
from phantom_recording.episode_printer import KINDS, EpisodePrinter
from phantom_recording.recorded_episodes import RecordedEpisode, read_recording


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
    """Show the episodes of a recording as text.

    FILE is what phantom record, or a phantom_recording.Recorder, wrote.
    """
    del verbose  # main() looks at it
    printer = EpisodePrinter(agents=agents or None, kinds=kinds or None)
    first = min(episode or 0, sys.maxsize - 1)  # islice takes no more
    chosen = (None,) if episode is None else (first, first + 1)
    if agents:
        _check_agents(agents, islice(read_recording(file), *chosen), file)
    is_found = False
    for number, recorded in islice(enumerate(read_recording(file)), *chosen):
        printer.show(recorded, number)
        is_found = True
    if not is_found and episode is not None:
        raise ph.errors.RecordingError(
            f"The recording {file} has no episode {episode}. Episodes are numbered from 0."
        )
    if not is_found:
        raise ph.errors.RecordingError(
            f"The recording {file} has no episode. Set env.recorder before env.reset(), which begins one."
        )


def _check_agents(agents: Iterable[str], episodes: Iterable[RecordedEpisode], file: Path) -> None:
    """Refuse an agent that takes part in none of the episodes, also not later than their start."""
    known: dict[str, None] = {}
    for episode in episodes:
        known |= dict.fromkeys(episode.agents)
        for step in episode.steps:
            known |= dict.fromkeys([*step.observations, *step.actions, *step.rewards])
            for message in step.messages:
                known |= {message.sender_id: None, message.receiver_id: None}
    for agent in agents if known else ():
        if agent not in known:
            raise ph.errors.RecordingError(
                f"The recording {file} has no agent {agent!r}.{ph.tools.did_you_mean(agent, known)} Its "
                f"agents: {ph.tools.listing(known)}."
            )
