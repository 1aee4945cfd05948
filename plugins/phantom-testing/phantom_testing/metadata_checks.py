"""What metadata alone says is wrong with installed plugins; nothing is imported."""

from __future__ import annotations

import importlib.metadata
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from packaging.utils import canonicalize_name

import phantom_core as ph
from phantom_testing.core_bound import CORE_DISTRIBUTION, core_bound

RawFinding: TypeAlias = tuple[str, Literal["error", "warning"], str, str, str]
"""Check, severity, where, what, advice."""


def check_metadata(statuses: Sequence[ph.tools.EntryStatus]) -> Iterator[RawFinding]:
    """Yield everything that metadata shows."""
    by_distribution: dict[str, list[ph.tools.EntryStatus]] = {}
    for status in in_use(statuses):
        by_distribution.setdefault(status.distribution, []).append(status)
    for entries in by_distribution.values():
        yield from _stale(entries)
        yield from _unbound(entries[0])
    for status in statuses:
        yield from _by_status(status)
    yield from _duplicates(statuses)
    yield from _shared_packages(by_distribution)
    known = {
        canonicalize_name(name)
        for status in statuses
        for name in (status.distribution, status.name, f"{status.distribution}:{status.name}")
    }
    for name, source in _names_in_settings():
        if canonicalize_name(name) not in known:
            what, advice = (
                f"It names {name!r}, which is not installed.",
                "Fix the name, or take it off the list.",
            )
            yield "unknown-name", "warning", source, what, advice


def in_use(statuses: Sequence[ph.tools.EntryStatus]) -> list[ph.tools.EntryStatus]:
    """Return the entries of the distributions that are used, by distribution, group and name."""
    found = [s for s in statuses if s.group and s.status != "shadowed duplicate"]
    return sorted(found, key=lambda s: (canonicalize_name(s.distribution), s.group, s.name))


def packages_by_distribution() -> dict[str, set[str]]:
    """Return the top-level packages and modules of every distribution, according to its metadata.

    The metadata of an editable install does not list them.
    """
    found: dict[str, set[str]] = {}
    for installed in importlib.metadata.distributions():
        text = installed.read_text("METADATA") or installed.read_text("PKG-INFO") or ""
        name = re.search(r"^name:[ \t]*(\S+)", text, re.IGNORECASE | re.MULTILINE)
        if name is not None:
            found.setdefault(canonicalize_name(name[1]), set()).update(_packages_of(installed))
    return found


def _packages_of(installed: importlib.metadata.Distribution) -> set[str]:
    """Do as `importlib.metadata.packages_distributions`, which makes objects of thousands of paths."""
    listed = (installed.read_text("top_level.txt") or "").split()
    if listed:
        return set(listed)
    record = installed.read_text("RECORD")
    lines = map(str, installed.files or ()) if record is None else record.splitlines()
    paths = (line.partition(",")[0] for line in lines)
    names = {path.partition("/")[0].removesuffix(".py") for path in paths if path.endswith(".py")}
    return {name for name in names if "." not in name}


def _names_in_settings() -> Iterator[tuple[str, str]]:
    """Yield the names that settings of plugins hold, each with its source."""
    for variable in ("PHANTOM_DISABLED_PLUGINS", "PHANTOM_ALLOWED_PLUGINS"):
        for name in os.environ.get(variable, "").split(","):
            if name.strip():
                yield name.strip(), variable
    file = Path("phantom.toml")
    if file.is_file():  # the core has checked it
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("plugins", {})
        for key in ("disable", "allow"):
            for name in table.get(key, ()):
                yield name, f"plugins.{key} in {file}"


_EDITABLE: Final = "editable "


def _editable_folder(status: ph.tools.EntryStatus) -> Path | None:
    """Return the folder of an editable install; None for other installs."""
    source = status.source
    return Path(source.removeprefix(_EDITABLE)) if source.startswith(_EDITABLE) else None


def _stale(entries: list[ph.tools.EntryStatus]) -> Iterator[RawFinding]:
    """An editable install knows its entry points from when it was installed."""
    distribution = entries[0].distribution
    folder = _editable_folder(entries[0])
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


