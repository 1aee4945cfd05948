"""What life-cycle hooks are told: one event object each. Events grow by fields, never by parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from phantom_core.types import AgentID, PolicyID

if TYPE_CHECKING:
    from phantom_core.policies.policy import Policy

Status: TypeAlias = Literal["completed", "stopped", "interrupted", "failed"]
"""How a run ended: all iterations made, a hook or signal stopped it early, or an exception did."""

_EMPTY: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainStart:
    """A run is about to make its first iteration.

    Attributes:
        run_name: the name of the run.
        run_directory: where the run writes; None: nowhere.
        trainer_name: the registered name of the trainer, or its class name.
        num_iterations: how many iterations it will make; None: as many as `total_steps` takes.
        total_steps: how many env steps it was asked for: it ends with the first iteration that reaches
            them; None: as many as `num_iterations` make.
        seed: the seed that everything random in the run follows from.
        hyper_parameters: the settings of the run, as in its `config.toml`, by dotted name.
        policies: policy by id, as they are before training.
        policy_by_agent: policy id by agent id.
        policies_to_train: the ids of the policies that are trained.
    """

    run_name: str
    run_directory: Path | None
    trainer_name: str
    num_iterations: int | None
    total_steps: int | None
    seed: int
    hyper_parameters: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    policies: Mapping[PolicyID, Policy] = field(default_factory=lambda: _EMPTY)
    policy_by_agent: Mapping[AgentID, PolicyID] = field(default_factory=lambda: _EMPTY)
    policies_to_train: tuple[PolicyID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationStart:
    """An iteration begins.

    Attributes:
        iteration: its number, from 0.
        env_steps: env steps made in the run before it.
    """

    iteration: int
    env_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeEnd:
    """An episode that was played for training ended.

    Attributes:
        iteration: the iteration in which it ended.
        copy: the number of the copy of the env, from 0.
        episode: the number of the episode in this copy, from 0.
        length: its env steps.
        episode_returns: sum of rewards by agent id, undiscounted.
        terminated: whether it ended by the rules of the world.
        truncated: whether it was cut off from outside, as by a time limit.
        metrics: reduced value by metric name.
    """

    iteration: int
    copy: int
    episode: int
    length: int
    episode_returns: Mapping[AgentID, float]
    terminated: bool
    truncated: bool
    metrics: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsRecorded:
    """Values were logged. Fired once per iteration, with all of its values.

    Attributes:
        iteration: the iteration they belong to; for the evaluation after the last one, that one.
        env_steps: env steps made in the run so far.
        values: scalar by name: a metric's own name, `rewards/<agent>`, `rewards/group`,
            `<policy>/<quantity>`, `eval/…`, `time/…`.
    """

    iteration: int
    env_steps: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationEnd:
    """The policies were evaluated.

    Attributes:
        iteration: the last iteration made before it.
        env_steps: env steps made in training so far.
        mean_return: mean over the episodes of the mean return of the agents whose policies train.
        episode_returns: for each agent id, its return in each episode.
        metrics: for each metric name, its reduced value in each episode.
    """

    iteration: int
    env_steps: int
    mean_return: float
    episode_returns: Mapping[AgentID, tuple[float, ...]]
    metrics: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationEnd:
    """An iteration was made.

    Attributes:
        iteration: its number, from 0.
        env_steps: env steps made in the run so far.
        values: the scalars of the iteration by name, as in `MetricsRecorded`; in `should_evaluate` and
            `extra_values`, those logged so far.
        policies: policy by id, as they are now. Look, do not change.
    """

    iteration: int
    env_steps: int
    values: Mapping[str, float]
    policies: Mapping[PolicyID, Policy] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved:
    """Policies were written to disk.

    Attributes:
        iteration: the last iteration made before it.
        env_steps: env steps made in the run so far.
        path: the folder that was written.
    """

    iteration: int
    env_steps: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainFailed:
    """An exception ends the run; `on_train_end` follows.

    Attributes:
        iteration: the iteration in which it was raised; -1: before the first.
        exception: the exception.
    """

    iteration: int
    exception: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainEnd:
    """The run is over. Delivered to every plugin of the run, however it ends.

    Attributes:
        status: how it ended.
        iterations: iterations made.
        env_steps: env steps made.
        stop_reasons: what stopped it early.
        hook_failures: one sentence for each plugin that failed on the way.
    """

    status: Status
    iterations: int
    env_steps: int
    stop_reasons: tuple[str, ...] = ()
    hook_failures: tuple[str, ...] = ()
