"""`phantom runs verify RUN`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

import phantom_core as ph
from phantom_runs.run_facts import leaves
from phantom_runs.run_texts import on_one_line
from phantom_runs.run_verification import Verification, verify_run


@click.command("verify")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--at",
    default="0.3,0.7",
    show_default=True,
    metavar="SHARES",
    help="Cut it at these shares of its iterations.",
)
@click.option(
    "--iterations",
    type=click.IntRange(min=2),
    metavar="N",
    help="Train so many iterations.  [default: as in the run]",
)
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def verify_command(*, run: Path, at: str, iterations: int | None, verbose: bool) -> int:
    """Prove that resuming the run directory RUN is exact, for its env and its trainer.

    Its settings are trained anew in a temporary folder: once whole, and once for each cut, where the process
    is killed and the run is resumed. The exit code is 0 if all end alike, bit for bit, and 1 if one does not.
    """
    del verbose  # main() looks at it

    def report(sentence: str) -> None:
        click.echo(on_one_line(sentence))

    found = verify_run(run, at=_shares(at), num_iterations=iterations, report=report)
    click.echo(_conclusion(found, ph.tools.SavedRun.read(run)))
    return 0 if found.is_exact else 1


def _doctor(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of the command that looks at the env of a run."""
    yield from ("phantom", "doctor", str(settings.get("env")))
    for name, value in leaves(settings.get("env_config", {})):
        yield from ("--set", f"{name}={value if isinstance(value, str) else json.dumps(value, default=str)}")


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ph.errors.ConfigError(
            f"--at {text!r} is no list of numbers. Expected shares between 0 and 1, such as 0.3,0.7."
        ) from error


def _conclusion(found: Verification, saved: ph.tools.SavedRun) -> str:
    if found.is_exact:
        same = "weights and logged values are those of the run that was not cut"
        return f"Exact: {same}, sha256 {found.sha256}."
    doctor = on_one_line(shlex.join(_doctor(saved.settings)))
    if not all(cut.is_repeatable for cut in found.cuts):
        return (
            "Not repeatable: the runs differ before the cut already, though they have one seed. What may be "
            "the cause: an env, trainer, policy or hooks that draw from global generators instead of those "
            f"that they are given, or that look at the clock. An env is checked by: {doctor}"
        )
    return (
        "Not exact. What may be the cause: an env with state that outlives its episodes, such as a counter "
        f"({doctor}); or a trainer, policy or hooks whose state_dict lacks something that they go on with "
        "(phantom plugins check)."
    )
