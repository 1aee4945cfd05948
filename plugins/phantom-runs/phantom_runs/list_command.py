"""`phantom runs list [DIR]`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

import phantom_core as ph
from phantom_runs.run_facts import listed_facts
from phantom_runs.run_texts import number_text, on_one_line, path_text, span_text, value_text

_HEADING: Final = ("run", "status", "progress", "result", "started", "took", "trainer", "env")
_PARTS: Final = ("run.json", "config.toml", "metrics.jsonl", "checkpoints")
"""A folder with one of these is a run, or what is left of one."""


@click.command("list")
@click.argument("directory", metavar="[DIR]", default="runs", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def list_command(*, directory: Path, as_json: bool, verbose: bool) -> None:
    """List the runs in the folder DIR, by default runs, the newest last.

    With status, progress, result, times, trainer and env. The status is gone if a run was killed and could
    not say so. Directories that are damaged are listed below, with what is wrong.
    """
    del verbose  # main() looks at it
    found = sorted(map(_listed, _directories(directory)), key=lambda run: (run["started"] or "", run["run"]))
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    now = datetime.now(UTC)
    rows = [_row(run, now) for run in found if not run["problem"]]
    if rows:
        click.echo(ph.tools.aligned([_HEADING, *rows]))
    for run in found:
        if run["problem"]:
            click.echo(f"Damaged: {on_one_line(run['problem'])}")
    if not found:
        click.echo(f"There are no runs in {path_text(directory)}.")


def _directories(directory: Path) -> Iterator[Path]:
    """Yield the run directories in a folder, and what is left of some."""
    if (directory / "run.json").is_file():
        raise ph.errors.RunDirectoryError(
            f"{directory} is a run itself. Name the folder that it is in: phantom runs list "
            f"{directory.parent}; or see it: phantom runs show {directory}"
        )
    if not directory.is_dir():
        raise ph.errors.RunDirectoryError(
            f"There is no folder {str(directory)!r}. Name one that has runs in it: phantom runs list DIR"
        )
    yield from filter(_is_run, directory.iterdir())


def _is_run(path: Path) -> bool:
    try:
        return any((path / part).exists() for part in _PARTS)
    except OSError:  # it cannot be looked into, which is said when it is read
        return True


def _listed(path: Path) -> dict[str, Any]:
    """Return what there is to list of a run directory, or what is wrong with it."""
    try:
        return listed_facts(ph.tools.SavedRun.read(path))
    except Exception as error:  # whatever is in its files: the others are listed all the same
        problem = str(error) if isinstance(error, ph.errors.PhantomError) else ph.tools.error_text(error)
        unknown = dict.fromkeys(("progress", "result", "started", "ended", "seconds", "trainer", "env"))
        return {"run": str(path), "name": None, "status": "damaged", **unknown, "problem": problem}


def _row(run: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    started, seconds, result = run["started"], run["seconds"], run["result"]
    return (
        path_text(Path(run["run"])),
        on_one_line(run["status"]),
        run["progress"]["text"],
        "-" if result is None else f"{result['name']} {number_text(result['value'])}",
        "-" if started is None else f"{span_text(now - datetime.fromisoformat(started))} ago",
        "-" if seconds is None else span_text(timedelta(seconds=seconds)),
        value_text(run["trainer"]),
        value_text(run["env"]),
    )
