"""The run file: TOML and `--set`, made into one checked request."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from phantom_core.component_config import build
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.metrics import Metric
from phantom_core.policies.policy import Policy
from phantom_core.policies.policy_mapping import AgentSelection, PolicySpec
from phantom_core.training.components import Components
from phantom_core.training.references import load_reference
from phantom_core.training.run_request import EvaluationPlan, RunRequest, flattened

FILE: Final = "file"
"""The origin of a value that the run file gives."""


@dataclass(frozen=True)
class RunTable:
    """The top level of a run file."""

    env: str
    """`./file.py:Class` relative to this file, `package.module:Class`, or a registered name."""
    trainer: Any
    """A registered name, or tables with settings by trainer name."""
    name: str | None = None
    """What the run is called; default: the name of the file."""
    loggers: list[str] = field(default_factory=list)
    """Registered names."""
    iterations: int | None = None
    """How many iterations to make; this or `total_steps`."""
    total_steps: int | None = None
    """How many env steps to make; this or `iterations`."""
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
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Policy tables by policy id; default: one policy for all agents."""
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Metric tables by metric name."""
    evaluate: dict[str, Any] | None = None
    """When and how to evaluate; default: not at all."""


@dataclass(frozen=True)
class PolicyTable:
    """A table `[policies.<id>]`; the name of an agent class is written `class`."""

    agents: list[Any] | None = None
    """Agent ids; this or `class`."""
    agent_class: str | None = None
    """Reference to an agent class; this or `agents`."""
    policy: str | None = None
    """A registered name or a reference; default: the trainer's own policy class."""
    config: dict[str, Any] = field(default_factory=dict)
    """Settings of the policy."""
    trainer: str | None = None
    """Registered name of the trainer of this policy; default: the trainer of the run."""
    train: bool | None = None
    """Whether it is trained; default: yes, if it has no `policy`."""


