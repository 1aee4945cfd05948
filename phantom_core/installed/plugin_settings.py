"""Settings that enable and disable installed plugins, before anything is imported."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

from phantom_core.component_config import build
from phantom_core.errors import ConfigError, did_you_mean
from phantom_core.installed.discovery import CORE_DISTRIBUTION, InstalledEntry, normalised

DISABLED_VARIABLE: Final = "PHANTOM_DISABLED_PLUGINS"
"""Environment variable: comma-separated names of distributions, components and plugin objects to disable."""

ALLOWED_VARIABLE: Final = "PHANTOM_ALLOWED_PLUGINS"
"""Environment variable: comma-separated names of the only ones to use, besides those of the core."""

STRICT_VARIABLE: Final = "PHANTOM_STRICT"
"""Environment variable: with `1`, a broken plugin or an exception in a hook ends the run."""

_LIKE_OURS: Final = re.compile(r"PHANTOM_\w*PLUGINS?")

SETTINGS_FILE: Final = "phantom.toml"
"""The settings file of the working directory. It is only parsed, never executed."""


@dataclass(frozen=True)
class PluginsTable:
    """The table `[plugins]` of `phantom.toml` and of a run file."""

    disable: list[str] = field(default_factory=list)
    """Names of distributions, components or plugin objects to disable."""
    allow: list[str] | None = None
    """Names of the only ones to use, besides those of the core; default: all."""


@dataclass(frozen=True, slots=True)
class NameList:
    """Names of distributions or entries, and where they were given, such as `PHANTOM_DISABLED_PLUGINS`."""

    source: str
    names: tuple[str, ...]

    def names_entry(self, entry: InstalledEntry) -> bool:
        """Return whether one of the names matches an entry."""
        own = {normalised(name) for name in (entry.distribution, entry.name, entry.qualified_name)}
        return any(normalised(name) in own for name in self.names)


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """Which plugins are used: those that no `disabled` list names, and that every `allowed` list names.

    If `is_strict`, a broken plugin ends the run, instead of being skipped.
    """

    disabled: tuple[NameList, ...] = ()
    allowed: tuple[NameList, ...] = ()
    is_strict: bool = False

    @classmethod
    def of_surroundings(cls) -> PluginSettings:
        """Read the environment variables and the `phantom.toml` of the working directory."""
        settings = cls(_names_in(DISABLED_VARIABLE), _names_in(ALLOWED_VARIABLE), _flag_in(STRICT_VARIABLE))
        return settings.with_table(_read_settings_file(Path(SETTINGS_FILE)), SETTINGS_FILE)

    def with_table(self, table: Mapping[str, Any], source: str) -> PluginSettings:
        """Return these settings extended by a table `[plugins]`, or raise ConfigError, naming its source."""
        given = cast("PluginsTable", build(PluginsTable, table, f"{source}: plugins"))
        disabled, allowed = self.disabled, self.allowed
        if given.disable:
            disabled += (NameList(f"plugins.disable in {source}", tuple(given.disable)),)
        if given.allow is not None:
            allowed += (NameList(f"plugins.allow in {source}", tuple(given.allow)),)
        return replace(self, disabled=disabled, allowed=allowed)

    def refusal_of(self, entry: InstalledEntry) -> str:
        """Return why an entry is disabled, as a sentence; empty if it is enabled.

        `allow` lists do not apply to entries of the core, which runs need.
        """
        for names in self.disabled:
            if names.names_entry(entry):
                return f"{names.source} names it."
        if normalised(entry.distribution) != CORE_DISTRIBUTION:
            for names in self.allowed:
                if not names.names_entry(entry):
                    return f"{names.source} does not name it."
        return ""

    def unknown_names(self, entries: Iterable[InstalledEntry]) -> list[tuple[str, str]]:
        """Return the names that match no entry, each with its source."""
        entries = tuple(entries)
        return [
            (name, names.source)
            for names in (*self.disabled, *self.allowed)
            for name in names.names
            if not any(NameList("", (name,)).names_entry(entry) for entry in entries)
        ]

    def warnings(self, entries: Iterable[InstalledEntry]) -> list[str]:
        """Return a sentence for each name and each environment variable that is unknown."""
        entries = tuple(entries)
        known = [name for e in entries for name in (e.distribution, e.name, e.qualified_name)]
        found = [
            f"{source} names {name!r}, which is not installed.{did_you_mean(name, known)} "
            "phantom plugins list shows what is."
            for name, source in self.unknown_names(entries)
        ]
        ours = (DISABLED_VARIABLE, ALLOWED_VARIABLE)
        unknown = sorted(name for name in os.environ if _LIKE_OURS.fullmatch(name) and name not in ours)
        return found + [
            f"The environment variable {name} means nothing.{did_you_mean(name, ours)}" for name in unknown
        ]


def _flag_in(variable: str) -> bool:
    """Return whether an environment variable says yes; raise ConfigError if it says neither yes nor no."""
    value = os.environ.get(variable, "").strip().lower()
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("", "0", "false", "no", "off"):
        return False
    raise ConfigError(f"{variable} is {value!r}. Expected 1 or 0.")


def _names_in(variable: str) -> tuple[NameList, ...]:
    names = tuple(name for part in os.environ.get(variable, "").split(",") if (name := part.strip()))
    return (NameList(variable, names),) if names else ()


def _read_settings_file(path: Path) -> Mapping[str, Any]:
    """Return the table `[plugins]` of a file; empty if the file does not exist."""
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}. Mend it, or remove it.") from error
    others = [key for key in table if key != "plugins"]
    if others:
        cure = "Settings of a run go into a run file."
        raise ConfigError(f"{path} has {others[0]!r}, but only the table [plugins] is read from it. {cure}")
    plugins = table.get("plugins", {})
    if not isinstance(plugins, dict):
        raise ConfigError(f"{path}: plugins = {plugins!r} is wrong. Expected a table: [plugins].")
    return plugins
