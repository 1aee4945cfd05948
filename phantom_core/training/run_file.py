"""The run file: TOML and `--set`, made into one checked request."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from phantom_core.component_config import build
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.hooks.plugin_settings import PluginSettings
from phantom_core.metrics import Metric
from phantom_core.policies.policy_mapping import AgentSelection, PolicySpec
from phantom_core.training.components import Components
from phantom_core.training.references import absolute, load_reference
from phantom_core.training.run_plans import CheckpointPlan
from phantom_core.training.run_record import DEFAULT
from phantom_core.training.run_request import EvaluationPlan, RunRequest, flattened
from phantom_core.training.run_tables import PolicyTable, RunTable, read_table
from phantom_core.training.trainer import Trainer
from phantom_core.world.agents import Agent

FILE: Final = "file"
"""The origin of a value that the run file gives."""


_LENGTHS: Final = {"iterations": "total_steps", "total_steps": "iterations"}


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
        table = read_table(path)
        if isinstance(table.get("trainer"), str):
            table["trainer"] = {"name": table["trainer"]}
        return cls(path, table, dict.fromkeys(flattened(table), FILE))

    def set(self, dotted: str, value: Any, origin: str) -> None:
        """Change one value; `iterations` and `total_steps` take each other's place.

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
        if dotted in _LENGTHS:
            self.table.pop(_LENGTHS[dotted], None)
        table[last] = {"name": value} if dotted == "trainer" else value
        self.origins[f"{dotted}.name" if dotted == "trainer" else dotted] = origin

    def set_from_text(self, assignment: str) -> None:
        """Change one value as `--set key=value` says; the value is TOML, or else a string.

        Raises:
            ConfigError: if there is no `=`.
        """
        self.set(*parse_assignment(assignment), "--set")

    def to_request(self, components: Components) -> RunRequest:
        """Check every value and turn references into objects.

        Raises:
            ConfigError: for an unknown key, a value of the wrong type, or a reference that leads nowhere.
        """
        top = self._top()
        self._attach_hooks(top, components)  # first of all, since they may offer what the file names
        trainer, trainer_config = self._trainer(top.trainer, components)
        self.set("trainer.name", _trainer_name(top.trainer)[0], self.origins.get("trainer.name", FILE))
        if "name" not in self.table:
            self.set("name", self.path.stem, DEFAULT)
        return RunRequest(
            trainer=trainer,
            env=self.env(components),
            env_config=top.env_config,
            policies={i: self._policy(i, t, components) for i, t in top.policies.items()} or None,
            num_iterations=top.iterations,
            total_steps=top.total_steps,
            trainer_config=trainer_config,
            metrics={name: self._metric(name, table, components) for name, table in top.metrics.items()},
            loggers=top.loggers,
            logger_config=top.logger,
            hooks=[hooks for _, hooks in components.attached],
            hook_config=top.hook,
            evaluation=self.evaluation(),
            checkpoint=self._checkpoint(top.checkpoint),
            training_plan=top.training_plan,
            workers=top.workers,
            vectorization=top.vectorization,
            seed=top.seed,
            name=top.name or self.path.stem,
            run_dir=top.run_dir,
            strict_hooks=top.strict_hooks,
        )

    def attach_observers(self, components: Components) -> None:
        """Let all that the file names, and the logger `jsonl`, follow a run that is not made.

        Raises:
            ConfigError: if something is unknown, or a setting is wrong.
        """
        top = self._top()
        self._attach_hooks(top, components)
        for logger in dict.fromkeys([*top.loggers, "jsonl"]):
            if logger != "jsonl" or components.registry.has("logger", logger):
                components.attach_logger(logger, top.logger)

    def _attach_hooks(self, top: RunTable, components: Components) -> None:
        configs = {"hook": top.hook, "logger": top.logger}
        for place in top.hooks:
            components.attach_hooks(place, configs, folder=self.path.parent, start="the run file")

    def env(self, components: Components) -> Callable[..., MultiAgentEnv] | str:
        """Return the env class, or the name that it is registered under.

        Raises:
            ConfigError: if the reference leads nowhere, or to something else.
        """
        top = self._top()
        env = self._name_or_class("env", top.env, "env", components)
        if not isinstance(env, str) and not callable(env):
            raise ConfigError(f"env = {top.env!r} is a {type(env).__name__}. Expected an env class.")
        return cast("Callable[..., MultiAgentEnv] | str", env)

    def evaluation(self) -> EvaluationPlan | None:
        """Return how to evaluate; None: not at all.

        Raises:
            ConfigError: if a setting is wrong.
        """
        table = self._top().evaluate
        return None if table is None else cast("EvaluationPlan", build(EvaluationPlan, table, "evaluate"))

    def plugin_settings(self) -> PluginSettings:
        """Return which plugins take no part, as the surroundings and the file say.

        Raises:
            ConfigError: if a setting is wrong.
        """
        top = self._top()
        settings = PluginSettings.of_surroundings().with_table(top.plugins, self.path.name)
        return settings if top.strict_hooks is None else replace(settings, is_strict=top.strict_hooks)

    def add_hooks(self, references: Sequence[str], origin: str) -> None:
        """Let more objects follow the run, as references relative to the current folder."""
        given = self.table.get("hooks", [])
        self.set("hooks", [*given, *(absolute(reference, Path.cwd()) for reference in references)], origin)

    def _checkpoint(self, table: Mapping[str, Any] | None) -> CheckpointPlan | None:
        return None if table is None else cast("CheckpointPlan", build(CheckpointPlan, table, "checkpoint"))

    def resolved(self) -> dict[str, Any]:
        """Return the values for `config.toml`, with file references that hold from anywhere."""
        table = {key: value for key, value in self.table.items() if key != "run_dir"}
        table["env"] = self._absolute(table["env"])
        name, _ = _trainer_name(table["trainer"])
        absolute = self._absolute(name)
        table["trainer"] = {
            absolute if key == name else key: value for key, value in table["trainer"].items()
        } | {"name": absolute}
        if "hooks" in table:
            table["hooks"] = [self._absolute(reference) for reference in table["hooks"]]
        for kind, keys in (("policies", ("class", "policy")), ("metrics", ("metric",))):
            if kind in table:
                table[kind] = {
                    name: {k: self._absolute(v) if k in keys else v for k, v in settings.items()}
                    for name, settings in table[kind].items()
                }
        return table

    def _top(self) -> RunTable:
        return cast("RunTable", build(RunTable, self.table, self.path.name, separator=": "))

    def _absolute(self, reference: Any) -> Any:
        return absolute(reference, self.path.parent)

    def _load(self, reference: str, setting: str) -> Any:
        return load_reference(reference, setting=setting, folder=self.path.parent)

    def _name_or_class(self, kind: str, text: str, setting: str, components: Components) -> Any:
        """Return a registered name as it is; import what a reference names."""
        is_reference = ":" in text and not components.registry.has(kind, text)
        return self._load(text, setting) if is_reference else text

    def _policy(self, policy_id: str, settings: Mapping[str, Any], components: Components) -> PolicySpec:
        path = f"policies.{policy_id}"
        table = cast("PolicyTable", build(PolicyTable, settings, path))
        if (table.agents is None) == (table.agent_class is None):
            raise ConfigError(
                f"{path} needs either agents (a list of ids) or class (an agent class). Give one of the two."
            )
        agents: AgentSelection = table.agents or []
        if table.agent_class is not None:
            agents = self._load(table.agent_class, f"{path}.class")
            is_wrong_class = isinstance(agents, type) and not issubclass(agents, Agent)
            if is_wrong_class or not callable(agents):
                raise ConfigError(
                    f"{path}.class = {table.agent_class!r} is no agent class. Expected a subclass of "
                    "ph.Agent, or a function that says of an agent whether it is meant."
                )
        policy: Any = table.policy
        if isinstance(policy, str):
            policy = self._name_or_class("policy", policy, f"{path}.policy", components)
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
        metric = self._name_or_class("metric", settings["metric"], f"metrics.{name}.metric", components)
        return components.metric(name, metric, rest)

    def _trainer(
        self, table: Any, components: Components
    ) -> tuple[str | type[Trainer], dict[str, dict[str, Any]]]:
        """Return the trainer, and the settings by trainer name."""
        name, configs = _trainer_name(table)
        trainer = self._name_or_class("trainer", name, "trainer.name", components)
        for key, value in configs.items():
            if not isinstance(value, dict):
                raise ConfigError(
                    f"trainer.{key} = {value!r} is wrong. Settings go into a table: [trainer.{name}]."
                )
        return trainer, configs if isinstance(trainer, str) else {**configs, "": configs.get(name, {})}


def _trainer_name(table: Any) -> tuple[str, dict[str, Any]]:
    """Return the trainer's name, and the settings by trainer name."""
    if not isinstance(table, dict):
        raise ConfigError(
            f"trainer = {table!r} is wrong. Expected a registered name, or a table [trainer.<name>]."
        )
    configs = {key: value for key, value in table.items() if key != "name"}
    name = table.get("name", next(iter(configs)) if len(configs) == 1 else None)
    if not isinstance(name, str):
        raise ConfigError(
            f"[trainer] has settings for {', '.join(map(repr, configs)) or 'nobody'}, but does not say "
            "which trainer to use. Give its name: trainer.name = 'q-learning', or --trainer q-learning."
        )
    return name, configs


def parse_assignment(assignment: str) -> tuple[str, Any]:
    """Return key and value of `key=value`; the value is TOML, or else a string.

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
    except tomllib.TOMLDecodeError:
        return key, text
