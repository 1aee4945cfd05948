"""The tables of a run file, each field with what it means."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from phantom_core.errors import ConfigError


@dataclass(frozen=True)
class RunTable:
    """The top level of a run file."""

    env: str
    """`./file.py:Class` relative to this file, `package.module:Class`, or a registered name."""
    trainer: Any
    """A registered name or a reference, or tables with settings by trainer name."""
    name: str | None = None
    """What the run is called; default: the name of the file."""
    loggers: list[str] = field(default_factory=list)
    """Registered names."""
    iterations: int | None = None
    """How many iterations to make; this or `total_steps`."""
    total_steps: int | None = None
    """How many env steps to make; this or `iterations`."""
    hooks: list[str] = field(default_factory=list)
    """What else follows the run: registered names of hooks or loggers, or as `./file.py:Class`."""
    seed: int | None = None
    """What everything random follows from; default: a new one, which `run.json` records."""
    run_dir: str = "runs"
    """The folder in which the run's own folder is made."""
    strict_hooks: bool | None = None
    """Whether an exception in a hook ends the run."""
    env_config: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments for the env."""
    logger: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by logger name."""
    hook: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by the name of hooks."""
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Policy tables by policy id; default: one policy for all agents."""
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Metric tables by metric name."""
    evaluate: dict[str, Any] | None = None
    """When and how to evaluate; default: not at all."""
    checkpoint: dict[str, Any] | None = None
    """When to write checkpoints, and which to keep; default: only the final policies."""
    training_plan: list[dict[str, Any]] | None = None
    """Whose turn it is to learn; default: all that are trained, in every iteration."""
    workers: int = 0
    """How many processes step the copies of the env; default: none but the run's own."""
    vectorization: Literal["copies", "native"] = "copies"
    """Whether copies are so many envs, or the vector env that Gymnasium offers for some."""
    plugins: dict[str, Any] = field(default_factory=dict)
    """Which installed plugins take no part: `disable`, `allow`."""


@dataclass(frozen=True)
class PolicyTable:
    """A table `[policies.<id>]`; the name of an agent class is written `class`."""

    agents: list[Any] | None = None
    """Agent ids; this or `class`."""
    agent_class: str | None = field(default=None, metadata={"name": "class"})
    """Reference to an agent class or a predicate; this or `agents`."""
    policy: str | None = None
    """A registered name or a reference; default: the trainer's own policy class."""
    config: dict[str, Any] = field(default_factory=dict)
    """Settings of the policy."""
    trainer: str | None = None
    """Registered name of the trainer of this policy; default: the trainer of the run."""
    train: bool | None = None
    """Whether it is trained; default: yes, if it has no `policy`."""


def read_table(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        ConfigError: if there is no file, or it is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_error(path, text, error)) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
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
