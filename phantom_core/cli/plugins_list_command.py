"""`phantom plugins list`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from phantom_core.hooks.discovery import (
    CORE_DISTRIBUTION,
    KIND_BY_GROUP,
    InstalledEntry,
    installed_entries,
)
from phantom_core.hooks.plugin_manager import is_disabled


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def list_command(*, as_json: bool) -> None:
    """List every component and plugin that is installed. Imports none of them."""
    rows = [_row(entry) for entry in installed_entries()]
    rows.sort(key=lambda row: (row["kind"], row["name"], row["distribution"]))
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    click.echo(_table(("kind", "name", "distribution", "version", "status"), rows))


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
