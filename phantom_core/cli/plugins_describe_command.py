"""`phantom plugins describe NAME`."""

from __future__ import annotations

import contextlib
import json

import click

from phantom_core.errors import UnknownNameError, did_you_mean
from phantom_core.hooks.plugin_manager import everything_offered
from phantom_core.installed.discovery import normalised
from phantom_core.installed.registry import install_advice


@click.command("describe")
@click.argument("name")
@click.option("--json-schema", "as_schema", is_flag=True, help="Print a JSON schema of the settings.")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def describe_command(name: str, *, as_schema: bool, verbose: bool) -> None:
    """Show the settings of the component NAME, with types, defaults and explanations. Imports it."""
    del verbose  # main() looks at it
    from phantom_core.cli.describe import describe
    from phantom_core.cli.json_schema import json_schema

    registry = everything_offered()
    _, _, bare = name.rpartition(":")
    kinds = [c.kind for c in registry.components() if normalised(c.name) == normalised(bare)]
    if not kinds:
        for kind in registry.kinds:
            with contextlib.suppress(UnknownNameError):
                registry.find(kind, name)  # says so if it is disabled, or its entry point is wrong
        known = tuple(component.name for component in registry.components())
        advice = install_advice(bare) or " See: phantom plugins list"
        message = f"No component named {name!r}.{did_you_mean(name, known)}{advice}"
        raise UnknownNameError(message, kind="component", name=name, known=known)
    for kind in dict.fromkeys(kinds):
        component = registry.find(kind, name)
        click.echo(json.dumps(json_schema(component), indent=1) if as_schema else describe(component))
