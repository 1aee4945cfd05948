"""`phantom plugins list` and `phantom plugins describe NAME`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from phantom_core.errors import UnknownNameError, did_you_mean
from phantom_core.hooks.discovery import (
    CORE_DISTRIBUTION,
    KIND_BY_GROUP,
    InstalledEntry,
    installed_entries,
    normalised,
)
from phantom_core.hooks.plugin_manager import PluginManager, is_disabled


@click.group("plugins")
def plugins_command() -> None:
    """Show what is installed, and how to set it."""


@plugins_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def list_command(*, as_json: bool) -> None:
    """List every component and plugin that is installed. Imports none of them."""
    rows = [_row(entry) for entry in installed_entries()]
    rows.sort(key=lambda row: (row["kind"], row["name"], row["distribution"]))
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    click.echo(_table(("kind", "name", "distribution", "version", "status"), rows))


@plugins_command.command("describe")
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


def _row(entry: InstalledEntry) -> dict[str, str]:
    status = "ok"
    if is_disabled(entry):
        status = "disabled"
    elif not entry.is_compatible:
        status = f"incompatible: needs {CORE_DISTRIBUTION}{entry.core_specifier}"
    return {
        "kind": KIND_BY_GROUP.get(entry.group, "plugin"),
        "name": entry.name,
        "distribution": entry.distribution,
        "version": entry.version,
        "status": status,
        "target": entry.target,
    }


def _table(columns: Sequence[str], rows: Sequence[dict[str, str]]) -> str:
    widths = (
        {column: max(len(column), *(len(row[column]) for row in rows)) for column in columns}
        if rows
        else {c: len(c) for c in columns}
    )
    lines = [dict(zip(columns, columns, strict=True)), *rows]
    return "\n".join(
        "  ".join(line[column].ljust(widths[column]) for column in columns).rstrip() for line in lines
    )
