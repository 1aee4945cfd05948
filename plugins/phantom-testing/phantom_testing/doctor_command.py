"""`phantom doctor ENV`."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import click

import phantom_core as ph
from phantom_testing.diagnose_env import diagnose
from phantom_testing.findings import Diagnosis, Finding, Severity


@click.command("doctor")
@click.argument("env")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Make the env with this argument, such as num_shops=3. Repeatable.",
)
@click.option(
    "--episodes",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help="How many to play.",
)
@click.option(
    "--max-steps",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="The most steps of an episode.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="The seed of the first episode.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of text.")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def doctor_command(
    *,
    env: str,
    assignments: tuple[str, ...],
    episodes: int,
    max_steps: int,
    seed: int,
    as_json: bool,
    verbose: bool,
) -> int:
    """Play ENV with random actions, and say what in it will bite in training.

    ENV is ./file.py:Class, package.module:Class or a registered name. The exit code is 0 if nothing
    will bite, 1 if something will, and 2 if ENV cannot be made.
    """
    del verbose  # main() looks at it
    env_config = ph.secrets.read_environment(dict(map(ph.tools.parse_assignment, assignments)), "")
    diagnosis = diagnose(_env_class(env), env_config, num_episodes=episodes, max_steps=max_steps, seed=seed)
    click.echo(json.dumps(_table(diagnosis), indent=1) if as_json else _report(diagnosis))
    return 1 if diagnosis.will_bite else 0


def _env_class(env: str) -> Any:
    try:
        return ph.find("env", env).load()
    except ph.errors.UnknownNameError:
        if ":" not in env:
            raise
    found = ph.tools.load_reference(env, setting="ENV", folder=Path.cwd(), start="the current folder")
    if not callable(found):
        raise ph.errors.ConfigError(f"ENV = {env!r} is {found!r}. Expected an env class.")
    return found


def _table(diagnosis: Diagnosis) -> dict[str, Any]:
    findings = [
        {
            "check": finding.check,
            "severity": finding.severity,
            "agent_id": None if finding.agent_id is None else str(finding.agent_id),
            "step": finding.step,
            "seed": finding.seed,
            "message": finding.message,
            "consequence": finding.consequence,
        }
        for finding in diagnosis.findings
    ]
    return {
        "findings": findings,
        "num_episodes": diagnosis.num_episodes,
        "num_steps": diagnosis.num_steps,
        "not_checked": diagnosis.not_checked,
        "trainers": diagnosis.trainers,
    }


def _report(diagnosis: Diagnosis) -> str:
    order = list(_COLOURS)
    groups = sorted(_alike(diagnosis.findings), key=lambda group: order.index(group[0].severity))
    parts = [_paragraph(group) for group in groups]
    played = f"Played {_count(diagnosis.num_episodes, 'episode')}, {_count(diagnosis.num_steps, 'step')}."
    severities = [group[0].severity for group in groups]
    summary = [f"{played} {_verdict(severities)}"]
    summary += [f"Not checked: {reason}." for reason in diagnosis.not_checked]
    can = "can train this env"
    if "error" in severities:
        can += f" once the {'errors' if severities.count('error') > 1 else 'error'} above "
        can += f"{'are' if severities.count('error') > 1 else 'is'} fixed"
    trainers: dict[str | None, list[str]] = {}
    for name, refusal in diagnosis.trainers.items():
        trainers.setdefault(refusal, []).append(name)
    for refusal, names in trainers.items():
        who = f"{'Trainer' if len(names) == 1 else 'Trainers'} {', '.join(names)}"
        summary.append(f"{who} {can}." if refusal is None else f"{who} cannot: {refusal}")
    lines = [textwrap.fill(line, _width(), subsequent_indent="  ") for line in summary]
    return "\n\n".join([*parts, "\n".join(lines)])


def _alike(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Group findings that say the same of several agents, up to numbers."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        message = re.sub(r"\d[\d.e+-]*", "", finding.message)
        groups.setdefault((finding.check, message), []).append(finding)
    return list(groups.values())


def _paragraph(group: Sequence[Finding]) -> str:
    finding, *others = group
    again = "" if finding.seed is None else f" (seed {finding.seed})"
    if others:
        again += f" The same goes for {_agents([other.agent_id for other in others])}."
    head = click.style(f"{finding.severity:<8}", bold=True, fg=_COLOURS[finding.severity])
    sentences = (f"{finding}{again}", f"→ {finding.consequence}")
    body = [line for sentence in sentences for line in textwrap.wrap(sentence, _width() - 8)]
    return head + "\n        ".join(body)


def _width() -> int:
    return min(100, max(40, shutil.get_terminal_size((100, 24)).columns))


_COLOURS: Final[dict[Severity, str]] = {"error": "red", "warning": "yellow", "note": "cyan"}


def _agents(agent_ids: Sequence[ph.AgentID]) -> str:
    if len(agent_ids) == 1:
        return f"agent {agent_ids[0]!r}"
    if len(agent_ids) <= _NAMED:
        return f"agents {ph.tools.listing(agent_ids)}"
    return f"agents {ph.tools.listing(agent_ids[:_NAMED])} and {len(agent_ids) - _NAMED:,} more"


_NAMED: Final = 3
"""So many agents of a group are named, besides the first."""


def _verdict(severities: Sequence[Severity]) -> str:
    if not severities:
        return "Found nothing that will bite."
    counts = [(severity, severities.count(severity)) for severity in _COLOURS]
    return f"Found {', '.join(_count(number, severity) for severity, number in counts if number)}."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
