"""What there is to say of one run, as JSON has it: `phantom runs list --json` and `show --json`."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import phantom_core as ph


def listed_facts(saved: ph.tools.SavedRun) -> dict[str, Any]:
    """Return what there is to list of a run.

    `result` is the mean return of the last evaluation, else the mean reward of the group, as logged last.
    `seconds` are those from the start to the end, or until now.

    Raises:
        RunDirectoryError: if `metrics.jsonl` cannot be read.
    """
    started, ended, progress = saved.started, saved.ended, saved.progress()
    took = None if started is None else ((ended or datetime.now(UTC)) - started).total_seconds()
    return {
        "run": str(saved.path),
        "name": saved.facts.get("name"),
        "status": saved.status,
        "progress": {**asdict(progress), "share": progress.share, "text": str(progress)},
        "result": _result(saved),
        "started": started and started.isoformat(timespec="seconds"),
        "ended": ended and ended.isoformat(timespec="seconds"),
        "seconds": took,
        "trainer": saved.facts.get("trainer"),
        "env": _env(saved.settings),
        "problem": "",
    }


def shown_facts(saved: ph.tools.SavedRun) -> dict[str, Any]:
    """Return what there is to show of a run: what is listed, and everything else but the final policies.

    Raises:
        RunDirectoryError: if `metrics.jsonl` cannot be read.
    """
    facts, checkpoints = saved.facts, saved.checkpoints()
    origins = facts.get("origins", {})
    evaluation = facts.get("evaluation")
    return {
        **listed_facts(saved),
        "stop_reasons": facts.get("stop_reasons", []),
        "error": facts.get("error"),
        "process": facts.get("process"),
        "seed": facts.get("seed"),
        "is_signed": saved.is_signed,
        "settings": {
            name: {"value": value, "origin": origins.get(name, "")}
            for name, value in leaves(saved.settings)
            if name != "name"
        },
        "versions": facts.get("versions", {}),
        "plugins": facts.get("plugins", []),
        "skipped_plugins": facts.get("skipped_plugins", []),
        "checkpoints": [asdict(one) | {"path": str(one.path)} for one in checkpoints],
        "resumed": facts.get("resumed", []),
        "newest_values": _newest_values(saved),
        "evaluation": evaluation and {name: evaluation.get(name) for name in ("episodes", "mean_return")},
        "problems": facts.get("problems", []),
        "hook_failures": facts.get("hook_failures", []),
        "to_go_on": list(_to_go_on(saved, [one.path for one in checkpoints if not one.problem])),
    }


def leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what nested mappings hold, by dotted name."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def json_number(value: float) -> float | str:
    """Return a number as JSON can have it: NaN and infinities as texts."""
    return value if math.isfinite(value) else str(value)


def _result(saved: ph.tools.SavedRun) -> dict[str, Any] | None:
    evaluation = saved.facts.get("evaluation")
    if isinstance(evaluation, Mapping):
        return {"name": "eval/mean_return", "value": evaluation.get("mean_return")}
    newest = saved.newest_values()[::-1]
    for name in ("eval/mean_return", "rewards/group"):
        for row in newest:
            if name in row.values:
                return {"name": name, "value": json_number(row.values[name])}
    return None


def _newest_values(saved: ph.tools.SavedRun) -> dict[str, dict[str, Any]]:
    """Return each value that was logged lately, and in which iteration, by name."""
    return {
        name: {"iteration": row.iteration, "value": json_number(value)}
        for row in saved.newest_values()
        for name, value in row.values.items()
    }


def _env(settings: Mapping[str, Any]) -> str:
    """Return the env of a run in a few words: its class, or the adapter and what it adapts."""
    adapted = settings.get("env_config", {})
    names = [settings.get("env", "-"), adapted.get("env", "") if isinstance(adapted, Mapping) else ""]
    return " ".join(str(name).rpartition(":")[2] for name in names if name)


def _to_go_on(saved: ph.tools.SavedRun, whole: list[Path]) -> Iterator[str]:
    """Yield the commands that go on with a run, which has these checkpoints that are whole."""
    run, status = saved.path, saved.status
    if status.startswith("running"):
        return
    numbered = [path for path in whole if path.parent != run]
    of_copy = ["--copy", "0"] if saved.facts.get("independent_copies", 1) != 1 else []
    if whole and whole[-1].parent == run:
        yield shlex.join(["phantom", "evaluate", str(run), *of_copy])
    elif numbered:
        yield shlex.join(["phantom", "evaluate", str(numbered[-1]), *of_copy])
    if not numbered:
        yield shlex.join(["phantom", "train", str(run / "config.toml")])
    elif status == "completed":
        progress = saved.progress()
        option = "--iterations" if progress.unit == "iterations" else "--total-steps"
        more = 2 * (progress.planned or progress.iterations)
        yield shlex.join(["phantom", "resume", str(run), option, str(more)])
    elif status != "diverged":
        yield shlex.join(["phantom", "resume", str(run)])
