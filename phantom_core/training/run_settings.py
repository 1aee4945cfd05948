"""`RunSettings`: the settings of a run, shared by `ph.train`, run files and `config.toml`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np

from phantom_core.component_config import build, checked_fields, field_documents, id_from_file, is_whole
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.hooks.hookspecs import Hooks
from phantom_core.policies import policy_mapping
from phantom_core.policies.policy_mapping import AgentSelection, PolicyMapping, PolicySpec
from phantom_core.rollouts.make_vector_env import VectorizationMode, check_vectorization_mode
from phantom_core.secrets import Secrets, masked, masked_names, read_environment, revealed
from phantom_core.training import run_plans
from phantom_core.training.logged_values import check_metric_names
from phantom_core.training.references import load_reference, trainer_key
from phantom_core.training.run_plans import CheckpointPlan, EvaluationPlan, TrainingPlan
from phantom_core.training.toml_values import SettingsWriter, without_none_text
from phantom_core.types import PolicyID
from phantom_core.world.agents import Agent

Configs = Mapping[str, Mapping[str, Any]]
"""Settings of components, by name."""

_Table = dict[str, Any]
_Tables = dict[str, _Table]


def _in_file(kind: Any, name: str | None = "") -> dict[str, Any]:
    """Return the metadata of a field with another type or name in a run file; no key there if None."""
    return {"file": kind} if name == "" else {"file": kind, "name": name}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """The settings of a run: the parameters of `ph.train`, the keys of a run file and of `config.toml`.

    A component can be given as a registered name, as a reference (`"package.module:Class"`, or
    `"./file.py:Class"` relative to the run file or, from Python, to the current folder), as a class, or as
    an instance.
    """

    trainer: Any = field(metadata=_in_file(Any))
    """The trainer, such as `"q-learning"`. A file may use a table `[trainer.<name>]` with its settings."""

    env: str | Callable[..., MultiAgentEnv] = field(metadata=_in_file(str))
    """The env: a class, or a function that makes an env."""

    env_config: Mapping[str, Any] = field(default_factory=dict, metadata=_in_file(_Table))
    """Keyword arguments for the env."""

    policies: PolicyMapping | None = field(default=None, metadata=_in_file(_Tables | None))
    """Which agents use which policy. None for one policy, `"default"`, for all agents."""

    policies_to_train: Iterable[PolicyID] | None = field(default=None, metadata=_in_file(list[str] | None))
    """Ids of the policies to train. None for those whose spec gives no policy."""

    num_iterations: int | None = field(default=None, metadata=_in_file(int | None, "iterations"))
    """The number of iterations. Give this or `total_steps`."""

    total_steps: int | None = None
    """The number of env steps to train for. Give this or the number of iterations. Training ends with the
    first iteration that reaches it, so more steps may be made; `results.env_steps` holds their number."""

    trainer_config: Configs = field(default_factory=dict, metadata=_in_file(Any, None))
    """Settings of the trainer. From Python, a flat dict for one trainer, and a dict by trainer name if
    policies name other trainers. In a file, a table `[trainer.<name>]`."""

    metrics: Mapping[str, Any] = field(default_factory=dict, metadata=_in_file(_Tables))
    """Metric by name, measured in training and in evaluations: an object, or a dict of `metric` (a name or
    class) and its settings."""

    loggers: Sequence[str | type[Hooks] | Hooks] = field(default=(), metadata=_in_file(list[str]))
    """Loggers of the run."""

    logger_config: Configs = field(default_factory=dict, metadata=_in_file(_Tables, "logger"))
    """Settings of the loggers given by name, by name."""

    hooks: Sequence[object] = field(default=(), metadata=_in_file(list[str]))
    """Hooks of the run: hooks or loggers by name, objects with hook implementations, or modules."""

    hook_config: Configs = field(default_factory=dict, metadata=_in_file(_Tables, "hook"))
    """Settings of the hooks given by name, by name."""

    evaluation: EvaluationPlan | None = field(default=None, metadata=_in_file(_Table | None, "evaluate"))
    """When and how to evaluate. None for no evaluation."""

    checkpoint: CheckpointPlan | None = field(default=None, metadata=_in_file(_Table | None))
    """When to write checkpoints, and which to keep. None to save only the final policies."""

    training_plan: TrainingPlan | None = field(default=None, metadata=_in_file(list[_Table] | None))
    """Which policies learn when: a cycle of phases such as `{"policies": ["a"], "iterations": 5}`. Policies
    that are not scheduled to learn act without exploration. None if all trained policies learn in every
    iteration."""

    workers: int = 0
    """The number of worker processes that step the copies of the env; 0 to step them in the run's own
    process. Workers pay off if a step of the env takes well over 100 µs."""

    vectorization_mode: VectorizationMode = "sync"
    """`"sync"` for separate envs; `"vector_entry_point"` for the vector env that Gymnasium provides for some
    envs, see `NativeVectorEnv`."""

    seed: int | None = None
    """The seed of the run. None for a random seed, which is recorded in `run.json`."""

    name: str | None = None
    """The name of the run. None to name it after the run file, or after trainer and env."""

    run_dir: str | Path | None = field(default="runs", metadata=_in_file(str | None))
    """The parent folder of the run directory. None to write nothing."""

    strict_hooks: bool | None = None
    """Whether a broken plugin, or an exception in a hook, ends the run. None to read `PHANTOM_STRICT`."""

    plugins: Mapping[str, Any] = field(default_factory=dict, metadata=_in_file(_Table))
    """Which installed plugins are used: `disable`, `allow`."""

    def __post_init__(self) -> None:
        """Raise `ConfigError` if a setting is out of range or has the wrong type."""
        for name in ("num_iterations", "total_steps", "workers", "seed"):
            if isinstance(getattr(self, name), np.integer):
                object.__setattr__(self, name, int(getattr(self, name)))
        _check_collections(self)
        if isinstance(self.policies_to_train, Iterable) and not isinstance(self.policies_to_train, str):
            object.__setattr__(self, "policies_to_train", tuple(self.policies_to_train))
        if (self.num_iterations is None) == (self.total_steps is None):
            given = f"num_iterations={self.num_iterations} and total_steps={self.total_steps}"
            advice = "Give one of the two (in a file: iterations or total_steps)."
            raise ConfigError(f"The run got {given}. {advice}")
        run_plans.check_seed("seed", self.seed)
        for name, is_right, expected in _EXPECTED:
            if not is_right(getattr(self, name)):
                raise ConfigError(f"The run got {name}={getattr(self, name)!r}. Expected {expected}.")
        check_vectorization_mode(self.vectorization_mode)
        _check_plans(self)
        if self.training_plan is not None:
            object.__setattr__(self, "training_plan", run_plans.parse_training_plan(self.training_plan))
        if self.policies is not None:
            object.__setattr__(self, "policies", policy_mapping.parse_policy_mapping(self.policies))

    @property
    def observer_config(self) -> dict[str, Configs]:
        """The settings of hooks and loggers, by kind and name."""
        return {"hook": self.hook_config, "logger": self.logger_config}

    @classmethod
    def from_table(cls, table: Mapping[str, Any], *, source: str, folder: Path) -> RunSettings:
        """Return the settings in a run file, checked; relative references start from `folder`."""
        table = cast("dict[str, Any]", without_none_text(table))
        values = checked_fields(cls, table, source, separator=": ")
        values["trainer"], values["trainer_config"] = split_trainer_table(values["trainer"])
        if values.get("policies") is not None:
            values["policies"] = {i: _policy(i, t, folder) for i, t in values["policies"].items()} or None
        plans = (("evaluation", "evaluate", EvaluationPlan), ("checkpoint", "checkpoint", CheckpointPlan))
        for name, key, plan in plans:
            if values.get(name) is not None:
                values[name] = build(plan, values[name], key)
        for name in ("loggers", "hooks"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)

    def to_table(self, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the settings as the contents of a run file, without those that have their default.

        Relative references start from `folder`, and are written as absolute paths. The second result
        describes each value that TOML cannot hold, by dotted name. `ConfigError` if a value contains itself.
        """
        writer, table = SettingsWriter(folder), {}
        for one in fields(self):
            value, key = getattr(self, one.name), one.metadata.get("name", one.name)
            if key is not None and not _is_default(one, value):
                try:
                    table[key] = writer.setting(self, one.name, key)
                except RecursionError:
                    problem = "contains itself, or is nested too deeply"
                    raise ConfigError(f"{key} {problem}. Give values that can be written down.") from None
        return table, writer.lost

    def with_environment(self) -> RunSettings:
        """Return the settings with each `"env:NAME"` read; raise `ConfigError` for a missing variable."""
        policies = self.policies and {
            i: replace(spec, config=read_environment(spec.config, f"policies.{i}.config"))
            for i, spec in policy_mapping.parse_policy_mapping(self.policies).items()
        }
        return replace(
            self,
            env_config=read_environment(self.env_config, "env_config"),
            policies=policies,
            trainer_config=read_environment(self.trainer_config, "trainer"),
            metrics={name: metric_with_environment(name, metric) for name, metric in self.metrics.items()},
            logger_config=read_environment(self.logger_config, "logger"),
            hook_config=read_environment(self.hook_config, "hook"),
        )

    def revealed(self) -> RunSettings:
        """Return the settings with plain text where the environment was read, but for those of policies.

        Policies are saved with their settings, so `made_policy` reveals them.
        """
        tables = ("env_config", "trainer_config", "metrics", "logger_config", "hook_config")
        return replace(self, **{name: revealed(getattr(self, name)) for name in tables})


