"""Discover installed plugins from metadata, without importing them.

This is the only module that imports `importlib_metadata`.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from phantom_core.errors import error_text
from phantom_core.importing import split_target, top_package

CORE_DISTRIBUTION: Final = "phantom-rl-core"
PLUGIN_GROUP: Final = "phantom_core.plugins"
"""Plugin objects: objects with hook implementations that are used in every run once installed."""
KIND_GROUP: Final = "phantom_core.kinds"
"""Declared kinds: the name is the kind, the target is the base class of its components."""

_EDITABLE: Final = "editable "
_PREFIX: Final = "phantom_core."
_NEAR_GROUP: Final = re.compile(
    r"phantom[-_.]?(rl[-_.]?)?core\b[-_.]?|phantom_(rl_)?core_|"
    r"phantom\.(?=(trainers?|polic(y|ies)|metrics?|loggers?|hooks?|envs?|commands?|plugins?|kinds?)$)",
    re.IGNORECASE,
)
"""How a group begins that is ours or was meant to be, such as `phantom-core.` or `phantom_core` alone."""
_HEADING: Final = re.compile(r"^\s*\[\s*([^\]\s]+)\s*\]", re.MULTILINE)
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_TARGET: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*(\.[^\W\d]\w*)*)?")


class Kind(NamedTuple):
    """A kind of component: its name, its entry-point group, and its base class as `package.module:Class`."""

    name: str
    group: str
    base: str
    distribution: str = CORE_DISTRIBUTION


CORE_KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("trainer", "phantom_core.trainers", "phantom_core.training.trainer:Trainer"),
        Kind("policy", "phantom_core.policies", "phantom_core.policies.policy:BasePolicy"),
        Kind("metric", "phantom_core.metrics", "phantom_core.metrics:Metric"),
        Kind("logger", "phantom_core.loggers", "phantom_core.hooks.hookspecs:Hooks"),
        Kind("hook", "phantom_core.hooks", "phantom_core.hooks.hookspecs:Hooks"),
        Kind("env", "phantom_core.envs", "builtins:object"),
        Kind("command", "phantom_core.commands", "click:Command"),
    )
}
"""The kinds of the core. Distributions can declare more in the group `phantom_core.kinds`."""

CORE_COMMANDS: Final = (
    "train",
    "resume",
    "evaluate",
    "plugins",
    "plugins.list",
    "plugins.info",
    "plugins.describe",
)
"""The commands of the core, which no distribution can replace."""

_OWN_GROUP: Final = "plugins"
"""The command of the core that is a group, to which a distribution can add commands, as `plugins.tally`."""

_NAME_BY_GROUP: Final = {
    **{kind.group: kind.name for kind in CORE_KINDS.values()},
    PLUGIN_GROUP: "plugin",
    KIND_GROUP: "kind",
}


@dataclass(frozen=True, slots=True)
class InstalledEntry:
    """One entry point (`name = target`) of an installed distribution, with the metadata of that.

    Attributes:
        core_specifier: the distribution's version specifier for the core; empty without one.
        source: where it was installed from: `index`, `editable <folder>`, or a URL.
        location: the folder on `sys.path` that holds its metadata.
        problem: why the entry point is invalid, as a sentence without a full stop; empty if it is valid.
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
    problem: str = ""

    @property
    def kind(self) -> str:
        """The kind of component, `"plugin"` or `"kind"`; derived from the group if the group is unknown."""
        return _NAME_BY_GROUP.get(self.group) or self.group.removeprefix(_PREFIX).removesuffix("s")

    @property
    def qualified_name(self) -> str:
        """`distribution:name`."""
        return f"{self.distribution}:{self.name}"

    @property
    def is_compatible(self) -> bool:
        """Whether the installed core matches the distribution's version specifier."""
        return _core_meets(self.core_specifier)


class BrokenMetadata(NamedTuple):
    """A distribution whose metadata cannot be read, and why; its name is `"?"` if unknown."""

    name: str
    location: str
    problem: str


