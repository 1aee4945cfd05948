"""`phantom plugins list` and `phantom plugins info NAME`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from phantom_core.cli.lazy_group import VERBOSE
from phantom_core.errors import UnknownNameError, did_you_mean
from phantom_core.installed.discovery import InstalledEntry, editable_folder, normalised, scan
from phantom_core.installed.entry_status import EntryStatus, statuses
from phantom_core.installed.plugin_settings import PluginSettings
from phantom_core.installed.registry import install_advice
from phantom_core.text_columns import aligned


@click.command("list")
@click.option("--load", is_flag=True, help="Import the plugin objects, and list what they offer too.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def list_command(*, load: bool, as_json: bool) -> None:
    """List every component and plugin that is installed. Imports none of them without --load.

    The status says whether it will work: ok; disabled; incompatible (with this core); conflict (two
    distributions offer the name); shadowed duplicate (the distribution is found twice); missing
    dependency; failed (its entry point is wrong, or its metadata or module is not there). The folder of an
    editable install is in phantom plugins info NAME, and in --json.
    """
    settings, installed = PluginSettings.of_surroundings(), scan()
    for sentence in settings.warnings((*installed.entries, *installed.shadowed)):
        click.echo(f"Warning: {sentence}", err=True)
    found = statuses(installed, settings)
    if load:
        found = sorted(_loaded(found, settings), key=lambda s: (s.kind, s.name, s.distribution))
    if as_json:
        click.echo(json.dumps([as_table(status) for status in found], indent=1))
        return
    heading = ("kind", "name", "distribution", "version", "source", "status")
    click.echo(aligned([heading, *map(_row, found)]))


def as_table(status: EntryStatus) -> dict[str, str]:
    """Return what `--json` says of an entry."""
    keys = ("kind", "name", "distribution", "version", "source", "status", "reason", "target")
    return {key: getattr(status, key) for key in keys}


def _loaded(found: list[EntryStatus], settings: PluginSettings) -> Iterator[EntryStatus]:
    """Yield the statuses after plugin objects were imported, and then what these offer."""
    from phantom_core.hooks.plugin_manager import PluginManager

    manager = PluginManager(settings)
    with quiet():  # the table says what is skipped
        manager.load_installed_plugins()
    skipped = {one.name: one.reason.rstrip(".") for one in manager.skipped if one.status != "disabled"}
    for status in found:
        reason = skipped.get(f"{status.distribution}:{status.name}", "") if status.kind == "plugin" else ""
        is_news = reason and status.status == "ok"
        yield replace(status, status="failed", reason=reason) if is_news else status
    plugins = {f"{s.distribution}:{s.name}": s for s in found if s.status != "shadowed duplicate"}
    for component in manager.registry.components():
        plugin = plugins.get(component.distribution)
        if plugin is not None:
            target = component.target if isinstance(component.target, str) else repr(component.target)
            offered = replace(plugin, kind=component.kind, name=component.name, target=target, group="")
            yield replace(offered, distribution=component.distribution, status="ok", reason="", problem="")


@contextmanager
def quiet() -> Iterator[None]:
    """Log no warnings in the block."""
    log = logging.getLogger("phantom_core")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before


def _row(status: EntryStatus) -> tuple[str, ...]:
    told = f"{status.status}: {status.reason}" if status.reason else status.status
    source = "editable" if editable_folder(status.source) else status.source  # a folder fills the line
    return (status.kind, status.name, status.distribution, status.version, source, told)


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