@dataclass(frozen=True, slots=True)
class RunFile:
    """A run file that was read, with what the command line changes in it.

    Attributes:
        path: the file.
        table: its values.
        origins: by dotted name, where a value came from.
    """

    path: Path
    table: dict[str, Any]
    origins: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> RunFile:
        """Read a file.

        Raises:
            ConfigError: if there is none, or it is not TOML.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(_syntax_error(path, error)) from error
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigError(f"The run file {path} cannot be read: {reason}. Name a TOML file.") from error
        if isinstance(table.get("trainer"), str):
            table["trainer"] = {"name": table["trainer"]}
        return cls(path, table, dict.fromkeys(flattened(table), FILE))

    def set(self, dotted: str, value: Any, origin: str) -> None:
        """Change one value.

        Args:
            dotted: where, such as `trainer.q-learning.alpha`.
            value: what to.
            origin: who says so, such as `--set`.

        Raises:
            ConfigError: if the path goes through a value that is no table.
        """
        *parents, last = dotted.split(".")
        if not all((*parents, last)):
            raise ConfigError(
                f"{origin} {dotted!r} names no setting. Expected a dotted name, such as "
                "trainer.q-learning.alpha."
            )
        table = self.table
        for depth, key in enumerate(parents, start=1):
            inner = table.setdefault(key, {})
            if not isinstance(inner, dict):
                raise ConfigError(
                    f"{origin} {dotted}: {'.'.join(parents[:depth])} is {inner!r}, not a table."
                )
            table = inner
        table[last] = {"name": value} if dotted == "trainer" else value
        self.origins[f"{dotted}.name" if dotted == "trainer" else dotted] = origin

    def set_from_text(self, assignment: str) -> None:
        """Change one value as `--set key=value` says; the value is TOML, or else a string.

        Raises:
            ConfigError: if there is no `=`.
        """
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {assignment!r} is no assignment. Expected key=value, such as seed=2.")
        self.set(key.strip(), _toml_value(text.strip()), "--set")

    def to_request(self, components: Components) -> RunRequest:
        """Check every value and turn references into objects.

        Raises:
            ConfigError: for an unknown key, a value of the wrong type, or a reference that leads nowhere.
        """
        top = cast("RunTable", build(RunTable, self.table, self.path.name, separator=": "))
        trainer, trainer_config = _trainer(top.trainer, components)
        self._check_loggers(top, components)
        self.table.setdefault("name", top.name or self.path.stem)
        evaluation = (
            None
            if top.evaluate is None
            else cast("EvaluationPlan", build(EvaluationPlan, top.evaluate, "evaluate"))
        )
        return RunRequest(
            trainer=trainer,
            env=self._env(top.env),
            env_config=top.env_config,
            policies={i: self._policy(i, t) for i, t in top.policies.items()} or None,
            num_iterations=top.iterations,
            total_steps=top.total_steps,
            trainer_config=trainer_config,
            metrics={name: self._metric(name, table, components) for name, table in top.metrics.items()},
            loggers=top.loggers,
            logger_config=top.logger,
            evaluation=evaluation,
            seed=top.seed,
            name=top.name or self.path.stem,
            run_dir=top.run_dir,
            strict_hooks=top.strict_hooks,
        )

    def resolved(self) -> dict[str, Any]:
        """Return the values for `config.toml`, with file references that hold from anywhere."""
        table = dict(self.table)
        for place in ("env",):
            table[place] = self._absolute(table[place])
        table["policies"] = {
            policy_id: {k: self._absolute(v) if k in ("class", "policy") else v for k, v in settings.items()}
            for policy_id, settings in table.get("policies", {}).items()
        }
        if not table["policies"]:
            del table["policies"]
        table.pop("run_dir", None)
        return table

    def _absolute(self, reference: Any) -> Any:
        place, separator, name = str(reference).rpartition(":")
        if separator and place.endswith(".py"):
            return f"{(self.path.parent / place).resolve()}:{name}"
        return reference

    def _load(self, reference: str, setting: str) -> Any:
        return load_reference(reference, setting=setting, folder=self.path.parent)

    def _env(self, env: str) -> Any:
        loaded = self._load(env, "env") if ":" in env else env
        if not isinstance(loaded, str) and not callable(loaded):
            raise ConfigError(f"env = {env!r} is {loaded!r}, not a class. Expected an env class.")
        return cast("MultiAgentEnv | str", loaded)

    def _policy(self, policy_id: str, settings: Mapping[str, Any]) -> PolicySpec:
        path = f"policies.{policy_id}"
        renamed = {"agent_class" if key == "class" else key: value for key, value in settings.items()}
        table = cast("PolicyTable", build(PolicyTable, renamed, path))
        if (table.agents is None) == (table.agent_class is None):
            raise ConfigError(
                f"{path} needs either agents (a list of ids) or class (an agent class). Give one of the two."
            )
        agents: AgentSelection = table.agents or []
        if table.agent_class is not None:
            agents = self._load(table.agent_class, f"{path}.class")
        policy: str | type[Policy] | None = table.policy
        if isinstance(policy, str) and ".py:" in policy:
            policy = cast("type[Policy]", self._load(policy, f"{path}.policy"))
        return PolicySpec(
            agents=agents,
            policy=policy,
            config=table.config,
            trainer=table.trainer,
            train=table.train,
        )

    def _metric(self, name: str, settings: Mapping[str, Any], components: Components) -> Metric:
        if not isinstance(settings.get("metric"), str):
            raise ConfigError(
                f"metrics.{name} needs a value for 'metric' (str). Give it a registered name, "
                "such as 'agent'."
            )
        rest = {key: value for key, value in settings.items() if key != "metric"}
        return components.metric(name, settings["metric"], rest)

    def _check_loggers(self, top: RunTable, components: Components) -> None:
        for name in top.logger:
            components.registry.find("logger", name)  # a table for nobody is a typing mistake


def _trainer(table: Any, components: Components) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the trainer's name, and the settings by trainer name."""
    if not isinstance(table, dict):
        raise ConfigError(
            f"trainer = {table!r} is wrong. Expected a registered name, or a table [trainer.<name>]."
        )
    configs = {key: value for key, value in table.items() if key != "name"}
    name = table.get("name", next(iter(configs)) if len(configs) == 1 else None)
    if not isinstance(name, str):
        raise ConfigError(
            f"[trainer] has settings for {', '.join(map(repr, configs)) or 'nobody'}, but "
            "does not say which one to use. "
            "Give it a name: trainer.name = 'q-learning', or --trainer."
        )
    for key, value in configs.items():
        if not isinstance(value, dict):
            raise ConfigError(
                f"trainer.{key} = {value!r} is wrong. Settings go into a table: [trainer.{name}]."
            )
        if key != name:
            components.registry.find("trainer", key)
    return name, configs


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _syntax_error(path: Path, error: tomllib.TOMLDecodeError) -> str:
    found = re.search(r"^(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)$", str(error))
    if found is None:
        return f"{path}: {error}. Expected TOML."
    return f"{path}:{found['line']}: {found['what']} (column {found['column']}). Expected TOML."
