"""What is installed, read from metadata alone: no plugin is imported here.

The only module that imports `importlib_metadata`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

import importlib_metadata
from importlib_metadata import IDistribution
from packaging.requirements import InvalidRequirement, Requirement

from phantom_core.hooks.hookspecs import Kind

CORE_DISTRIBUTION: Final = "phantom-rl-core"
KIND_BY_GROUP: Final[dict[str, Kind]] = {
    "phantom_core.trainers": "trainer",
    "phantom_core.policies": "policy",
    "phantom_core.metrics": "metric",
    "phantom_core.loggers": "logger",
    "phantom_core.envs": "env",
}
PLUGIN_GROUP: Final = "phantom_core.plugins"


@dataclass(frozen=True, slots=True)
class InstalledEntry:
    """One entry-point line of an installed distribution.

    Attributes:
        group: the entry-point group, such as `phantom_core.trainers`.
        name: the name to the left of the `=`.
        target: what is to the right of it: `package.module:attribute`.
        distribution: the distribution that ships it.
        version: the version of that distribution.
        summary: the first line about that distribution.
        core_specifier: its version bound on the core, such as `>=0.1,<0.2`; empty without one.
    """

    group: str
    name: str
    target: str
    distribution: str
    version: str
    summary: str
    core_specifier: str

    @property
    def is_compatible(self) -> bool:
        """Whether the installed core meets the distribution's version bound."""
        return Requirement(f"core{self.core_specifier}").specifier.contains(core_version(), prereleases=True)


def normalised(name: str) -> str:
    """Fold a name as package indexes do: `Q_Learning` and `q-learning` are one name.

    >>> normalised("Q_Learning")
    'q-learning'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def core_version() -> str:
    """Return the version of the installed core."""
    return str(importlib_metadata.version(CORE_DISTRIBUTION))


def distribution_version(name: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed."""
    try:
        return str(importlib_metadata.version(name))
    except importlib_metadata.PackageNotFoundError:
        return None


@cache
def installed_entries() -> tuple[InstalledEntry, ...]:
    """Return all entry points that concern us, sorted by distribution, group and name.

    Metadata is read once per process; `installed_entries.cache_clear()` makes it read again. Of a
    distribution that is found twice, the first on `sys.path` counts.
    """
    found: dict[str, tuple[InstalledEntry, ...]] = {}
    for distribution in importlib_metadata.distributions():
        text = distribution.read_text("entry_points.txt") or ""
        if "phantom_core." not in text:
            continue  # reading the name of every distribution would cost the most time of all
        found.setdefault(normalised(distribution.metadata["Name"]), _entries(distribution))
    entries = [entry for per_distribution in found.values() for entry in per_distribution]
    return tuple(sorted(entries, key=lambda e: (normalised(e.distribution), e.group, e.name)))


def _entries(distribution: IDistribution) -> tuple[InstalledEntry, ...]:
    metadata = distribution.metadata
    specifier = _core_specifier(distribution.requires or [])
    return tuple(
        InstalledEntry(
            group=point.group,
            name=point.name,
            target=point.value,
            distribution=metadata["Name"],
            version=distribution.version,
            summary=str(metadata.get("Summary") or ""),
            core_specifier=specifier,
        )
        for point in distribution.entry_points
        if point.group in KIND_BY_GROUP or point.group == PLUGIN_GROUP
    )


def _core_specifier(requires: list[str]) -> str:
    for line in requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if normalised(requirement.name) == CORE_DISTRIBUTION and applies:
            return str(requirement.specifier)
    return ""
