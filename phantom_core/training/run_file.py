"""`RunFile`: reads a run file (TOML) and applies `--set` to it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from phantom_core.component_config import build
from phantom_core.errors import ConfigError, without_stop
from phantom_core.installed.plugin_settings import PluginSettings
from phantom_core.reading import read_file
from phantom_core.secrets import masked
from phantom_core.training.logged_values import flattened
from phantom_core.training.references import absolute
from phantom_core.training.run_plans import EvaluationPlan
from phantom_core.training.run_record import DEFAULT, NOT_IN_FILE
from phantom_core.training.run_settings import RunSettings, split_trainer_table
from phantom_core.training.toml_values import without_none_text

FILE: Final = "file"
"""The origin of a value from the run file."""

_LENGTHS: Final = {"iterations": "total_steps", "total_steps": "iterations"}


@dataclass(frozen=True, slots=True)
class RunFile:
    """The contents of a run file, with the changes of the command line."""

    path: Path
    table: dict[str, Any]
    origins: dict[str, str]  # where a value came from, by dotted name
    not_in_file: dict[str, str]  # what TOML cannot hold of the original run, by dotted name

    @classmethod
    def read(cls, path: Path) -> RunFile:
        """Read a run file; raise `ConfigError` if there is none, or it is not TOML."""
        table = _read_table(path)
        not_in_file = table.pop(NOT_IN_FILE, {})
        if not isinstance(not_in_file, dict):
            raise ConfigError(f"{path.name}: not_in_file = {not_in_file!r} is wrong. Expected a table.")
        if isinstance(table.get("trainer"), str):
            table["trainer"] = {"name": table["trainer"]}
        return cls(path, table, dict.fromkeys(flattened(table), FILE), not_in_file)

    @property
    def folder(self) -> Path:
        """The folder that relative references in the file start from."""
        return self.path.parent

    def set(self, dotted: str, value: Any, origin: str) -> None:
        """Set one value by its dotted name. Setting `iterations` removes `total_steps`, and vice versa."""
        *parents, last = dotted.split(".")
        if not all((*parents, last)):
            expected = "Expected a dotted name, such as trainer.q-learning.alpha."
            raise ConfigError(f"{origin} {dotted!r} names no setting. {expected}")
        table = self.table
        for depth, key in enumerate(parents, start=1):
            inner = table.setdefault(key, {})
            if not isinstance(inner, dict):
                outer = ".".join(parents[:depth])
                raise ConfigError(f"{origin} {dotted}: {outer} is {masked(inner, outer)!r}, not a table.")
            table = inner
        if dotted in _LENGTHS:
            self.table.pop(_LENGTHS[dotted], None)
        table[last] = {"name": value} if dotted == "trainer" else value
        self.origins[f"{dotted}.name" if dotted == "trainer" else dotted] = origin
        for name in [n for n in self.not_in_file if n == dotted or n.startswith(f"{dotted}.")]:
            del self.not_in_file[name]  # it has a value now

    def set_from_text(self, assignment: str) -> None:
        """Set one value from the text of `--set key=value`, see `parse_assignment`."""
        if any("\udc80" <= character <= "\udcff" for character in assignment):  # LC_ALL says ASCII
            assignment = os.fsencode(assignment).decode(errors="surrogateescape")
        self.set(*parse_assignment(assignment), "--set")

    def settings(self) -> RunSettings:
        """Return the settings in the file, checked. The run is named after the file by default."""
        settings = RunSettings.from_table(self.table, source=self.path.name, folder=self.folder)
        name, _ = split_trainer_table(self.table["trainer"])
        self.set("trainer.name", name, self.origins.get("trainer.name", FILE))
        if settings.name is None:
            self.set("name", self.path.stem, DEFAULT)
            settings = replace(settings, name=self.path.stem)
        return settings

    def evaluation(self) -> EvaluationPlan | None:
        """Return the evaluation plan, checked; None without an evaluation."""
        table = without_none_text(self.table.get("evaluate"))
        if table is not None and not isinstance(table, dict):
            raise ConfigError(f"{self.path.name}: evaluate = {table!r} is wrong. Expected a table.")
        return None if table is None else cast("EvaluationPlan", build(EvaluationPlan, table, "evaluate"))

    def plugin_settings(self) -> PluginSettings:
        """Return the plugin settings of the environment and of the file, checked."""
        table, is_strict = self.table.get("plugins", {}), self.table.get("strict_hooks")
        settings = PluginSettings.of_surroundings()
        if isinstance(table, dict):  # otherwise settings() raises
            settings = settings.with_table(table, self.path.name)
        return replace(settings, is_strict=is_strict) if isinstance(is_strict, bool) else settings

    def add_hooks(self, references: Sequence[str], origin: str) -> None:
        """Add hooks to the run; relative references start from the current folder."""
        given = self.table.get("hooks", [])
        self.set("hooks", [*given, *(absolute(reference, Path.cwd()) for reference in references)], origin)


def parse_assignment(assignment: str) -> tuple[str, Any]:
    """Return key and value of `key=value`. A value that is not TOML is a string.

    Raises:
        ConfigError: if there is no `=`, or nothing before it.

    >>> parse_assignment("sizes=[1, 2]"), parse_assignment("env = ./a.py:A")
    (('sizes', [1, 2]), ('env', './a.py:A'))
    """
    key, equals, text = (part.strip() for part in assignment.partition("="))
    if not equals or not key:
        raise ConfigError(f"--set {assignment!r} is no assignment. Expected key=value, such as seed=2.")
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # ValueError: also a number with too many digits
        return key, text


def _read_table(path: Path) -> dict[str, Any]:
    try:
        text = read_file(path).decode()
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_error(path, text, error)) from error
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, or too many digits
        reason = error.strerror if isinstance(error, OSError) else without_stop(error)
        raise ConfigError(f"The run file {path} cannot be read: {reason}. Name a TOML file.") from error


def _syntax_error(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    found = re.search(r"^(?P<what>.*) \(at line (?P<line>\d+), (?P<column>column \d+)\)$", str(error))
    if found is None:  # tomllib says: at end of document
        return f"{path}:{text.count(chr(10)) + 1}: {error}. Expected TOML."
    line = text.splitlines()[int(found["line"]) - 1]
    advice = "Expected TOML."
    if re.match(r"\s*\[trainer\.", line):
        advice = "With a table for its settings, leave the line trainer = out."
    return f"{path}:{found['line']}: {found['what']} ({found['column']}). {advice}"
