"""What is installed, read from metadata alone: no plugin is imported here.

The only module that imports `importlib_metadata`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from phantom_core.errors import told
from phantom_core.hooks.hookspecs import Kind
from phantom_core.hooks.install_source import source_text

if TYPE_CHECKING:
    from importlib_metadata import IDistribution  # new in version 10; MLflow wants an older one

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
        source: where it was installed from: `index`, `editable <folder>`, or a URL.
        location: the folder on `sys.path` in which its metadata lies.
        requires: what else it needs, as in its metadata.
    """

    group: str
    name: str
    target: str
    distribution: str
    version: str
    summary: str
    core_specifier: str
    source: str = "index"
    location: str = ""
    requires: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What it is: a kind of component, or `"plugin"`."""
        return KIND_BY_GROUP.get(self.group, "plugin")

    @property
    def qualified_name(self) -> str:
        """`distribution:name`."""
        return f"{self.distribution}:{self.name}"

    @property
    def is_compatible(self) -> bool:
        """Whether the installed core meets the distribution's version bound."""
        return _core_meets(self.core_specifier)


class BrokenMetadata(NamedTuple):
    """A distribution with entry points of ours that cannot be read.

    Attributes:
        name: the distribution, as far as it can be told.
        location: the folder in which its metadata lies.
        problem: what is wrong.
    """

    name: str
    location: str
    problem: str


class Scan(NamedTuple):
    """What one look at `sys.path` finds.

    Attributes:
        entries: the entry points that count, sorted by distribution, group and name.
        shadowed: those of distributions that are found a second time, at another place or version.
        broken: distributions whose metadata cannot be read.
    """

    entries: tuple[InstalledEntry, ...]
    shadowed: tuple[InstalledEntry, ...]
    broken: tuple[BrokenMetadata, ...]


def normalised(name: str) -> str:
    """Fold a name as package indexes do: `Q_Learning` and `q-learning` are one name.

    >>> normalised("Q_Learning")
    'q-learning'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def _core_meets(specifier: str) -> bool:
    return SpecifierSet(specifier).contains(core_version(), prereleases=True)


@cache
def core_version() -> str:
    """Return the version of the installed core."""
    return str(importlib_metadata.version(CORE_DISTRIBUTION))


def distribution_version(name: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed."""
    try:
        return str(importlib_metadata.version(name))
    except importlib_metadata.PackageNotFoundError:
        return None


def packages_by_distribution() -> dict[str, set[str]]:
    """Return the top-level packages and modules of every distribution, as their metadata says.

    An editable install says nothing of them.
    """
    found: dict[str, set[str]] = {}
    for package, names in importlib_metadata.packages_distributions().items():
        for name in names:
            found.setdefault(normalised(name), set()).add(package)
    return found


def recorded_files(name: str) -> tuple[Path, ...]:
    """Return the files that were installed with a distribution, as its RECORD says."""
    try:
        files = importlib_metadata.files(name) or ()
    except importlib_metadata.PackageNotFoundError:
        return ()
    return tuple(Path(str(file.locate())) for file in files)


@cache
def installed_entries() -> tuple[InstalledEntry, ...]:
    """Return all entry points that concern us, sorted by distribution, group and name.

    Metadata is read once per process; `installed_entries.cache_clear()` makes it read again. Of a
    distribution that is found twice, the first on `sys.path` counts; of two versions in one folder, the
    later one.
    """
    return scan().entries


def scan() -> Scan:
    """Read the metadata of everything on `sys.path`, also what is shadowed or broken."""
    found: dict[str, list[InstalledEntry]] = {}
    shadowed: list[InstalledEntry] = []
    broken: list[BrokenMetadata] = []
    seen: set[tuple[str, str, str]] = set()
    latest_first = sorted(_candidates(), key=lambda pair: _version(pair[0]), reverse=True)
    for headers, distribution in sorted(latest_first, key=lambda pair: pair[0].place):
        if not headers.name:
            broken.append(BrokenMetadata("?", headers.location, "its METADATA gives no name"))
            continue
        name = normalised(headers.name)
        identity = (name, headers.version, str(Path(headers.location).resolve()))
        if identity in seen:
            continue  # one folder under two names, as lib and lib64
        seen.add(identity)
        try:
            entries = list(_entries(headers, distribution))
        except Exception as error:  # whatever a damaged file makes the parsers raise
            broken.append(BrokenMetadata(headers.name, headers.location, told(error)))
            continue
        if name in found:
            shadowed += entries
        else:
            found[name] = entries
    return Scan(_sorted(e for of_one in found.values() for e in of_one), _sorted(shadowed), tuple(broken))


class _Headers(NamedTuple):
    place: int
    location: str
    name: str
    version: str
    summary: str
    requires: tuple[str, ...]


def _candidates() -> Iterator[tuple[_Headers, IDistribution]]:
    """Yield the distributions that mention us; reading the name of every other would cost most of all."""
    places: dict[str, int] = {}
    for distribution in importlib_metadata.distributions():
        if "phantom_core." in (distribution.read_text("entry_points.txt") or ""):
            location = str(distribution.locate_file(""))
            place = places.setdefault(location, len(places))
            yield _headers(distribution, place, location), distribution


def _headers(distribution: IDistribution, place: int, location: str) -> _Headers:
    """Read the few headers that count; the parser of e-mails, which reads all, takes ten times as long."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    found: dict[str, list[str]] = {}
    for line in text.partition("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.lower(), []).append(value.strip())
    name, version, summary = (found.get(key, [""])[0] for key in ("name", "version", "summary"))
    return _Headers(place, location, name, version, summary, tuple(found.get("requires-dist", ())))


def _version(headers: _Headers) -> Version:
    try:
        return Version(headers.version)
    except InvalidVersion:
        return Version("0")


def _entries(headers: _Headers, distribution: IDistribution) -> Iterator[InstalledEntry]:
    specifier = _core_specifier(headers.requires)
    source = source_text(distribution.read_text("direct_url.json"))
    for point in distribution.entry_points:
        if point.group in KIND_BY_GROUP or point.group == PLUGIN_GROUP:
            yield InstalledEntry(
                group=point.group,
                name=point.name,
                target=point.value,
                distribution=headers.name,
                version=headers.version,
                summary=headers.summary,
                core_specifier=specifier,
                source=source,
                location=headers.location,
                requires=headers.requires,
            )


def _sorted(entries: Iterable[InstalledEntry]) -> tuple[InstalledEntry, ...]:
    return tuple(sorted(entries, key=lambda e: (normalised(e.distribution), e.group, e.name)))


def _core_specifier(requires: tuple[str, ...]) -> str:
    for requirement in requirements(requires):
        if normalised(requirement.name) == CORE_DISTRIBUTION:
            return str(requirement.specifier)
    return ""


def requirements(lines: Iterable[str]) -> Iterator[Requirement]:
    """Yield the requirements that hold here, without any extra."""
    for line in lines:
        requirement = _requirement(line)
        if requirement is not None:
            yield requirement


@cache
def _requirement(line: str) -> Requirement | None:
    """Return a requirement, or None if it does not hold here; many distributions have the same ones."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return None
    holds = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    return requirement if holds else None
