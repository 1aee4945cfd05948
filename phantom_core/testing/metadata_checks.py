"""What metadata alone says is wrong with installed plugins; nothing is imported."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from phantom_core.importing import top_package
from phantom_core.installed.discovery import (
    CORE_DISTRIBUTION,
    InstalledEntry,
    Scan,
    core_bound,
    normalised,
    packages_by_distribution,
)
from phantom_core.installed.entry_status import EntryStatus, statuses
from phantom_core.installed.install_source import editable_folder
from phantom_core.installed.plugin_settings import PluginSettings

RawFinding: TypeAlias = tuple[str, Literal["error", "warning"], str, str, str]
"""Check, severity, where, what, advice."""


def check_metadata(found: Scan, settings: PluginSettings) -> Iterator[RawFinding]:
    """Yield everything that metadata shows."""
    by_distribution: dict[str, list[InstalledEntry]] = {}
    for entry in found.entries:
        by_distribution.setdefault(entry.distribution, []).append(entry)
    for entries in by_distribution.values():
        yield from _stale(entries)
        yield from _unbound(entries[0])
    for status in statuses(found, settings):
        yield from _by_status(status)
    yield from _duplicates(found)
    yield from _shared_packages(by_distribution)
    for name, source in settings.unknown_names((*found.entries, *found.shadowed)):
        what, advice = (
            f"It names {name!r}, which is not installed.",
            "Mend the name, or take it off the list.",
        )
        yield "unknown-name", "warning", source, what, advice


def _stale(entries: list[InstalledEntry]) -> Iterator[RawFinding]:
    """An editable install knows its entry points from when it was installed."""
    distribution = entries[0].distribution
    folder = editable_folder(entries[0].source)
    if folder is None:
        return
    where, advice = f"{distribution} ({folder})", f"Run: pip install --editable {folder}"
    try:
        project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        project = project["project"]
    except FileNotFoundError:
        if not folder.is_dir():
            advice = f"Install it from where it is now, or: pip uninstall {distribution}"
            yield (
                "stale-entry-points",
                "error",
                where,
                "The folder that it was installed from is gone.",
                advice,
            )
        return
    except (OSError, ValueError, KeyError, TypeError):
        return  # another way to say it than ours
    if "entry-points" in project.get("dynamic", ()):
        return
    declared = {
        (group, name, target.replace(" ", ""))
        for group, lines in project.get("entry-points", {}).items()
        if group.startswith("phantom_core.")
        for name, target in lines.items()
    }
    installed = {(e.group, e.name, e.target.replace(" ", "")) for e in entries}
    if declared != installed:
        names = ", ".join(sorted({repr(name) for _, name, _ in declared ^ installed}))
        what = f"Its pyproject.toml and what is installed differ in {names}."
        yield "stale-entry-points", "error", where, what, advice


def _unbound(entry: InstalledEntry) -> Iterator[RawFinding]:
    if not entry.core_specifier and normalised(entry.distribution) != CORE_DISTRIBUTION:
        what = f"It does not say which versions of {CORE_DISTRIBUTION} it works with."
        advice = f'Its dependencies should have a bound, such as "{CORE_DISTRIBUTION}{core_bound()}".'
        yield "no-core-bound", "warning", entry.distribution, what, advice


def _by_status(status: EntryStatus) -> Iterator[RawFinding]:
    where = f"{status.kind} {status.distribution}:{status.name}"
    again = f"Run: pip install --force-reinstall {status.distribution}"
    if status.status == "missing dependency":
        advice = f"Install it: pip install {status.distribution}"
        yield "missing-dependency", "error", where, f"It {status.reason}.", advice
    elif status.status == "incompatible":
        advice = f"Run: pip install -U {status.distribution} {CORE_DISTRIBUTION}"
        yield "incompatible", "error", where, f"It {status.reason}.", advice
    elif status.status == "conflict":
        advice = f"Select it as {status.distribution}:{status.name}, or disable the other."
        yield "conflict", "warning", where, f"Its name is {status.reason}.", advice
    elif status.status == "failed" and status.target:
        yield "missing-module", "error", where, f"It points to {status.target}, and {status.reason}.", again
    elif status.status == "failed":
        yield "broken-metadata", "error", status.distribution, f"{status.reason}.", again


def _duplicates(found: Scan) -> Iterator[RawFinding]:
    places = {(e.distribution, e.version, e.location) for e in found.shadowed}
    first = {normalised(e.distribution): e for e in found.entries}
    for distribution, version, location in sorted(places):
        winner = first[normalised(distribution)]
        where = f"{distribution} {version} ({location})"
        what = f"It is hidden by {winner.distribution} {winner.version} ({winner.location})."
        advice = f"Remove the one that you do not want: pip uninstall {distribution}"
        if location == winner.location:
            advice = f"An upgrade was broken off. {advice}, then install it again"
        yield "duplicate-metadata", "warning", where, what, f"{advice}."


def _shared_packages(by_distribution: dict[str, list[InstalledEntry]]) -> Iterator[RawFinding]:
    """Two distributions with one package overwrite each other's files."""
    owners = packages_by_distribution()
    for distribution, entries in sorted(by_distribution.items()):
        own = {top_package(entry.target) for entry in entries}
        if editable_folder(entries[0].source) is None:
            own &= owners.get(normalised(distribution), own)
        for other, packages in sorted(owners.items()):
            shared = sorted(own & packages) if other != normalised(distribution) else []
            # Of two that are both plugins, the one that comes first in the alphabet is reported.
            is_seen = other in {normalised(name) for name in by_distribution} and other < normalised(
                distribution
            )
            if shared and not is_seen:
                what = f"Both own the package {', '.join(shared)}, and overwrite each other's files."
                advice = f"Run: pip uninstall {distribution} {other}, then install the one that you want."
                yield "shared-package", "error", f"{distribution}, {other}", what, advice