def metric_with_environment(name: str, metric: Any) -> Any:
    """Return a metric, in whose settings each `"env:NAME"` is read."""
    if not isinstance(metric, Mapping):
        return metric
    settings = {key: value for key, value in metric.items() if key != "metric"}  # which is a reference
    return {**metric, **read_environment(settings, f"metrics.{name}")}


def masked_table(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contents of a run file with its secrets masked.

    A component's name is not the key of a secret: `[policies.token]` is an ordinary table.
    """
    return {
        key: {name: masked(part, _key(name, part)) for name, part in value.items()}
        if _is_by_name(key, value)
        else masked(value)
        for key, value in table.items()
    }


def secrets_in(table: Mapping[str, Any]) -> Secrets:
    """Return the secrets in the contents of a run file."""
    parts = [
        {_key(name, part): part} for k, v in table.items() if _is_by_name(k, v) for name, part in v.items()
    ]
    return Secrets.of(*parts, *(v for k, v in table.items() if not _is_by_name(k, v)))


def check_is_unmasked(table: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if the contents of a run file hold a mask in place of a secret."""
    names = masked_names(table)
    if names:
        raise ConfigError(
            f"The settings lack the values of {', '.join(names)}, which were masked as secrets when they "
            "were written. Give each a value, or 'env:NAME' to read it from the environment: in the file, "
            "with --set KEY=env:NAME, or from Python."
        )


def argument_documents() -> str:
    """Return the documented settings as the section `Args:` of a docstring."""
    lines = [f"{name}: {text}" for name, text in field_documents(RunSettings).items()]
    return "Args:\n" + "\n".join(f"    {line}" for line in lines)


def trainer_keys(trainer: Any, policies: PolicyMapping | None) -> tuple[str, ...]:
    """Return the keys of all trainers of a run: its own first, then those that policies name."""
    specs = {} if policies is None else policy_mapping.parse_policy_mapping(policies)
    named = [trainer_key(spec.trainer) for spec in specs.values() if spec.trainer is not None]
    return tuple(dict.fromkeys([trainer_key(trainer), *named]))


def matches_trainer(key: str, own: str) -> bool:
    """Return whether a key of `trainer_config` names a trainer, with or without its module."""
    return key == own or own.endswith(f":{key}")


def configs_by_trainer(trainer: Any, policies: PolicyMapping | None, given: Any) -> Configs:
    """Return settings by trainer. From Python, they are flat for one trainer, and by name for several."""
    if not given:
        return {}
    if not isinstance(given, Mapping):
        raise ConfigError(f"trainer_config is {given!r}. Expected a dict by name.")
    keys = trainer_keys(trainer, policies)
    if len(keys) == 1:
        if len(given) == 1 and all(
            matches_trainer(key, keys[0]) and isinstance(value, Mapping) for key, value in given.items()
        ):
            raise ConfigError(
                f"trainer_config has a dict for the trainer {next(iter(given))!r}, but this run has one "
                "trainer. Give its settings themselves: trainer_config={'setting': value}."
            )
        return {keys[0]: given}
    for key, value in given.items():
        if not isinstance(value, Mapping):
            example = ", ".join(f"{key!r}: {{...}}" for key in keys)
            raise ConfigError(
                f"trainer_config has {key!r}: {value!r}, but this run has {len(keys)} trainers. Give "
                f"settings by trainer: {{{example}}}."
            )
    return given


def split_trainer_table(trainer: Any) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the name of the trainer in a run file, and the settings by trainer."""
    if isinstance(trainer, str):
        return trainer, {}
    if not isinstance(trainer, dict):
        expected = "Expected a registered name, or a table [trainer.<name>]."
        raise ConfigError(f"trainer = {trainer!r} is wrong. {expected}")
    configs = {key: value for key, value in trainer.items() if key != "name"}
    name = trainer.get("name", next(iter(configs)) if len(configs) == 1 else None)
    if not isinstance(name, str):
        raise ConfigError(
            f"[trainer] has settings for {', '.join(map(repr, configs)) or 'nobody'}, but does not say "
            "which trainer to use. Give its name: trainer.name = 'q-learning', or --trainer q-learning."
        )
    for key, value in configs.items():
        if not isinstance(value, dict):
            expected = f"Settings go into a table: [trainer.{name}]."
            raise ConfigError(f"trainer.{key} = {value!r} is wrong. {expected}")
    return name, configs


@dataclass(frozen=True)
class PolicyTable:
    """A table `[policies.<id>]` of a run file: a `PolicySpec`, with agents given by `agents` or `class`."""

    agents: list[Any] | None = None
    """Agent ids; a list stands for a tuple, such as `[["buyers", 0]]`. Give this or `class`."""
    agent_class: str | None = field(default=None, metadata={"name": "class"})
    """Reference to an agent class or a predicate. Give this or `agents`."""
    policy: str | None = None
    """A registered name or a reference; default: the trainer's own policy class."""
    config: dict[str, Any] = field(default_factory=dict)
    """Settings of the policy."""
    trainer: str | None = None
    """The trainer of this policy, a registered name or a reference; default: the trainer of the run."""
    train: bool | None = None
    """Whether the policy is trained; default: true if it has no `policy` and no `opponents`."""
    opponents: Literal["past"] | None = None
    """`"past"`: its agents act by snapshots of a policy that is trained."""


def _policy(policy_id: str, settings: Mapping[str, Any], folder: Path) -> PolicySpec:
    path = f"policies.{policy_id}"
    table = cast("PolicyTable", build(PolicyTable, settings, path))
    if (table.agents is None) == (table.agent_class is None):
        choice = "either agents (a list of ids) or class (an agent class)"
        raise ConfigError(f"{path} needs {choice}. Give one of the two.")
    agents: AgentSelection = [id_from_file(agent_id) for agent_id in table.agents or []]
    if table.agent_class is not None:
        agents = load_reference(table.agent_class, setting=f"{path}.class", folder=folder, expected=Agent)
        if not callable(agents) or (isinstance(agents, type) and not issubclass(agents, Agent)):
            raise ConfigError(
                f"{path}.class = {table.agent_class!r} is no agent class. Expected a subclass of "
                "ph.Agent, or a function that says of an agent whether it is meant."
            )
    choices = {name: getattr(table, name) for name in ("policy", "config", "trainer", "train", "opponents")}
    return PolicySpec(agents=agents, **choices)


def _is_by_name(key: str, value: Any) -> bool:
    """Return whether a value of a run file holds a table for each name of a component."""
    return key in ("trainer", "policies", "metrics", "logger", "hook") and isinstance(value, Mapping)


def _key(name: str, part: Any) -> str:
    """Return the key of a part of a run file; none if the key is the name of a component."""
    return "" if isinstance(part, Mapping) else name


def _is_default(one: dataclasses.Field[Any], value: Any) -> bool:
    if one.default_factory is not dataclasses.MISSING:
        return isinstance(value, Mapping) and not value
    return type(value) is type(one.default) and value == one.default  # MISSING is no value


_EXPECTED: Final[Sequence[tuple[str, Callable[[Any], object], str]]] = (
    ("num_iterations", lambda value: value is None or is_whole(value), "a positive integer"),
    ("total_steps", lambda value: value is None or is_whole(value), "a positive integer"),
    ("workers", lambda value: is_whole(value, least=0), "a number of processes, or 0"),
    ("strict_hooks", lambda value: isinstance(value, bool | None), "True, False or None"),
    ("name", lambda value: value is None or _is_text(value), "a str that is not empty, or None"),
    ("run_dir", lambda value: isinstance(value, str | Path | None), "a folder, or None"),
)
"""Settings with a test of their values, and what messages say is expected."""


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _check_collections(settings: RunSettings) -> None:
    """Raise if a single value is given where a collection is expected, or an object has the wrong class."""
    for name in ("loggers", "hooks"):
        value = getattr(settings, name)
        if isinstance(value, str):
            raise ConfigError(f"{name} is {value!r}. Expected a list: [{value!r}].")
        if not isinstance(value, Iterable):
            raise ConfigError(f"{name} is one {type(value).__name__}. Expected a list of them.")
        if isinstance(value, Mapping):
            expected = f"Expected a list; settings by name are {name.removesuffix('s')}_config."
            raise ConfigError(f"{name} is {value!r}. {expected}")
    for name in ("env_config", "trainer_config", "metrics", "logger_config", "hook_config"):
        value = getattr(settings, name)
        if not isinstance(value, Mapping):
            raise ConfigError(f"{name} is {value!r}. Expected a dict by name.")
    for name in ("metrics", "logger_config", "hook_config"):
        for key in getattr(settings, name):
            if not _is_text(key):
                raise ConfigError(f"{name} has the key {key!r}. Expected a name: a str that is not empty.")
    check_metric_names(settings.metrics)


def _check_plans(settings: RunSettings) -> None:
    """Raise if a plan has the wrong class, or the run cannot write checkpoints."""
    plans = (("evaluation", EvaluationPlan, "episodes=100"), ("checkpoint", CheckpointPlan, "every=10"))
    for name, plan_class, example in plans:
        plan = getattr(settings, name)
        if plan is not None and not isinstance(plan, plan_class):
            expected = f"Expected ph.{plan_class.__name__}({example}), for instance."
            raise ConfigError(f"{name} is {plan!r}. {expected}")
    if settings.checkpoint is not None and settings.run_dir is None:
        raise ConfigError(
            "The run is to write checkpoints, but run_dir is None: there is no place for them. Give a "
            "folder, or leave checkpoint out."
        )
    if settings.checkpoint is not None and settings.vectorization_mode == "vector_entry_point":
        raise ConfigError(
            "vectorization_mode='vector_entry_point' cannot be saved in the middle of an episode, so there "
            "can be no checkpoints. Leave out checkpoint, or use vectorization_mode='sync'."
        )


def check_is_complete(not_in_file: Mapping[str, str], source: str) -> str:
    """Raise `ConfigError` if a file lacks what its run needs; return a sentence about missing observers."""
    watching = {name: what for name, what in not_in_file.items() if name.startswith(("loggers[", "hooks["))}
    needed = {name: what for name, what in not_in_file.items() if name not in watching}
    if needed:
        lost = "; ".join(f"{name} ({what})" for name, what in needed.items())
        raise ConfigError(
            f"{source} lacks what a file cannot hold: {lost}. Give each a value in the file and remove it "
            "from the table [not_in_file], set it with --set, or repeat the run from Python."
        )
    if not watching:
        return ""
    return (
        f"{source} lacks {', '.join(watching.values())}, which followed the original run. This run goes on "
        "without, and may end earlier or later."
    )
