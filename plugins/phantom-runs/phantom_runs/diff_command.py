"""`phantom runs diff FIRST SECOND`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby, islice
from pathlib import Path
from typing import Final

import click

import phantom_core as ph
from phantom_runs.run_diff import Difference, diff_runs
from phantom_runs.run_texts import on_one_line, value_text

_MOST_METRICS: Final = 10
_AT_A_TIME: Final = 1_000


@click.command("diff")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of text.")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def diff_command(*, first: Path, second: Path, as_json: bool, verbose: bool) -> int:
    """Say what differs between the run directories FIRST and SECOND.

    Settings, seeds, versions, plugins (and their files) and results. The exit code is 0 if nothing does,
    and 1 if something does.
    """
    del verbose  # main() looks at it
    found = diff_runs(first, second)
    differs = _print_json(found) if as_json else _print_text(found)
    return 1 if differs else 0


def _print_json(found: Iterator[Difference]) -> bool:
    """Print a JSON list, some differences at a time; return whether there is one."""
    differs = False
    while some := [asdict(difference) for difference in islice(found, _AT_A_TIME)]:
        objects = json.dumps(some, indent=1).removeprefix("[").removesuffix("\n]")
        click.echo(("," if differs else "[") + objects, nl=False)
        differs = True
    click.echo("\n]" if differs else "[]")
    return differs


def _print_text(found: Iterator[Difference]) -> bool:
    """Print the differences by part, and of the logged values the first; return whether there is one."""
    differs = False
    for part, differences in groupby(found, key=lambda difference: difference.part):
        differs, rows, num_metrics = True, [], 0
        for difference in differences:
            num_metrics += " @ " in difference.name
            if num_metrics <= _MOST_METRICS or " @ " not in difference.name:
                one, other = _values(difference)
                rows.append((f"  {on_one_line(difference.name)}", one, "→", other))
        click.echo(part)
        click.echo(ph.tools.aligned(rows))
        if num_metrics > _MOST_METRICS:
            click.echo(f"  … and {num_metrics - _MOST_METRICS:,} more values; the first are shown")
    if not differs:
        click.echo("The runs do not differ, but for times and names.")
    return differs


def _values(difference: Difference) -> tuple[str, str]:
    """Return the two values as text: floats with six digits where these tell the values apart."""
    pair = difference.first, difference.second
    short, other = (value_text(f"{value:.6g}" if isinstance(value, float) else value) for value in pair)
    return (short, other) if short != other else (value_text(pair[0]), value_text(pair[1]))
