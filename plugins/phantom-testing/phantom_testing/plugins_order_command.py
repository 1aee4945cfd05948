"""`phantom plugins order HOOK`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

import phantom_core as ph


@click.command("order")
@click.argument("hook")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--logger", "loggers", multiple=True, metavar="NAME", help="With this logger. Repeatable.")
@click.option("-p", "places", multiple=True, metavar="PLACE", help="With these hooks. Repeatable.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up after so long.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of text.")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def order_command(
    *,
    hook: str,
    file: Path | None,
    loggers: tuple[str, ...],
    places: tuple[str, ...],
    timeout: float,
    as_json: bool,
    verbose: bool,
) -> None:
    """Show which plugins implement HOOK in a run, in which order and why.

    Those are the plugins that take part because they are installed, the logger jsonl, and those that the
    run file FILE or the options name. They are imported in a process of their own, as a run would import
    them. A run writes the order that it had into run.json.
    """
    del verbose  # main() looks at it
    request = {
        "hook": hook,
        "run_file": None if file is None else str(file),
        "loggers": loggers,
        "hooks": places,
    }
    if not as_json:
        click.echo("Importing the plugins in a process of their own ...", err=True)
    order = _asked_elsewhere(request, timeout)
    if as_json:
        click.echo(json.dumps({"hook": hook, "order": order}, indent=1))
        return
    rows = [
        (str(number), found["plugin"], found["why"], found["origin"])
        for number, found in enumerate(order, start=1)
    ]
    click.echo(ph.tools.aligned(rows) if rows else f"No plugin implements {hook}.")


def _asked_elsewhere(request: dict[str, Any], timeout: float) -> list[dict[str, str]]:
    """Ask a new process; what its plugins print goes to the standard error.

    Raises:
        ConfigError: if it takes too long, ends early, or has an error to tell.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "phantom_testing.order_child"],
            input=json.dumps(request),
            stdout=subprocess.PIPE,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ph.errors.ConfigError(
            f"Importing the plugins took more than {timeout:g} seconds. phantom plugins doctor says which of "
            "them is slow; --timeout gives them longer."
        ) from error
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        raise ph.errors.ConfigError(
            f"Importing the plugins ended their process with exit code {done.returncode}. phantom plugins "
            "doctor says which of them does that."
        )
    answer = json.loads(lines[-1])
    if "error" in answer:
        raise ph.errors.ConfigError(answer["error"])
    order: list[dict[str, str]] = answer["order"]
    return order
