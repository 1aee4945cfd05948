"""`phantom resume RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from phantom_core.cli.lazy_group import TRUST, VERBOSE
from phantom_core.cli.train_command import end_of_run


@click.command("resume")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--iterations", type=int, metavar="N", help="Make so many iterations in all.")
@click.option("--total-steps", type=int, metavar="N", help="Make so many env steps in all.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Go on from this checkpoint of the run; what it wrote later is replaced.  [default: the newest]",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the run, such as workers=2. Repeatable.",
)
@TRUST
@VERBOSE
def resume_command(
    *,
    run: Path,
    iterations: int | None,
    total_steps: int | None,
    checkpoint: Path | None,
    assignments: tuple[str, ...],
    trust: bool,
) -> int:
    """Go on with a run that was interrupted or killed, or that is to be longer.

    RUN is a run directory. What follows is what would have followed if the run had not been cut, and is
    written there; what may be another, such as a version or a setting, is named.
    """
    from phantom_core.training.resume import execute_resumed
    from phantom_core.training.resume_point import ResumePoint
    from phantom_core.training.run_directory import CONFIG_FILE
    from phantom_core.training.run_file import RunFile

    point = ResumePoint.read(run, checkpoint)
    run_file = RunFile.read(point.directory.path / CONFIG_FILE)
    for assignment in assignments:
        run_file.set_from_text(assignment)
    for key, value in (("iterations", iterations), ("total_steps", total_steps)):
        if value is not None:
            run_file.set(key, value, f"--{key.replace('_', '-')}")
    results, settings, components = execute_resumed(point, run_file, {}, trust=trust)
    return end_of_run(results, settings, components)
