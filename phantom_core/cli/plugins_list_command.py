"""`phantom plugins list`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from phantom_core.cli.text_columns import aligned
from phantom_core.hooks.discovery import scan
from phantom_core.hooks.entry_status import EntryStatus, statuses
from phantom_core.hooks.install_source import editable_folder
from phantom_core.hooks.plugin_settings import PluginSettings


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def list_command(*, as_json: bool) -> None:
    """List every component and plugin that is installed. Imports none of them.

    The status says whether it will work: ok; disabled; incompatible (with this core); conflict (two
    distributions offer the name); shadowed duplicate (the distribution is found twice); missing
    dependency; failed (its metadata or its module is not there). The folder of an editable install is in
    phantom plugins info NAME, and in --json.
    """
    settings, installed = PluginSettings.of_surroundings(), scan()
    for sentence in settings.warnings((*installed.entries, *installed.shadowed)):
        click.echo(f"Warning: {sentence}", err=True)
    found = statuses(installed, settings)
    if as_json:
        click.echo(json.dumps([asdict(status) for status in found], indent=1))
        return
    heading = ("kind", "name", "distribution", "version", "source", "status")
    click.echo(aligned([heading, *map(_row, found)]))


def _row(status: EntryStatus) -> tuple[str, ...]:
    told = f"{status.status}: {status.reason}" if status.reason else status.status
    source = "editable" if editable_folder(status.source) else status.source  # a folder fills the line
    return (status.kind, status.name, status.distribution, status.version, source, told)