def _unbound(entry: ph.tools.EntryStatus) -> Iterator[RawFinding]:
    if not entry.core_specifier and canonicalize_name(entry.distribution) != CORE_DISTRIBUTION:
        what = f"It does not say which versions of {CORE_DISTRIBUTION} it works with."
        advice = f'Its dependencies should have a bound, such as "{CORE_DISTRIBUTION}{core_bound()}".'
        yield "no-core-bound", "warning", entry.distribution, what, advice


def _by_status(status: ph.tools.EntryStatus) -> Iterator[RawFinding]:
    where = f"{status.kind} {status.distribution}:{status.name}"
    if status.status == "missing dependency":
        advice = f"Install it: pip install {status.distribution}"
        yield "missing-dependency", "error", where, f"It {status.reason}.", advice
    elif status.status == "incompatible":
        advice = f"Run: pip install -U {status.distribution} {CORE_DISTRIBUTION}"
        yield "incompatible", "error", where, f"It {status.reason}.", advice
    elif status.status == "conflict":
        advice = f"Select it as {status.distribution}:{status.name}, or disable the other."
        yield "conflict", "warning", where, f"Its name is {status.reason}.", advice
    elif status.status == "failed" and status.group:
        what = f"It points to {status.target}, and {status.reason}."
        yield "missing-module", "error", where, what, _entry_point_advice(status)
    elif status.status == "failed":
        advice = f"Run: pip install --force-reinstall {status.distribution}"
        yield "broken-metadata", "error", status.distribution, f"{status.reason}.", advice


def _entry_point_advice(status: ph.tools.EntryStatus) -> str:
    """Return what to do about an entry point that is wrong, or whose module is not there."""
    folder = _editable_folder(status)
    if folder is not None:
        return (
            f"Fix its entry point in {folder / 'pyproject.toml'}, then run: pip install --editable {folder}"
        )
    if status.problem:
        return f"Tell the authors of {status.distribution}: no reinstallation changes its entry point."
    return (
        f"Run: pip install --force-reinstall {status.distribution}. If that does not help, tell its authors "
        "that its entry point is wrong."
    )


def _duplicates(statuses: Sequence[ph.tools.EntryStatus]) -> Iterator[RawFinding]:
    places = {(s.distribution, s.version, s.location) for s in statuses if s.status == "shadowed duplicate"}
    first = {canonicalize_name(s.distribution): s for s in in_use(statuses)}
    for distribution, version, location in sorted(places):
        winner = first[canonicalize_name(distribution)]
        where = f"{distribution} {version} ({location})"
        what = f"It is hidden by {winner.distribution} {winner.version} ({winner.location})."
        advice = f"Remove the one that you do not want: pip uninstall {distribution}"
        if location == winner.location:
            advice = f"An upgrade was broken off. {advice}, then install it again"
        yield "duplicate-metadata", "warning", where, what, f"{advice}."


def _shared_packages(by_distribution: dict[str, list[ph.tools.EntryStatus]]) -> Iterator[RawFinding]:
    """Two distributions with one package overwrite each other's files."""
    owners = packages_by_distribution()
    for distribution, entries in sorted(by_distribution.items()):
        own = {re.split("[.:]", entry.target)[0] for entry in entries}
        if _editable_folder(entries[0]) is None:
            own &= owners.get(canonicalize_name(distribution), own)
        for other, packages in sorted(owners.items()):
            shared = sorted(own & packages) if other != canonicalize_name(distribution) else []
            # Of two that are both plugins, the one that comes first in the alphabet is reported.
            is_seen = other in {
                canonicalize_name(name) for name in by_distribution
            } and other < canonicalize_name(distribution)
            if shared and not is_seen:
                what = f"Both own the package {', '.join(shared)}, and overwrite each other's files."
                advice = f"Run: pip uninstall {distribution} {other}, then install the one that you want."
                yield "shared-package", "error", f"{distribution}, {other}", what, advice