class Scan(NamedTuple):
    """The result of scanning `sys.path`; `kinds` are those of the core and the declared ones, by name."""

    entries: tuple[InstalledEntry, ...]  # those in use, sorted by distribution, group and name
    shadowed: tuple[InstalledEntry, ...]  # of duplicate distributions, in another folder or version
    broken: tuple[BrokenMetadata, ...]
    kinds: Mapping[str, Kind]


def normalised(name: str) -> str:
    """Normalise a name as package indexes do: `Q_Learning` and `q-learning` are the same name.

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


def core_mismatch(distribution: str, specifier: str) -> str:
    """Return which core a distribution needs that the installed one is not, and what to do."""
    cure = f"Run: pip install -U {distribution} {CORE_DISTRIBUTION}"
    return f"needs {CORE_DISTRIBUTION}{specifier}, but {core_version()} is installed. {cure}"


def distribution_version(name: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed."""
    try:
        return str(importlib_metadata.version(name))
    except importlib_metadata.PackageNotFoundError:
        return None


def recorded_files(name: str) -> tuple[Path, ...]:
    """Return the files of a distribution, as listed in its RECORD."""
    try:
        files = importlib_metadata.files(name) or ()
    except importlib_metadata.PackageNotFoundError:
        return ()
    return tuple(Path(str(file.locate())) for file in files)


def installed() -> Scan:
    """Return the installed plugins.

    Metadata is read once for each value of `sys.path`. If a distribution is found twice, the first on
    `sys.path` is used, and of two versions in the same folder, the newer one.
    """
    return scan_of(tuple(sys.path))


@lru_cache(maxsize=8)
def scan_of(path: tuple[str, ...]) -> Scan:  # noqa: ARG001  the key of the cache
    """Read the metadata of all distributions on a path, which is `sys.path`; the answer is kept."""
    return scan()


def installed_entries() -> tuple[InstalledEntry, ...]:
    """Return all entry points of phantom_core groups, sorted by distribution, group and name."""
    return installed().entries


def scan() -> Scan:
    """Read the metadata of all distributions on `sys.path`, including shadowed and broken ones."""
    found: dict[str, list[InstalledEntry]] = {}
    shadowed: list[InstalledEntry] = []
    candidates, broken = _candidates()
    seen: set[tuple[str, str, str]] = set()
    latest_first = sorted(candidates, key=lambda pair: _version(pair[0]), reverse=True)
    for headers, distribution in sorted(latest_first, key=lambda pair: pair[0].place):
        if not headers.name:
            broken.append(BrokenMetadata("?", headers.location, "its METADATA gives no name"))
            continue
        name = normalised(headers.name)
        identity = (name, headers.version, str(Path(headers.location).resolve()))
        if identity in seen:
            continue  # the same folder under two names, such as lib and lib64
        seen.add(identity)
        try:
            entries = list(_entries(headers, distribution))
        except Exception as error:  # the parsers raise various errors for a damaged file
            problem = f"its entry_points.txt cannot be read: {error_text(error)}"
            broken.append(BrokenMetadata(headers.name, headers.location, problem))
            continue
        if name in found:
            shadowed += entries
        else:
            found[name] = entries
    entries = [entry for of_one in found.values() for entry in of_one]
    kinds = _kinds(entries)
    groups = [PLUGIN_GROUP, KIND_GROUP, *(kind.group for kind in kinds.values())]
    plain = _plain_commands(entries)
    checked = _sorted(_with_problem(entry, groups, kinds, plain) for entry in entries)
    return Scan(checked, _sorted(shadowed), tuple(broken), kinds)


def _kinds(entries: Iterable[InstalledEntry]) -> dict[str, Kind]:
    """Return the kinds of the core and the declared kinds; of duplicates, the first is used."""
    kinds = dict(CORE_KINDS)
    for entry in _sorted(entries):
        if entry.group == KIND_GROUP and not entry.problem:
            kind = Kind(entry.name, f"{_PREFIX}{entry.name}s", entry.target, entry.distribution)
            kinds.setdefault(entry.name, kind)
    return kinds


