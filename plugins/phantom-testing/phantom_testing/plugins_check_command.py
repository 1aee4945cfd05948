"""`phantom plugins check DIST`."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import click

import phantom_core as ph
from phantom_testing.check_distribution import check_entry, entries_of
from phantom_testing.check_runner import CheckResult


@click.command("check")
@click.argument("distribution", metavar="DIST")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of text.")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def check_command(*, distribution: str, as_json: bool, verbose: bool) -> int:
    """Run the conformance kit on everything that the installed distribution DIST offers.

    Needs no pytest. The exit code is 0 if every check passed, 1 if one failed, 2 if there is no such
    distribution.
    """
    del verbose  # main() looks at it
    entries = entries_of(distribution)
    rows = []
    for entry in entries:
        if not as_json:
            click.echo(f"{entry.kind} {entry.name}  ({entry.distribution} {entry.version})")
        results = []
        for result in check_entry(entry):
            results.append(result)
            if not as_json:
                _print(result)
        rows.append(_row(entry, results))
    failed = sum(not check["passed"] for row in rows for check in row["checks"])
    skipped = sum("skipped" in check for row in rows for check in row["checks"])
    passed = sum(len(row["checks"]) for row in rows) - failed - skipped
    if as_json:
        head = {"distribution": entries[0].distribution, "version": entries[0].version}
        click.echo(json.dumps({**head, "passed": passed, "failed": failed, "components": rows}, indent=1))
    else:
        click.echo(f"{passed} checks passed, {failed} failed{f', {skipped} skipped' if skipped else ''}.")
    return 1 if failed else 0


def _row(entry: ph.tools.EntryStatus, results: list[CheckResult]) -> dict[str, Any]:
    checks = [
        {"check": r.check, "passed": r.has_passed, "message": r.message}
        | ({"skipped": r.skipped} if r.skipped else {})
        for r in results
    ]
    return {"kind": entry.kind, "name": entry.name, "target": entry.target, "checks": checks}


def _print(result: CheckResult) -> None:
    sentence = result.check.replace("_", " ")
    if result.skipped:
        click.echo(f"  {click.style('skipped', fg='yellow')} {sentence}")
        click.echo(textwrap.fill(result.skipped, 100, initial_indent=" " * 10, subsequent_indent=" " * 10))
        return
    if result.has_passed:
        click.echo(f"  ok      {sentence}")
        return
    click.echo(f"  {click.style('FAILED', fg='red')}  {sentence}")
    click.echo(textwrap.fill(result.message, 100, initial_indent=" " * 10, subsequent_indent=" " * 10))
