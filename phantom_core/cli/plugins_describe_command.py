"""`phantom plugins describe NAME`."""

from __future__ import annotations

import click

from phantom_core.errors import UnknownNameError, did_you_mean
from phantom_core.hooks.discovery import normalised
from phantom_core.hooks.plugin_manager import PluginManager


@click.command("describe")
@click.argument("name")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def describe_command(name: str, *, verbose: bool) -> None:
    """Show the settings of the component NAME, with types, defaults and explanations."""
    del verbose  # main() looks at it
    from phantom_core.cli.describe import describe

    registry = PluginManager().registry()
    _, _, bare = name.rpartition(":")
    kinds = [c.kind for c in registry.components() if normalised(c.name) == normalised(bare)]
    if not kinds:
        known = tuple(component.name for component in registry.components())
        message = f"No component named {name!r}.{did_you_mean(name, known)} See: phantom plugins list"
        raise UnknownNameError(message, kind="component", name=name, known=known)
    for kind in dict.fromkeys(kinds):
        click.echo(describe(registry.find(kind, name)))