def _plain_commands(entries: Iterable[InstalledEntry]) -> dict[str, str]:
    """Return the commands `phantom COMMAND`, which cannot be groups, with their distributions."""
    own = dict.fromkeys(set(CORE_COMMANDS) - {_OWN_GROUP}, CORE_DISTRIBUTION)
    group = CORE_KINDS["command"].group
    added = [entry for entry in _sorted(entries) if entry.group == group and not entry.problem]
    return {entry.name: entry.distribution for entry in added if "." not in entry.name} | own


def _with_problem(
    entry: InstalledEntry, groups: Iterable[str], kinds: Mapping[str, Kind], plain_commands: Mapping[str, str]
) -> InstalledEntry:
    """Return an entry with its problem set, if its group, its kind or the group of its command is invalid."""
    problem = entry.problem
    if entry.group not in groups:
        names = [group.removeprefix(_PREFIX) for group in groups]
        rest = _NEAR_GROUP.sub("", entry.group, count=1).lower() or "plugins"
        nearest = difflib.get_close_matches(rest, names, n=1)
        problem = f"no kind of component has the entry-point group {entry.group!r}"
        problem += f" (did you mean {_PREFIX + nearest[0]!r}?)" if nearest else ""
    elif entry.group == KIND_GROUP and not problem and kinds[entry.name].distribution != entry.distribution:
        problem = f"{kinds[entry.name].distribution} declares the kind {entry.name!r} already"
    elif entry.kind == "command" and not problem:
        above = entry.name.rpartition(".")[0]
        if above in plain_commands:
            distribution = plain_commands[above]
            problem = f"{above!r} is a command of {distribution}, so {entry.name!r} cannot be added to it"
    return replace(entry, problem=problem) if problem else entry


def _problem_of(group: str, name: str, target: str) -> str:
    """Return what is wrong with an entry point, or an empty string."""
    _, attribute = split_target(target)
    if not _NAME.fullmatch(name):
        return f"its name {name!r} may only have lower-case letters, digits, '.', '_' and '-'"
    if "[" in target:
        plain = target.partition("[")[0].strip()
        return f"its target {target!r} asks for an extra, which nothing installs. Write {plain!r}"
    if not _TARGET.fullmatch(target) or not (attribute or group == PLUGIN_GROUP):
        return f"its target is {target!r}. Expected 'package.module:Class'"
    top = top_package(target)
    if top in sys.stdlib_module_names:
        return f"its module {top!r} has the name of one of Python's own, which is imported instead"
    if group == CORE_KINDS["command"].group:
        if name in CORE_COMMANDS:
            return f"the command {name!r} is the core's own"
        if name.count(".") > 1:
            return f"its name {name!r} has more than one dot. Expected 'COMMAND' or 'GROUP.COMMAND'"
    if group == KIND_GROUP and name in _NAME_BY_GROUP.values():
        return f"the kind {name!r} is the core's own"
    return ""


class _Headers(NamedTuple):
    place: int
    location: str
    name: str
    version: str
    summary: str
    requires: tuple[str, ...]


def _candidates() -> tuple[list[tuple[_Headers, Any]], list[BrokenMetadata]]:
    """Return the distributions with phantom_core entry points, without reading the headers of all others."""
    places: dict[str, int] = {}
    found: list[tuple[_Headers, Any]] = []
    broken: list[BrokenMetadata] = []
    for distribution in importlib_metadata.distributions():
        text, problem = _entry_points_text(distribution)
        if not problem and not _mentions_us(text):
            continue
        location = str(distribution.locate_file(""))
        headers = _headers(distribution, places.setdefault(location, len(places)), location)
        if not problem:
            found.append((headers, distribution))
        elif _mentions_us(text) or any(CORE_DISTRIBUTION in normalised(line) for line in headers.requires):
            broken.append(BrokenMetadata(headers.name or "?", location, problem))
    return found, broken


