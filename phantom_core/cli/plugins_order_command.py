"""`phantom plugins order HOOK`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import click

from phantom_core.cli.text_columns import aligned
from phantom_core.component_config import build
from phantom_core.errors import ConfigError, did_you_mean
from phantom_core.hooks.discovery import PLUGIN_GROUP, installed_entries
from phantom_core.hooks.hook_order import ordered, reasons
from phantom_core.hooks.hookspecs import LIFE_CYCLE_HOOKS
from phantom_core.hooks.plugin_manager import PluginManager
from phantom_core.hooks.plugin_settings import PluginSettings
from phantom_core.hooks.static_hooks import StaticHooks, read_hooks
from phantom_core.training.run_tables import RunTable, read_table


@dataclass(frozen=True, slots=True)
class _Follower:
    """Somebody who would follow a run."""

    name: str
    origin: str
    hooks: StaticHooks


@click.command("order")
@click.argument("hook")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--logger", "loggers", multiple=True, metavar="NAME", help="With this logger. Repeatable.")
@click.option("-p", "places", multiple=True, metavar="PLACE", help="With this module or file. Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of text.")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def order_command(
    *,
    hook: str,
    file: Path | None,
    loggers: tuple[str, ...],
    places: tuple[str, ...],
    as_json: bool,
    verbose: bool,
) -> None:
    """Show which plugins run HOOK in a run, in which order and why. Imports none of them.

    Those are the plugins that take part because they are installed, the logger jsonl, and those that the
    run file FILE or the options name. Their source is read: what it makes at run time is only known when
    it is imported, and said to be unknown here. A run writes the order that it had into run.json.
    """
    del verbose  # main() looks at it
    if hook not in LIFE_CYCLE_HOOKS:
        raise ConfigError(
            f"There is no hook {hook!r} of runs.{did_you_mean(hook, LIFE_CYCLE_HOOKS)} There are: "
            f"{', '.join(LIFE_CYCLE_HOOKS)}."
        )
    found = _table(hook, list(_followers(file, loggers, places)))
    click.echo(json.dumps(found, indent=1) if as_json else _text(found))


def _followers(file: Path | None, loggers: tuple[str, ...], places: tuple[str, ...]) -> Iterator[_Follower]:
    top = RunTable(env="", trainer="")
    settings, folder = PluginSettings.of_surroundings(), Path()
    if file is not None:
        top = cast("RunTable", build(RunTable, read_table(file), file.name, separator=": "))
        settings, folder = settings.with_table(top.plugins, file.name), file.parent
    registry = PluginManager(settings).registry()
    chosen = dict.fromkeys(
        [*(loggers or top.loggers), *(["jsonl"] if registry.has("logger", "jsonl") else [])]
    )
    for name in chosen:
        logger = registry.find("logger", name)
        target = logger.target if isinstance(logger.target, str) else f"{logger.target.__module__}:?"
        yield _Follower(logger.name, f"logger of {logger.provider}", read_hooks(target))
    for entry in installed_entries():
        if entry.group == PLUGIN_GROUP and entry.is_compatible and not settings.refusal_of(entry):
            origin = f"installed with {entry.distribution} {entry.version}"
            yield _Follower(entry.qualified_name, origin, read_hooks(entry.target))
    for place, start in (*((p, folder) for p in top.hooks), *((p, Path()) for p in places)):
        name = place.rpartition(":")[2] if ":" in place else Path(place).stem
        yield _Follower(name, f"named as {place}", read_hooks(place, start))


def _table(hook: str, followers: list[_Follower]) -> dict[str, Any]:
    placed = {f.name: f.hooks.places[hook] for f in followers if hook in f.hooks.places}
    why, origin = reasons(placed), {f.name: f.origin for f in followers}
    return {
        "hook": hook,
        "order": [
            {"plugin": name, "why": why[name], "origin": origin[name]} for name in ordered(placed, hook)
        ],
        "unknown": [
            {"plugin": f.name, "why": f.hooks.unknown, "origin": f.origin}
            for f in followers
            if f.hooks.unknown
        ],
    }


def _text(table: dict[str, Any]) -> str:
    rows = [
        (str(number), found["plugin"], found["why"], found["origin"])
        for number, found in enumerate(table["order"], start=1)
    ]
    lines = [aligned(rows)] if rows else [f"Nobody implements {table['hook']}."]
    if table["unknown"]:
        rows = [("?", found["plugin"], found["why"], found["origin"]) for found in table["unknown"]]
        lines += ["", "What these do is not fully known until they are imported:", aligned(rows)]
    return "\n".join(lines)
