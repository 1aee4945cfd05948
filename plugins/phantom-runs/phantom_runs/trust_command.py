"""`phantom runs trust RUN`."""

from __future__ import annotations

import functools
from pathlib import Path

import click

import phantom_core as ph


@click.command("trust")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def trust_command(*, run: Path, verbose: bool) -> None:
    """Sign the run directory RUN, which somebody else wrote, as if it had been written here.

    From then on, loading it imports all that it names, which may be any code. That is printed.
    """
    del verbose  # main() looks at it
    saved = ph.tools.SavedRun.read(run)
    shown = functools.partial(ph.writing.printable, on_one_line=True)  # a stranger wrote it
    rows = [(f"  {shown(place)}", shown(code)) for place, code in saved.named_code().items()]
    saved.sign()
    click.echo(f"{run} is signed. Loading it imports{':' if rows else ' only what is registered by name.'}")
    if rows:
        click.echo(ph.tools.aligned(rows))
