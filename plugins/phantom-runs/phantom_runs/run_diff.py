"""Compare two runs: settings, seeds, versions, plugins, results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import phantom_core as ph

_NAMES: Final = ("name", "run_dir")
_SEEDS: Final = ("seed", "evaluate.seed")
_RESULTS: Final = ("status", "error", "iterations", "env_steps", "stop_reasons", "hook_failures", "problems")


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that differs between two runs.

    Attributes:
        part: `"settings"`, `"seeds"`, `"versions"`, `"plugins"` or `"results"`.
        name: the name of the fact.
        first: its value in the first run; None if it has none.
        second: its value in the second run; None if it has none.
    """

    part: str
    name: str
    first: Any
    second: Any


def diff_runs(first: str | Path, second: str | Path) -> list[Difference]:
    """Return the differences between two run directories, except times and the names of the runs.

    Raises:
        RunDirectoryError: if one is not a run directory, or its `run.json` cannot be read.
    """
    runs = [_Facts.of(ph.tools.SavedRun.read(path)) for path in (first, second)]
    parts = ("settings", "seeds", "versions", "plugins", "results")
    return [d for part in parts for d in _differences(part, *(getattr(run, part) for run in runs))]


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts of one run: a flat mapping for each part."""

    settings: Mapping[str, Any]
    seeds: Mapping[str, Any]
    versions: Mapping[str, Any]
    plugins: Mapping[str, Any]
    results: Mapping[str, Any]

    @classmethod
    def of(cls, run: ph.tools.SavedRun) -> _Facts:
        facts, settings = run.facts, dict(_leaves(run.settings))
        results = {key: facts.get(key) for key in _RESULTS}
        results["evaluation.mean_return"] = facts.get("evaluation", {}).get("mean_return")
        return cls(
            settings={k: v for k, v in settings.items() if k not in (*_NAMES, *_SEEDS)},
            seeds={"seed": facts.get("seed"), "evaluate.seed": settings.get("evaluate.seed")},
            versions=dict(_leaves(facts.get("versions", {}))) | {"blas_threads": facts.get("blas_threads")},
            plugins=dict(_plugins(facts)),
            results=results | dict(_logged(run)),
        )


def _differences(part: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name), second.get(name)
        if one != other and not (_is_nan(one) and _is_nan(other)):
            yield Difference(part, name, one, other)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what nested mappings hold, by dotted name."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _plugins(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for plugin in facts.get("plugins", ()):
        for key in ("version", "source", "sha256"):
            name = {"sha256": "files"}.get(key, key)
            yield f"{plugin['distribution']} {name}", plugin.get(key)
    for hooks in facts.get("hooks", ()):
        yield f"{hooks['name']} {hooks['file']}", hooks["sha256"]
    for component in facts.get("components", ()):
        yield f"{component['kind']} {component['name']}", component["distribution"]
    for skipped in facts.get("skipped_plugins", ()):
        yield f"{skipped['name']} skipped", f"{skipped.get('status', '')}: {skipped['reason']}"
    for hook, order in facts.get("hook_order", {}).items():
        yield f"order of {hook}", order


def _logged(run: ph.tools.SavedRun) -> Iterator[tuple[str, Any]]:
    """Yield `name @ iteration` and the value, for every logged value except times."""
    for row in run.logged_values():
        for name, value in row.values.items():
            if not name.startswith("time/"):
                yield f"{name} @ {row.iteration}", value if math.isfinite(value) else str(value)  # for JSON
