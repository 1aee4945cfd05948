"""`phantom runs show RUN`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

import phantom_core as ph
from phantom_runs.run_facts import leaves, shown_facts
from phantom_runs.run_texts import number_text, on_one_line, path_text, span_text, value_text

_Rows = Sequence[Sequence[str]]


@click.command("show")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of text.")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def show_command(*, run: Path, as_json: bool, verbose: bool) -> None:
    """Show what there is to know of the run directory RUN.

    Status and why, times, settings and where they came from, versions, plugins, checkpoints, where it was
    resumed, what it logged last, its evaluation, what failed, and how to go on.
    """
    del verbose  # main() looks at it
    found = shown_facts(ph.tools.SavedRun.read(run))
    if as_json:
        click.echo(json.dumps(found, indent=1, default=str))
        return
    click.echo(path_text(run))
    click.echo(ph.tools.aligned(list(_head(found))))
    for title, rows in _parts(found):
        if rows:
            click.echo(f"\n{title}")
            click.echo(ph.tools.aligned([("", *row) for row in rows]))


def _head(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what there is of every run."""
    yield "status", on_one_line(": ".join([run["status"], *filter(None, [_why(run)])]))
    yield "progress", f"{run['progress']['text']}, {run['progress']['env_steps']:,} env steps"
    if run["started"] is not None:
        ago = span_text(datetime.now(UTC) - datetime.fromisoformat(run["started"]))
        yield "started", f"{_time(run['started'])}, {ago} ago"
        end = "not yet" if run["ended"] is None else _time(run["ended"])
        yield "ended", f"{end}, after {span_text(timedelta(seconds=run['seconds']))}"
    if isinstance(run["process"], Mapping):
        yield "process", value_text(f"{run['process'].get('pid')} on {run['process'].get('host')}")
    yield "trainer", value_text(run["trainer"])
    yield "env", value_text(run["env"])
    yield "seed", value_text(run["seed"])
    if run["evaluation"]:
        episodes, mean_return = run["evaluation"]["episodes"], run["evaluation"]["mean_return"]
        yield "evaluation", f"mean return {number_text(mean_return)} of {value_text(episodes)} episodes"
    yield "signed", "yes" if run["is_signed"] else "no: see phantom runs trust"
    plugins = {str(plugin.get("distribution")): plugin.get("version") for plugin in run["plugins"]}
    for title, versions in (("versions", dict(leaves(run["versions"]))), ("plugins", plugins)):
        yield title, on_one_line(", ".join(f"{name} {version}" for name, version in versions.items())) or "-"


def _why(run: Mapping[str, Any]) -> str:
    """Return why a run has its status, as far as that is known."""
    if run["status"] == "gone":
        return "its process ended without saying how, as by SIGKILL; the end is when it wrote last"
    return ", ".join(map(str, filter(None, [run["error"], *run["stop_reasons"]])))


def _parts(run: Mapping[str, Any]) -> Iterator[tuple[str, _Rows]]:
    """Yield what only some runs have: a title and rows."""
    settings = run["settings"].items()
    yield (
        "settings that are not defaults",
        [(on_one_line(n), value_text(s["value"]), value_text(s["origin"])) for n, s in settings],
    )
    yield (
        "skipped plugins",
        [(value_text(one.get("name")), value_text(one.get("reason"))) for one in run["skipped_plugins"]],
    )
    yield "checkpoints", [_checkpoint(one) for one in run["checkpoints"]]
    yield "resumed", [_resumption(one) for one in run["resumed"]]
    newest = [(n, v) for n, v in run["newest_values"].items() if not n.startswith("time/")]
    yield (
        "logged last",
        [(on_one_line(n), number_text(v["value"]), f"@ {v['iteration']}") for n, v in newest],
    )
    yield "problems", [(on_one_line(problem),) for problem in run["problems"]]
    yield "failures of hooks", [(on_one_line(failure),) for failure in run["hook_failures"]]
    yield "to go on", [(on_one_line(command),) for command in run["to_go_on"]]


def _checkpoint(one: Mapping[str, Any]) -> tuple[str, ...]:
    state = on_one_line(one["problem"]) or "whole"
    signed = "signed" if one["is_signed"] else "not signed"
    return Path(one["path"]).name, f"{one['size']:,} bytes", signed, state


def _resumption(one: Mapping[str, Any]) -> tuple[str, ...]:
    differences = "; ".join(map(str, one.get("differences", ()))) or "nothing was other than before"
    after = f"after {value_text(one.get('iterations'))} iterations"
    return _time(one.get("time")), after, f"was {value_text(one.get('status'))}", on_one_line(differences)


def _time(text: Any) -> str:
    """Return a time in UTC, as people write it."""
    return value_text(text).replace("T", " ").replace("+00:00", " UTC")