def _mentions_us(text: str) -> bool:
    return "hantom" in text.lower() and any(map(_NEAR_GROUP.match, _HEADING.findall(text)))


def _entry_points_text(distribution: Any) -> tuple[str, str]:
    """Return the text of `entry_points.txt`, and why it cannot be read; both empty if there is none."""
    try:
        text = distribution.read_text("entry_points.txt")
    except (OSError, UnicodeDecodeError) as error:
        raw = error.object if isinstance(error, UnicodeDecodeError) else b""
        return raw.decode(errors="replace"), f"its entry_points.txt cannot be read: {error_text(error)}"
    folder = getattr(distribution, "_path", None)  # text is None for a missing and for an unreadable file
    if text is None and isinstance(folder, Path) and os.path.lexists(folder / "entry_points.txt"):
        try:
            (folder / "entry_points.txt").read_bytes()
        except OSError as error:
            return "", f"its entry_points.txt cannot be read: {error_text(error)}"
    return text or "", ""


def _headers(distribution: Any, place: int, location: str) -> _Headers:
    """Read the needed headers. The standard e-mail parser, which reads all, takes ten times as long."""
    text = ""
    with contextlib.suppress(OSError, UnicodeDecodeError):
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


def _entries(headers: _Headers, distribution: Any) -> Iterator[InstalledEntry]:
    specifier = _core_specifier(headers.requires)
    source = source_text(distribution.read_text("direct_url.json"))
    for point in distribution.entry_points:
        if _NEAR_GROUP.match(point.group):
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
                problem=_problem_of(point.group, point.name, point.value),
            )


def source_text(direct_url: str | None) -> str:
    """Return where a distribution was installed from, given its `direct_url.json` (PEP 610); None: an index.

    >>> source_text(None)
    'index'
    >>> source_text('{"url": "file:///src/acme", "dir_info": {"editable": true}}')
    'editable /src/acme'
    >>> source_text('{"url": "https://x.org/a", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}')
    'git+https://x.org/a@c0ffee'
    """
    if direct_url is None:
        return "index"
    try:
        found: dict[str, Any] = json.loads(direct_url)
        url = str(found["url"])
    except (ValueError, KeyError, TypeError):
        return "unknown: its direct_url.json cannot be read"
    if found.get("dir_info", {}).get("editable"):
        return f"{_EDITABLE}{unquote(urlsplit(url).path)}"
    if "vcs_info" in found:
        info = found["vcs_info"]
        return f"{info.get('vcs', 'vcs')}+{url}@{info.get('commit_id', '?')}"
    return url


def editable_folder(source: str) -> Path | None:
    """Return the folder of an editable install; None for other installs."""
    return Path(source.removeprefix(_EDITABLE)) if source.startswith(_EDITABLE) else None


def _sorted(entries: Iterable[InstalledEntry]) -> tuple[InstalledEntry, ...]:
    return tuple(sorted(entries, key=lambda e: (normalised(e.distribution), e.group, e.name)))


def _core_specifier(requires: tuple[str, ...]) -> str:
    for requirement in requirements(requires):
        if normalised(requirement.name) == CORE_DISTRIBUTION:
            return str(requirement.specifier)
    return ""


def requirements(lines: Iterable[str]) -> Iterator[Requirement]:
    """Return the requirements whose markers match this environment, without extras."""
    return filter(None, map(_requirement, lines))


@cache
def _requirement(line: str) -> Requirement | None:
    """Parse a requirement; None if it is invalid or its marker does not match. Cached: lines often repeat."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return None
    holds = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    return requirement if holds else None


def base_versions() -> dict[str, str | None]:
    """Return the versions of Python, of the core and of what it computes with."""
    return {"python": platform.python_version(), **_versions_in_use()}


@cache
def _versions_in_use() -> dict[str, str | None]:
    return {name: distribution_version(name) for name in (CORE_DISTRIBUTION, "numpy", "gymnasium")}
