"""Everything that a run is asked to do, as one value: what `train` and the command line both fill in."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.hooks.hookspecs import Hooks
from phantom_core.metrics import Metric
from phantom_core.policies.policy import Policy
from phantom_core.policies.policy_mapping import (
    PolicyMapping,
    PolicySpec,
    parse_policy_mapping,
    select_policies_to_train,
)
from phantom_core.rollouts.make_vector_env import Vectorization
from phantom_core.seeding import MAX_SEED
from phantom_core.training.references import absolute, reference_to
from phantom_core.training.run_plans import CheckpointPlan, TrainingPlan, parse_training_plan
from phantom_core.training.trainer import Trainer
from phantom_core.types import PolicyID


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """When and how finished policies are evaluated.

    Attributes:
        episodes: how many episodes each evaluation plays.
        every: evaluate after every so many iterations too; None: only after the last one.
        seed: what the episodes follow from; None: the run's seed, apart from all training episodes.
        reference_return: the best return known; the result is given as a percentage of it.
    """

    episodes: int = 100
    every: int | None = None
    seed: int | None = None
    reference_return: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        for name, value in (("episodes", self.episodes), ("every", self.every)):
            if value is not None and value < 1:
                raise ConfigError(f"evaluate.{name} = {value}. Expected a positive number.")
        _check_seed("evaluate.seed", self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a run is asked to do; the fields are the parameters of `train`."""

    trainer: str | type[Trainer] | Trainer
    env: str | Callable[..., MultiAgentEnv]
    env_config: Mapping[str, Any] = field(default_factory=dict)
    policies: PolicyMapping | None = None
    policies_to_train: Iterable[PolicyID] | None = None
    num_iterations: int | None = None
    total_steps: int | None = None
    trainer_config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    loggers: Sequence[str | Hooks] = ()
    logger_config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hooks: Sequence[object] = ()
    hook_config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    evaluation: EvaluationPlan | None = None
    checkpoint: CheckpointPlan | None = None
    training_plan: TrainingPlan | None = None
    workers: int = 0
    vectorization: Vectorization = "copies"
    seed: int | None = None
    name: str | None = None
    run_dir: str | Path | None = "runs"
    strict_hooks: bool | None = None

    def __post_init__(self) -> None:
        """Refuse lengths, seeds and collections that make no sense."""
        _check_collections(self)
        for name in ("num_iterations", "total_steps", "seed"):
            value = getattr(self, name)
            if isinstance(value, np.integer):
                object.__setattr__(self, name, int(value))
        if isinstance(self.policies_to_train, Iterable) and not isinstance(self.policies_to_train, str):
            object.__setattr__(self, "policies_to_train", tuple(self.policies_to_train))
        if (self.num_iterations is None) == (self.total_steps is None):
            raise ConfigError(
                f"The run got num_iterations={self.num_iterations} and total_steps={self.total_steps}. "
                "Give one of the two (in a file: iterations or total_steps)."
            )
        for name in ("num_iterations", "total_steps"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ConfigError(f"The run got {name}={value!r}. Expected a positive integer.")
        _check_seed("seed", self.seed)
        if isinstance(self.workers, bool) or not isinstance(self.workers, int) or self.workers < 0:
            raise ConfigError(f"The run got workers={self.workers!r}. Expected a number of processes, or 0.")
        _check_checkpoint(self)
        if self.training_plan is not None:
            parse_training_plan(self.training_plan)

    @property
    def observer_config(self) -> dict[str, Mapping[str, Mapping[str, Any]]]:
        """The settings of what follows the run, by kind and name."""
        return {"hook": self.hook_config, "logger": self.logger_config}

    def to_config(self) -> dict[str, Any]:
        """Return the request as the plain values of a run file.

        Classes and functions are references. Hooks and loggers that are objects are left out; they
        change no training, and `run.json` names them. What a file cannot hold is left out if it is
        None, and else text; `not_in_config` lists both.
        """
        return self._written()[0]

    @property
    def not_in_config(self) -> tuple[str, ...]:
        """The dotted names of the values that `to_config` could not write as they are."""
        return tuple(self._written()[1])

    def _written(self) -> tuple[dict[str, Any], list[str]]:
        """Return the config, and the names of what it does not hold."""
        plain = _Plain()
        config: dict[str, Any] = {
            "env": self.env if isinstance(self.env, str) else plain.reference(self.env, "env"),
            "env_config": plain.table(self.env_config, "env_config"),
            "trainer": self._trainer_table(plain),
            "loggers": [logger for logger in self.loggers if isinstance(logger, str)],
            "logger": plain.table(self.logger_config, "logger"),
            "hook": plain.table(self.hook_config, "hook"),
            "hooks": [absolute(hooks, Path.cwd()) for hooks in self.hooks if isinstance(hooks, str)],
            "iterations": self.num_iterations,
            "total_steps": self.total_steps,
            "workers": self.workers or None,
            "vectorization": None if self.vectorization == "copies" else self.vectorization,
            "seed": self.seed,
            "name": self.name,
            "strict_hooks": self.strict_hooks,
            "policies": self._policy_tables(plain),
            "metrics": {name: _metric_table(metric, name, plain) for name, metric in self.metrics.items()},
        }
        for table, part in (("evaluate", self.evaluation), ("checkpoint", self.checkpoint)):
            if part is not None:
                config[table] = without_nothing({f.name: getattr(part, f.name) for f in fields(part)})
        if self.training_plan is not None:
            phases = parse_training_plan(self.training_plan)
            config["training_plan"] = [
                {"policies": list(phase.policies), "iterations": phase.iterations} for phase in phases
            ]
        return without_nothing(config), plain.lost

    def _policy_tables(self, plain: _Plain) -> dict[str, Any]:
        if self.policies is None:
            return {}
        specs = parse_policy_mapping(self.policies)
        tables = {policy_id: _policy_table(spec, policy_id, plain) for policy_id, spec in specs.items()}
        if self.policies_to_train is not None:
            chosen = select_policies_to_train(specs, self.policies_to_train)
            for policy_id, table in tables.items():
                table["train"] = policy_id in chosen
        return tables

    def _trainer_table(self, plain: _Plain) -> dict[str, Any]:
        if isinstance(self.trainer, str):
            tables = {name or self.trainer: settings for name, settings in self.trainer_config.items()}
            written = {name: plain.value(settings, f"trainer.{name}") for name, settings in tables.items()}
            return {"name": self.trainer, **without_nothing(written)}
        trainer_class = self.trainer if isinstance(self.trainer, type) else type(self.trainer)
        name = plain.reference(trainer_class, "trainer.name") or trainer_class.__name__
        if isinstance(self.trainer, Trainer):
            own: Mapping[str, Any] = _set_fields(self.trainer.config)
        else:
            own = self.trainer_config.get("", {})
        written = {name: plain.value(own, f"trainer.{name}")}
        return {"name": name, **without_nothing(written)}


@dataclass(frozen=True, slots=True)
class _Plain:
    """Turns values into those of a run file.

    Attributes:
        lost: the dotted names of the values that a run file cannot hold.
    """

    lost: list[str] = field(default_factory=list)

    def table(self, values: Mapping[Any, Any], name: str) -> dict[str, Any]:
        """Return a table of the user's: nothing is left out of it but None."""
        self.lost.extend(f"{name}.{key}" for key in values if not isinstance(key, str))
        written = {str(key): self.value(part, f"{name}.{key}") for key, part in values.items()}
        return {key: part for key, part in written.items() if part is not None}

    def value(self, value: Any, name: str) -> Any:
        """Return a value; None for None; text for what is no plain value."""
        if isinstance(value, Mapping):
            return self.table(value, name)
        if isinstance(value, (list, tuple)):
            parts = [self.value(part, f"{name}[{index}]") for index, part in enumerate(value)]
            return [part for part in parts if part is not None]
        if isinstance(value, np.generic) and value.dtype.kind in "biufU":
            value = value.item()
        if isinstance(value, _PLAIN) and not isinstance(value, enum.Enum):
            return value
        return self._text(value, name)

    def reference(self, value: object, name: str) -> str | None:
        """Return the reference to a class or function; None if none leads to it."""
        reference = reference_to(value)
        if reference is None:
            self.lost.append(name)
        return reference

    def _text(self, value: Any, name: str) -> Any:
        self.lost.append(name)
        if value is None:
            return None
        try:
            return _without_none(reference_to(value) or msgspec.to_builtins(value, enc_hook=_as_text))
        except (TypeError, ValueError, NotImplementedError):
            return repr(value)


_PLAIN: Final = (bool, int, float, str, date, time)
"""What TOML holds; a datetime is a date."""


def without_nothing(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table without its own None, empty tables and lists; tables inside it are kept as they are.

    >>> without_nothing({"seed": None, "loggers": [], "env_config": {"sizes": []}})
    {'env_config': {'sizes': []}}
    """
    return {key: part for key, part in table.items() if part is not None and part not in ({}, [])}


def flattened(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested tables by dotted name.

    >>> flattened({"trainer": {"ppo": {"lr": 0.1}}, "seed": 1})
    {'trainer.ppo.lr': 0.1, 'seed': 1}
    """
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            leaves |= flattened(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def _policy_table(spec: PolicySpec, policy_id: PolicyID, plain: _Plain) -> dict[str, Any]:
    path = f"policies.{policy_id}"
    table: dict[str, Any] = {
        "trainer": spec.trainer,
        "train": spec.train,
        "config": plain.value(spec.config, f"{path}.config"),
    }
    if callable(spec.agents):
        name = getattr(spec.agents, "__name__", repr(spec.agents))
        table["class"] = plain.reference(spec.agents, f"{path}.class") or name
    else:
        table["agents"] = plain.value(list(spec.agents), f"{path}.agents")
    if isinstance(spec.policy, Policy):
        plain.lost.append(f"{path}.policy")
        table["policy"] = f"an instance of {type(spec.policy).__name__}"
    elif isinstance(spec.policy, str):
        table["policy"] = spec.policy
    elif spec.policy is not None:
        name = getattr(spec.policy, "__name__", repr(spec.policy))
        table["policy"] = plain.reference(spec.policy, f"{path}.policy") or name
    return without_nothing(table)


def _metric_table(metric: Metric, name: str, plain: _Plain) -> dict[str, Any]:
    path = f"metrics.{name}"
    reference = plain.reference(type(metric), f"{path}.metric")
    return {**({"metric": reference} if reference else {}), **plain.table(_set_fields(metric), path)}


def _set_fields(instance: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, but those that are None by default; nothing for other objects."""
    if not is_dataclass(instance):
        return {}
    values = {f: getattr(instance, f.name) for f in fields(instance) if f.init}
    return {f.name: value for f, value in values.items() if value is not None or f.default is not None}


def _without_none(value: Any) -> Any:
    """Return plain values without None, which TOML does not have."""
    if isinstance(value, dict):
        return {str(key): _without_none(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_without_none(part) for part in value if part is not None]
    return value


def _as_text(value: object) -> str:
    return reference_to(value) or repr(value)


def _check_collections(request: RunRequest) -> None:
    """Refuse single values where several are expected, and objects of the wrong class."""
    for name in ("loggers", "hooks"):
        value = getattr(request, name)
        if isinstance(value, str):
            raise ConfigError(f"{name} is {value!r}. Expected a list: [{value!r}].")
        if not isinstance(value, Iterable):
            raise ConfigError(f"{name} is one {type(value).__name__}. Expected a list of them.")
    for name in ("env_config", "trainer_config", "metrics", "logger_config", "hook_config"):
        value = getattr(request, name)
        if name == "trainer_config" and isinstance(value, Mapping):
            value = value.get("", {})
        if not isinstance(value, Mapping):
            raise ConfigError(f"{name} is {value!r}. Expected a dict by name.")
    for name, metric in request.metrics.items():
        if not isinstance(metric, Metric):
            raise ConfigError(
                f"metrics[{name!r}] is {metric!r}. Expected an instance of ph.metrics.Metric, such as "
                "ph.metrics.SimpleEnvMetric('current_step')."
            )
    if request.evaluation is not None and not isinstance(request.evaluation, EvaluationPlan):
        raise ConfigError(
            f"evaluation is {request.evaluation!r}. Expected ph.EvaluationPlan(episodes=100), for instance."
        )


def _check_checkpoint(request: RunRequest) -> None:
    if request.checkpoint is None:
        return
    if not isinstance(request.checkpoint, CheckpointPlan):
        raise ConfigError(
            f"checkpoint is {request.checkpoint!r}. Expected ph.CheckpointPlan(every=10), for instance."
        )
    if request.run_dir is None:
        raise ConfigError(
            "The run is to write checkpoints, but run_dir is None: there is no place for them. Give a "
            "folder, or leave checkpoint out."
        )
    if request.vectorization == "native":
        raise ConfigError(
            "vectorization='native' cannot be saved in the middle of an episode, so there can be no "
            "checkpoints. Leave out checkpoint, or use vectorization='copies'."
        )


def _check_seed(name: str, seed: int | None) -> None:
    if seed is not None and (
        isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED
    ):
        raise ConfigError(f"The run got {name}={seed!r}. Expected an integer from 0 to 2**63 - 1, or none.")
