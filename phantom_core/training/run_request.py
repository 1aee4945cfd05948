"""Everything that a run is asked to do, as one value: what `train` and the command line both fill in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

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
from phantom_core.seeding import MAX_SEED
from phantom_core.training.references import reference_to
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
    evaluation: EvaluationPlan | None = None
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

    def to_config(self) -> dict[str, Any]:
        """Return the request as the plain values of a run file.

        Classes and functions are references. Hooks and loggers that are objects are left out; they
        change no training, and `run.json` names them. Other objects that a file cannot hold are text
        that no run file accepts.
        """
        env = self.env if isinstance(self.env, str) else reference_to(self.env)
        config: dict[str, Any] = {"env": env, "env_config": _plain(self.env_config)}
        config["trainer"] = self._trainer_table()
        config["loggers"] = [logger for logger in self.loggers if isinstance(logger, str)]
        config["logger"] = _plain(self.logger_config)
        config["iterations"], config["total_steps"] = self.num_iterations, self.total_steps
        config["seed"], config["name"] = self.seed, self.name
        config["strict_hooks"] = self.strict_hooks
        if self.policies is not None:
            specs = parse_policy_mapping(self.policies)
            config["policies"] = {policy_id: _policy_table(spec) for policy_id, spec in specs.items()}
            if self.policies_to_train is not None:
                for policy_id in select_policies_to_train(specs, self.policies_to_train):
                    config["policies"][policy_id]["train"] = True
        config["metrics"] = {name: _metric_table(metric) for name, metric in self.metrics.items()}
        if self.evaluation is not None:
            config["evaluate"] = {f.name: getattr(self.evaluation, f.name) for f in fields(EvaluationPlan)}
        kept = without_nothing(config)
        assert isinstance(kept, dict)
        return kept

    def _trainer_table(self) -> dict[str, Any]:
        if isinstance(self.trainer, str):
            tables = {name or self.trainer: settings for name, settings in self.trainer_config.items()}
            return {"name": self.trainer, **_plain(tables)}
        trainer_class = self.trainer if isinstance(self.trainer, type) else type(self.trainer)
        settings = (
            self.trainer.config if isinstance(self.trainer, Trainer) else self.trainer_config.get("", {})
        )
        name = reference_to(trainer_class) or trainer_class.__name__
        return {"name": name, name: _plain(settings) if settings else {}}


def without_nothing(value: Any) -> Any:
    """Leave out None and empty tables, which TOML does not have or need."""
    if isinstance(value, dict):
        parts = {key: without_nothing(part) for key, part in value.items()}
        return {key: part for key, part in parts.items() if part is not None and part not in ({}, [])}
    if isinstance(value, list):
        return [without_nothing(part) for part in value if part is not None]
    return value


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


def _policy_table(spec: PolicySpec) -> dict[str, Any]:
    table: dict[str, Any] = {
        "trainer": spec.trainer,
        "train": spec.train,
        "config": _plain(spec.config),
    }
    if isinstance(spec.agents, (list, tuple)):
        table["agents"] = [_plain(agent_id) for agent_id in spec.agents]
    else:
        table["class"] = reference_to(spec.agents) or getattr(spec.agents, "__name__", repr(spec.agents))
    if isinstance(spec.policy, Policy):
        table["policy"] = f"an instance of {type(spec.policy).__name__}"
    elif spec.policy is not None:
        table["policy"] = spec.policy if isinstance(spec.policy, str) else _plain(spec.policy)
    return table


def _metric_table(metric: Metric) -> dict[str, Any]:
    settings = _plain(metric)
    return {"metric": reference_to(type(metric)), **(settings if isinstance(settings, dict) else {})}


def _plain(value: Any) -> Any:
    """Return what a run file can hold: plain values; classes and functions as references; else text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Path):
        return str(value)
    try:
        return reference_to(value) or msgspec.to_builtins(value, enc_hook=_as_text)
    except (TypeError, ValueError, NotImplementedError):
        return repr(value)


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
    for name in ("env_config", "trainer_config", "metrics", "logger_config"):
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


def _check_seed(name: str, seed: int | None) -> None:
    if seed is not None and (
        isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED
    ):
        raise ConfigError(f"The run got {name}={seed!r}. Expected an integer from 0 to 2**63 - 1, or none.")
