"""`phantom plugins info NAME`."""

from __future__ import annotations

import json
from typing import Any

import click

from phantom_core.cli.lazy_group import VERBOSE
from phantom_core.cli.plugins_list_command import as_table
from phantom_core.errors import UnknownNameError, did_you_mean
from phantom_core.installed.discovery import InstalledEntry, normalised, scan
from phantom_core.installed.entry_status import EntryStatus, statuses
from phantom_core.installed.plugin_settings import PluginSettings
from phantom_core.installed.registry import install_advice
from phantom_core.text_columns import aligned


@click.command("info")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of text.")
@VERBOSE
def info_command(name: str, *, as_json: bool) -> None:
    """Show the distribution NAME, or those that offer a component NAME. Imports none of them."""
    found = scan()
    everything = statuses(found, PluginSettings.of_surroundings())
    chosen = {e.distribution: e for e in (*found.shadowed, *found.entries) if _is_meant(e, name)}
    if not chosen:
        known = sorted({text for e in found.entries for text in (e.distribution, e.name)})
        advice = install_advice(name) or " See: phantom plugins list"
        message = f"Nothing is installed under the name {name!r}.{did_you_mean(name, known)}{advice}"
        raise UnknownNameError(message, kind="plugin", name=name, known=tuple(known))
    tables = [_table(chosen[key], everything) for key in sorted(chosen)]
    click.echo(json.dumps(tables, indent=1) if as_json else "\n\n".join(map(_text, tables)))


def _is_meant(entry: InstalledEntry, name: str) -> bool:
    own = (entry.distribution, entry.name, entry.qualified_name)
    return normalised(name) in {normalised(text) for text in own}


def _table(entry: InstalledEntry, everything: list[EntryStatus]) -> dict[str, Any]:
    own = [as_table(status) for status in everything if status.distribution == entry.distribution]
    keys = ("distribution", "version", "summary", "source", "location")
    return {key: getattr(entry, key) for key in keys} | {"requires": list(entry.requires), "entries": own}


def _text(table: dict[str, Any]) -> str:
    rows = [("source", table["source"]), ("found in", table["location"])]
    rows += [("needs", requirement) for requirement in table["requires"]]
    entries = [("kind", "name", "version", "status", "target")]
    for entry in table["entries"]:
        told = f"{entry['status']}: {entry['reason']}" if entry["reason"] else entry["status"]
        entries.append((entry["kind"], entry["name"], entry["version"], told, entry["target"]))
    heading = f"{table['distribution']} {table['version']}"
    summary = [table["summary"]] if table["summary"] else []
    return "\n".join([heading, *summary, aligned(rows), "", aligned(entries)])
