"""`phantom train FILE.toml`."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phantom_core.cli.evaluate_command import say_result
from phantom_core.cli.lazy_group import VERBOSE

if TYPE_CHECKING:  # nothing below is imported for --help
    from phantom_core.cli.plugin_times import PluginTimes
    from phantom_core.training.components import Components
    from phantom_core.training.run_plans import EvaluationPlan
    from phantom_core.training.run_settings import RunSettings
    from phantom_core.training.run_state import TrainingResults


@click.command("train")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a value of the file, such as trainer.q-learning.alpha=0.2. Repeatable.",
)
@click.option("--trainer", metavar="NAME", help="Use this trainer.")
@click.option(
    "--logger",
    "loggers",
    multiple=True,
    metavar="NAME",
    help="Use these loggers instead of the file's. Repeatable.",
)
@click.option(
    "-p",
    "plugins",
    multiple=True,
    metavar="PLACE",
    help="Let these hooks follow the run too: a name, a module, ./file.py or ./file.py:Class. Repeatable.",
)
@click.option("--iterations", type=int, metavar="N", help="Make so many iterations (or --set total_steps=N).")
@click.option("--seed", type=int, metavar="N", help="What everything random follows from.")
@click.option("--run-dir", metavar="DIR", help="Make the run's folder in this folder.  [default: runs]")
@click.option(
    "--strict-plugins",
    is_flag=True,
    help="End the run when a plugin is broken, or an exception is in a hook.",
)
@click.option("--plugin-times", is_flag=True, help="Say at the end how much of the time each plugin took.")
@VERBOSE
def train_command(
    *,
    file: Path,
    assignments: tuple[str, ...],
    trainer: str | None,
    loggers: tuple[str, ...],
    plugins: tuple[str, ...],
    iterations: int | None,
    seed: int | None,
    run_dir: str | None,
    strict_plugins: bool,
    plugin_times: bool,
) -> int:
    """Train the policies of a run file, and write a run directory.

    What the command line says goes before what the file says. FILE is TOML, with at least an env, a trainer
    and a length; the page "The run file" of the documentation has the other keys.

    \b
        env = "./model.py:Market"    # or package.module:Class, or a name
        trainer = "q-learning"       # phantom plugins list: what there is
        iterations = 200             # or total_steps, in env steps
    """  # noqa: D301  click looks for the character, not for the letters
    from phantom_core.cli.plugin_times import PluginTimes
    from phantom_core.training.components import Components
    from phantom_core.training.run_file import RunFile
    from phantom_core.training.run_settings import check_is_complete, secrets_in
    from phantom_core.training.train import execute_run
    from phantom_core.writing import printable

    run_file = RunFile.read(file)
    for assignment in assignments:
        run_file.set_from_text(assignment)
    if plugins:
        run_file.add_hooks(plugins, "-p")
    for origin, key, value in (
        ("--trainer", "trainer.name", trainer),
        ("--logger", "loggers", list(loggers) or None),
        ("--iterations", "iterations", iterations),
        ("--seed", "seed", seed),
        ("--run-dir", "run_dir", run_dir),
        ("--strict-plugins", "strict_hooks", strict_plugins or None),
    ):
        if value is not None:
            run_file.set(key, value, origin)
    sentence = check_is_complete(run_file.not_in_file, str(file))
    if sentence:
        click.echo(printable(f"Warning: {sentence}"), err=True)
    with secrets_in(run_file.table).hidden():
        settings = run_file.settings()
    components = Components(run_file.plugin_settings(), folder=run_file.folder, start="the run file")
    times = PluginTimes() if plugin_times else None
    results = execute_run(
        settings,
        components,
        folder=run_file.folder,
        origins=run_file.origins,
        measure=None if times is None else times.timed,
    )
    return end_of_run(results, settings, components, times)


def end_of_run(
    results: TrainingResults,
    settings: RunSettings,
    components: Components,
    times: PluginTimes | None = None,
) -> int:
    """Say how a run ended, and return the exit code."""
    has_console = any((c.kind, c.name) == ("logger", "console") for c in components.used)
    with _patient_output():
        if times is not None:
            click.echo(times.table())
        _report(results, settings.evaluation, said_how_it_ended=has_console)
    if results.problems or results.status == "diverged":
        return 1
    return 130 if results.status == "interrupted" else 0


@contextmanager
def _patient_output() -> Iterator[None]:
    """Print nothing more once nobody reads, as in `phantom train … | head -1`, or the terminal is closed."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains as it ends


def _report(results: TrainingResults, plan: EvaluationPlan | None, *, said_how_it_ended: bool) -> None:
    """Say how it ended, where it is, and last what it is worth."""
    from phantom_core.writing import printable

    if not said_how_it_ended:
        for failure in results.hook_failures:
            click.echo(printable(f"Warning: {failure}"), err=True)
    for problem in results.problems:
        click.echo(printable(f"Error: {problem}"), err=True)
    if results.status != "completed" and not said_how_it_ended:
        noun = "iteration" if results.iterations == 1 else "iterations"
        reasons = ", ".join(results.stop_reasons)
        ending = f"{results.status.capitalize()} after {results.iterations} {noun}: {reasons}."
        click.echo(printable(ending))
    directory = results.run_directory
    click.echo(f"run directory: {directory}")
    if directory is not None and (directory / "tensorboard").is_dir():
        click.echo(f"to see curves: pip install tensorboard && tensorboard --logdir {directory.parent}")
    if results.status == "interrupted" and not results.problems:
        click.echo(f"to evaluate it: phantom evaluate {directory}")
        click.echo(f"to go on: phantom resume {directory}")
    if results.evaluation is not None:
        reference_return = None if plan is None else plan.reference_return
        say_result(results.evaluation, reference_return)
