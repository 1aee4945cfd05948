"""The command `phantom`: one message and exit code 2 for what a user can mend, a traceback only with `-v`."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import Any, Final

import click

from phantom_core.cli.lazy_group import VERBOSE, LazyGroup

_CLI: Final = "phantom_core.cli"
_COMMANDS: Final = {
    "train": (f"{_CLI}.train_command:train_command", "Train the policies of a run file."),
    "resume": (f"{_CLI}.resume_command:resume_command", "Go on with a run."),
    "evaluate": (
        f"{_CLI}.evaluate_command:evaluate_command",
        "Evaluate the policies of a run, or of a checkpoint.",
    ),
    "plugins": (f"{_CLI}.main:plugins_command", "Show what is installed, and how to set it."),
}
_PLUGINS_COMMANDS: Final = {
    "list": (f"{_CLI}.plugins_listing:list_command", "List every component and plugin, with its status."),
    "info": (f"{_CLI}.plugins_listing:info_command", "Show a distribution and what it offers."),
    "describe": (f"{_CLI}.plugins_describe_command:describe_command", "Show the settings of a component."),
}


@click.group(cls=LazyGroup, places=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="phantom-rl-core", prog_name="phantom")
@VERBOSE
def phantom() -> None:
    """Agent-based models that learn: train policies in an env, evaluate them.

    \b
        phantom train model.toml                 train what a run file says
        phantom evaluate runs/model-...          play what was learned
        phantom plugins list                     trainers, loggers, envs, ...
    """  # noqa: D301  click looks for the character, not for the letters


@click.group("plugins", cls=LazyGroup, places=_PLUGINS_COMMANDS, prefix="plugins.")
def plugins_command() -> None:
    """Show what is installed, and how to set it."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line, and leave the process with an exit code.

    0: done. 1: a run failed in a way that the user's settings do not explain. 2: something to mend in
    what the user gave. 130: interrupted.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # as processes.py does, before NumPy starts any
    given = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a terminal cannot show ends no command
    is_verbose = any(argument in ("-v", "--verbose") for argument in given)
    if is_verbose:
        logging.getLogger("phantom_core").setLevel(logging.DEBUG)  # failing hooks are logged with tracebacks
    try:
        sys.exit(_run(given))
    except Exception as error:
        from phantom_core.errors import PhantomError, error_text
        from phantom_core.writing import printable

        if is_verbose:
            raise
        if isinstance(error, PhantomError):
            click.echo(printable(f"Error: {error}"), err=True)
            sys.exit(2)
        click.echo(printable(f"Error: {error_text(error)}. The traceback is with -v."), err=True)
        sys.exit(1)


def _run(arguments: list[str]) -> Any:
    try:
        return phantom.main(arguments, prog_name="phantom", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return 130
