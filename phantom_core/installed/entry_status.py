"""The status of installed plugins, determined without importing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal, TypeAlias

from phantom_core.importing import find_module, split_target
from phantom_core.installed.discovery import (
    CORE_DISTRIBUTION,
    PLUGIN_GROUP,
    InstalledEntry,
    Scan,
    distribution_version,
    normalised,
    requirements,
    scan,
)
from phantom_core.installed.plugin_settings import PluginSettings

Status: TypeAlias = Literal[
    "ok", "disabled", "incompatible", "conflict", "shadowed duplicate", "failed", "missing dependency"
]


@dataclass(frozen=True, slots=True)
class EntryStatus:
    """The status of one installed component or plugin object.

    Attributes:
        kind: the kind of component, or `"plugin"`.
        name: the name that users select it by.
        distribution: the distribution that provides it.
        version: the version of that distribution.
        source: where it was installed from.
        status: `"ok"`, or why it cannot be used.
        reason: details of the status; empty if it is `"ok"`.
        target: where it is imported from.
        group: the entry-point group, such as `phantom_core.trainers`; empty for what a plugin object offers.
        location: the folder on `sys.path` that holds the metadata of the distribution.
        requires: the requirements of the distribution, as in its metadata.
        core_specifier: its version specifier for the core, such as `>=0.2,<0.3`; empty without one.
        problem: why the entry point or the metadata is invalid; empty if it is valid. A distribution whose
            metadata cannot be read has one entry, whose `kind` and `name` are `"?"`.
    """

    kind: str
    name: str
    distribution: str
    version: str
    source: str
    status: Status
    reason: str
    target: str = ""
    group: str = ""
    location: str = ""
    requires: tuple[str, ...] = ()
    core_specifier: str = ""
    problem: str = ""


def plugin_statuses() -> list[EntryStatus]:
    """Return the status of each installed plugin, sorted by kind, name and distribution; nothing is imported.

    The settings are those of the environment variables and of `phantom.toml` in the working directory. Raises
    ConfigError if that file is invalid.
    """
    return statuses(scan(), PluginSettings.of_surroundings())


def statuses(found: Scan, settings: PluginSettings) -> list[EntryStatus]:
    """Return the status of the entries that a scan found, sorted by kind, name and distribution."""
    enabled: dict[tuple[str, str], list[InstalledEntry]] = {}
    for entry in found.entries:
        if entry.group != PLUGIN_GROUP and not settings.refusal_of(entry):  # plugin objects cannot conflict
            enabled.setdefault(_key(entry), []).append(entry)
    version_of = cache(distribution_version)
    result = [_status(entry, *_check(entry, settings, enabled, version_of)) for entry in found.entries]
    for entry in found.shadowed:
        name = normalised(entry.distribution)
        winner = next(e for e in found.entries if normalised(e.distribution) == name)
        reason = f"{winner.distribution} {winner.version} in {winner.location} comes first"
        result.append(_status(entry, "shadowed duplicate", reason))
    for broken in found.broken:
        reason = f"{broken.problem} ({broken.location})"
        told: dict[str, Any] = {"location": broken.location, "problem": broken.problem}
        result.append(EntryStatus("?", "?", broken.name, "?", "?", "failed", reason, **told))
    return sorted(result, key=lambda s: (s.kind, normalised(s.name), s.distribution, s.version))


def _status(entry: InstalledEntry, status: Status, reason: str) -> EntryStatus:
    names = {field.name for field in fields(EntryStatus)} - {"status", "reason"}
    return EntryStatus(**{name: getattr(entry, name) for name in names}, status=status, reason=reason)


def _check(
    entry: InstalledEntry,
    settings: PluginSettings,
    enabled: dict[tuple[str, str], list[InstalledEntry]],
    version_of: Callable[[str], str | None],
) -> tuple[Status, str]:
    refusal = settings.refusal_of(entry)
    if refusal:
        return "disabled", refusal.rstrip(".")
    if entry.problem:
        return "failed", entry.problem
    if not entry.is_compatible:
        return "incompatible", f"needs {CORE_DISTRIBUTION}{entry.core_specifier}"
    missing_module = _module_problem(entry.target)
    if missing_module:
        return "failed", missing_module
    missing = list(_missing_requirements(entry.requires, version_of))
    if missing:
        return "missing dependency", f"needs {', '.join(missing)}"
    others = [e for e in enabled.get(_key(entry), ()) if e is not entry]
    if others:
        return "conflict", f"also offered by {', '.join(e.distribution for e in others)}"
    return "ok", ""


def _key(entry: InstalledEntry) -> tuple[str, str]:
    return entry.kind, normalised(entry.name)


def _missing_requirements(
    requires: tuple[str, ...], version_of: Callable[[str], str | None]
) -> Iterator[str]:
    """Yield the requirements (as in metadata) that are not installed, or not in a matching version."""
    for requirement in requirements(requires):
        version = version_of(requirement.name)
        wanted = f"{requirement.name}{requirement.specifier}"
        if version is None:
            yield wanted
        elif not requirement.specifier.contains(version, prereleases=True):
            yield f"{wanted} (installed: {version})"


def _module_problem(target: str) -> str:
    """Return why the module of a target cannot be found, or an empty string; nothing is imported."""
    module_name, _ = split_target(target)
    try:
        spec = find_module(module_name)
    except Exception as error:  # an import hook may raise anything
        return f"the module {module_name} cannot be looked for: {error}"
    return "" if spec is not None else f"there is no module {module_name}"
