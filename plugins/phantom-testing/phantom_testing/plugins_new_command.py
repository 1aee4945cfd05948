"""`phantom plugins new KIND NAME`."""

from __future__ import annotations

from pathlib import Path

import click

from phantom_testing.scaffold import GROUPS, write_plugin


@click.command("new")
@click.argument("kind", type=click.Choice(list(GROUPS)))
@click.argument("name")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def new_command(*, kind: str, name: str, verbose: bool) -> None:
    """Write a small, complete distribution that offers a trainer, policy, metric, logger, hook or env.

    NAME is what users select it by, such as my-algo; its folder is called phantom-my-algo then. It
    installs, is found, and passes its own tests and `phantom plugins check`.
    """
    del verbose  # main() looks at it
    root = write_plugin(kind, name, Path.cwd())
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        click.echo(f"  {path.relative_to(root.parent)}")
    click.echo(
        f"Next: cd {root.name} && pip install -e '.[test]' && pytest && phantom plugins check {root.name}"
    )
