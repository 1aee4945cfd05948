"""`phantom runs diff FIRST SECOND`."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import click

import phantom_core as ph
from phantom_runs.run_diff import Difference, diff_runs

_MOST_METRICS: Final = 10
_MOST_TEXT: Final = 60


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
    if as_json:
        click.echo(json.dumps([asdict(difference) for difference in found], indent=1))
    else:
        text = _text(found) if found else "The runs do not differ, but for times and names."
        click.echo(ph.writing.printable(text))
    return 1 if found else 0


def _text(found: list[Difference]) -> str:
    parts = []
    for part, group in groupby(found, key=lambda difference: difference.part):
        differences = list(group)
        metrics = [d for d in differences if " @ " in d.name]
        shown = [d for d in differences if " @ " not in d.name] + metrics[:_MOST_METRICS]
        names = [f"  {ph.writing.printable(d.name, on_one_line=True)}" for d in shown]
        values = map(_values, shown)
        rows = [(name, one, "→", other) for name, (one, other) in zip(names, values, strict=True)]
        more = len(metrics) - _MOST_METRICS
        tail = [f"  … and {more:,} more values; the first are shown"] if more > 0 else []
        parts.append("\n".join([part, ph.tools.aligned(rows), *tail]))
    return "\n".join(parts)


def _values(difference: Difference) -> tuple[str, str]:
    """Return the two values as text: floats with six digits where these tell the values apart."""
    pair = difference.first, difference.second
    short, other = (_value(f"{value:.6g}" if isinstance(value, float) else value) for value in pair)
    return (short, other) if short != other else (_value(pair[0]), _value(pair[1]))


def _value(value: Any) -> str:
    text = "-" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)
    text = ph.writing.printable(text, on_one_line=True)
    if re.fullmatch(r"[0-9a-f]{64}", text):
        text = text[:12]  # a hash
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"
