"""The events of life-cycle hooks. A hook has one parameter, its event; new data becomes a field of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from phantom_core.types import AgentID, PolicyID

if TYPE_CHECKING:
    from phantom_core.policies.policy import BasePolicy

Status: TypeAlias = Literal["completed", "stopped", "diverged", "interrupted", "failed"]
"""How a run ended: `"completed"`; stopped by a hook or a trainer; diverged, since what it learned is not
finite any more; interrupted by a signal; or failed by an exception."""

_EMPTY: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainStart:
    """A run is about to start its first iteration.

    Attributes:
        run_name: the name of the run.
        run_directory: the run directory; None if the run writes none.
        trainer_name: the registered name of the trainer, or its class name.
        num_iterations: the number of iterations; None if `total_steps` limits the run.
        total_steps: the number of env steps; the run ends with the first iteration that reaches it. None if
            `num_iterations` limits the run.
        seed: the seed of the run.
        hyper_parameters: the settings of the run by dotted name, as in its `config.toml`: secrets are
            masked, and what is read from the environment is `"env:NAME"`.
        policies: policy by id, before training.
        policy_by_agent: policy id by agent id.
        policies_to_train: the ids of the policies that are trained.
        is_resumed: whether the run goes on from a checkpoint. What `load_state_dict` restored before must be
            left as it is then, and files are continued.
    """

    run_name: str
    run_directory: Path | None
    trainer_name: str
    num_iterations: int | None
    total_steps: int | None
    seed: int
    hyper_parameters: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    policies: Mapping[PolicyID, BasePolicy] = field(default_factory=lambda: _EMPTY)
    policy_by_agent: Mapping[AgentID, PolicyID] = field(default_factory=lambda: _EMPTY)
    policies_to_train: tuple[PolicyID, ...] = ()
    is_resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationStart:
    """An iteration starts.

    Attributes:
        iteration: the number of the iteration, from 0.
        env_steps: the number of env steps before the iteration.
    """

    iteration: int
    env_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeEnd:
    """A training episode ended.

    Attributes:
        iteration: the iteration in which it ended.
        env_index: the index of the copy of the env, from 0.
        episode: the number of the episode in this copy, from 0.
        seed: the seed of the episode: `env.reset(seed=...)` starts it again.
        length: the number of env steps.
        episode_returns: undiscounted sum of rewards by agent id.
        terminated: whether the episode reached a terminal state.
        truncated: whether the episode was cut off, for example by a time limit.
        metrics: reduced value by metric name.
    """

    iteration: int
    env_index: int
    episode: int
    seed: int
    length: int
    episode_returns: Mapping[AgentID, float]
    terminated: bool
    truncated: bool
    metrics: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsRecorded:
    """Values were logged. Fired once per iteration, with all of its values, and for each written at once.

    Attributes:
        iteration: the iteration that the values belong to; for the final evaluation, the last iteration.
        env_steps: the number of env steps in the run so far.
        values: scalar by name: a metric's own name, `rewards/<agent>` (of at most 100 agents),
            `rewards/group`, `<policy>/<quantity>`, `eval/…`, `time/…`.
        is_of_iteration: whether these are values of an iteration. Others a trainer wrote at once, with
            a step of its own, which is both `iteration` and `env_steps`.
    """

    iteration: int
    env_steps: int
    values: Mapping[str, float]
    is_of_iteration: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationEnd:
    """The policies were evaluated.

    Attributes:
        iteration: the last iteration before the evaluation.
        env_steps: the number of env steps in training so far.
        mean_return: mean over episodes of the mean return of the agents whose policies are trained.
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
    """An iteration is complete.

    Attributes:
        iteration: the number of the iteration, from 0.
        env_steps: the number of env steps in the run so far.
        values: the scalars of the iteration by name, as in `MetricsRecorded`; in `should_evaluate` and
            `extra_values`, those logged so far.
        policies: the current policies by id. Do not modify them.
    """

    iteration: int
    env_steps: int
    values: Mapping[str, float]
    policies: Mapping[PolicyID, BasePolicy] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved:
    """Policies were written to disk.

    Attributes:
        iteration: the last completed iteration.
        env_steps: the number of env steps in the run so far.
        path: the folder that was written.
    """

    iteration: int
    env_steps: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainFailed:
    """An exception ends the run; `on_train_end` follows.

    Attributes:
        iteration: the iteration in which it was raised; -1 if before the first.
        exception: the exception.
    """

    iteration: int
    exception: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainEnd:
    """The run is over. Delivered to every plugin of the run, however the run ends.

    Attributes:
        status: how the run ended.
        iterations: the number of completed iterations.
        env_steps: the number of env steps.
        stop_reasons: why the run stopped early.
        hook_failures: one sentence for each plugin that failed.
    """

    status: Status
    iterations: int
    env_steps: int
    stop_reasons: tuple[str, ...] = ()
    hook_failures: tuple[str, ...] = ()
