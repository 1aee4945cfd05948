"""Compare two runs: settings, seeds, versions, plugins, results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import phantom_core as ph
from phantom_runs.run_facts import json_number, leaves

_NAMES: Final = ("name", "run_dir")
_SEEDS: Final = ("seed", "evaluate.seed")
_RESULTS: Final = ("status", "error", "iterations", "env_steps", "stop_reasons", "hook_failures", "problems")

_Values: TypeAlias = Mapping[str, float]
_Row: TypeAlias = tuple[float, _Values]  # an iteration, and what was logged in it

_NOTHING: Final[_Values] = MappingProxyType({})
_END: Final[_Row] = (math.inf, _NOTHING)


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


def diff_runs(first: str | Path, second: str | Path) -> Iterator[Difference]:
    """Yield the differences between two run directories, except times and the names of the runs.

    What was logged comes last. It is read while it is asked for, so that long runs need no more memory than
    short ones.

    Raises:
        RunDirectoryError: if one is not a run directory, or its `run.json` cannot be read; and, when the line
            is reached, if its `metrics.jsonl` is damaged.
    """
    one, other = (ph.tools.SavedRun.read(path) for path in (first, second))
    facts = [_Facts.of(run) for run in (one, other)]
    parts = ("settings", "seeds", "versions", "plugins", "results")
    found = [d for part in parts for d in _differences(part, *(getattr(run, part) for run in facts))]
    return chain(found, _differences_in_logs(one, other))


def in_step(first: ph.tools.SavedRun, second: ph.tools.SavedRun) -> Iterator[tuple[int, _Values, _Values]]:
    """Yield each iteration, and what each run logged in it; nothing if it has no such iteration.

    The two files are read side by side. What trainers logged with a step of their own comes last, by step.
    """
    logs = _Log(first), _Log(second)
    yield from _paired(*(log.by_iteration() for log in logs))
    if any(log.has_own_steps for log in logs):
        yield from _paired(*(log.by_iteration(is_of_iteration=False) for log in logs))


def differing_names(one: _Values, other: _Values) -> list[str]:
    """Return the names whose values differ, except times; NaN differs from NaN."""
    differing = [name for name, value in one.items() if other.get(name) != value]
    if one.keys() != other.keys():
        differing += [name for name in other if name not in one]
    return [name for name in differing if not name.startswith("time/")]


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
        facts, settings = run.facts, dict(leaves(run.settings))
        results = {key: facts.get(key) for key in _RESULTS} | {"status": run.status}
        results["evaluation.mean_return"] = facts.get("evaluation", {}).get("mean_return")
        return cls(
            settings={k: v for k, v in settings.items() if k not in (*_NAMES, *_SEEDS)},
            seeds={"seed": facts.get("seed"), "evaluate.seed": settings.get("evaluate.seed")},
            versions=dict(leaves(facts.get("versions", {}))) | {"blas_threads": facts.get("blas_threads")},
            plugins=dict(_plugins(facts)),
            results=results,
        )


def _differences(part: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name), second.get(name)
        if one != other and not (_is_nan(one) and _is_nan(other)):
            yield Difference(part, name, one, other)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


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


def _differences_in_logs(first: ph.tools.SavedRun, second: ph.tools.SavedRun) -> Iterator[Difference]:
    """Yield `name @ iteration` and the values, for every logged value that differs, except times."""
    for iteration, one, other in in_step(first, second):
        for name in differing_names(one, other):
            pair = [
                None if value is None else json_number(value) for value in (one.get(name), other.get(name))
            ]
            if pair[0] != pair[1]:  # as NaN does from NaN
                yield Difference("results", f"{name} @ {iteration}", *pair)


class _Log:
    """What a run logged."""

    def __init__(self, run: ph.tools.SavedRun) -> None:
        self._run = run
        self.has_own_steps = False  # known after the values of iterations were read

    def by_iteration(self, *, is_of_iteration: bool = True) -> Iterator[_Row]:
        """Yield each iteration and what was logged in it; an evaluation at the end is a line of its own."""
        number, values = -1, _NOTHING
        for row in self._run.logged_values():
            if row.is_of_iteration is not is_of_iteration:
                self.has_own_steps = True
            elif row.iteration == number:
                values = {**values, **row.values}
            else:
                if number >= 0:
                    yield number, values
                number, values = row.iteration, row.values
        if number >= 0:
            yield number, values


def _paired(left: Iterator[_Row], right: Iterator[_Row]) -> Iterator[tuple[int, _Values, _Values]]:
    one, other = next(left, _END), next(right, _END)
    while one is not _END or other is not _END:
        number, values, other_values = min(one[0], other[0]), _NOTHING, _NOTHING
        if one[0] == number:
            values, one = one[1], next(left, _END)
        if other[0] == number:
            other_values, other = other[1], next(right, _END)
        yield int(number), values, other_values
