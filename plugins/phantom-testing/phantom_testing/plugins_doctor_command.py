"""`phantom plugins doctor`."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from typing import Final

import click

import phantom_core as ph
from phantom_testing.diagnose_plugins import PluginDiagnosis, PluginFinding, diagnose_plugins

_WIDTH: Final = 100
_COLOURS: Final = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command("doctor")
@click.option("--no-import", is_flag=True, help="Look at metadata only.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Give an import up after so long.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of text.")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def doctor_command(*, no_import: bool, timeout: float, as_json: bool, verbose: bool) -> int:
    """Say what is wrong with the plugins that are installed, and what to do about it.

    Each plugin is imported in a process of its own, so one that hangs or ends its process hurts nobody.
    The exit code is 0 if nothing needs fixing, and 1 if something does.
    """
    del verbose  # main() looks at it

    def announce(name: str) -> None:
        if not as_json:
            click.echo(f"importing {name} …", err=True)

    diagnosis = diagnose_plugins(imports=not no_import, timeout=timeout, announce=announce)
    click.echo(json.dumps(asdict(diagnosis), indent=1) if as_json else _report(diagnosis))
    return 1 if any(finding.severity != "note" for finding in diagnosis.findings) else 0


def _report(diagnosis: PluginDiagnosis) -> str:
    parts = [_paragraph(finding) for finding in diagnosis.findings]
    if diagnosis.import_seconds:
        slowest = sorted(diagnosis.import_seconds.items(), key=lambda pair: -pair[1])
        rows = [(f"{seconds:6.2f} s", name) for name, seconds in slowest]
        parts.append("Import times, with the core already imported:\n" + ph.tools.aligned(rows))
    number = sum(finding.severity != "note" for finding in diagnosis.findings)
    parts.append(
        f"Found {number} thing{'s' if number > 1 else ''} to fix." if number else "Found nothing wrong."
    )
    return "\n\n".join(parts)


def _paragraph(finding: PluginFinding) -> str:
    head = click.style(f"{finding.severity:<8}", bold=True, fg=_COLOURS[finding.severity])
    sentences = (f"{finding.where}: {finding.what}", f"→ {finding.advice}")
    body = [line for sentence in sentences for line in textwrap.wrap(sentence, _WIDTH - 8)]
    return head + "\n        ".join(body)
