"""Plans of a run: when to evaluate, when to write checkpoints, and which policies learn when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from phantom_core.component_config import build, is_whole
from phantom_core.errors import ConfigError, did_you_mean, listing
from phantom_core.seeding import MAX_SEED
from phantom_core.types import PolicyID


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPlan:
    """When a run writes checkpoints, and which of them it keeps.

    Attributes:
        every: write a checkpoint every `every` iterations.
        keep_last: the number of newest checkpoints to keep.
        keep_best: the number of best checkpoints to keep in addition. The score of a checkpoint is the
            evaluation of its iteration (`eval/mean_return`) or, without one, the mean episode return of the
            policies that are trained.
    """

    every: int
    keep_last: int = 3
    keep_best: int = 0

    def __post_init__(self) -> None:
        """Raise if a number is out of range."""
        for name, least in (("every", 1), ("keep_last", 1), ("keep_best", 0)):
            value = getattr(self, name)
            if not is_whole(value, least):
                expected = f"Expected an integer that is at least {least}."
                raise ConfigError(f"checkpoint.{name} = {value!r}. {expected}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """When and how policies are evaluated.

    Attributes:
        episodes: the number of episodes of each evaluation.
        every: evaluate every `every` iterations too; None for only after the last one.
        seed: the seed of the episodes. None to derive it from the run's seed; evaluation and training
            episodes are seeded independently.
        reference_return: the best known return; the result is also shown as a percentage of it.
        max_steps: episodes are truncated after so many steps, for a game without end; None for no limit.
    """

    episodes: int = 100
    every: int | None = None
    seed: int | None = None
    reference_return: float | None = None
    max_steps: int | None = None

    def __post_init__(self) -> None:
        """Raise if a number is out of range."""
        for name in ("episodes", "every", "max_steps"):
            value = getattr(self, name)
            if value is not None and not is_whole(value):
                raise ConfigError(f"evaluate.{name} = {value!r}. Expected a positive integer.")
        check_seed("evaluate.seed", self.seed)


def check_seed(name: str, seed: int | None) -> None:
    """Raise `ConfigError` if a seed is not an integer from 0 to `MAX_SEED`, or None."""
    if seed is not None and not (is_whole(seed, least=0) and seed <= MAX_SEED):
        raise ConfigError(f"The run got {name}={seed!r}. Expected an integer from 0 to 2**63 - 1, or none.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPhase:
    """A phase of a training plan: some policies learn for a number of iterations.

    Attributes:
        policies: ids of the policies that learn in this phase.
        iterations: the number of iterations.
    """

    policies: Sequence[PolicyID]
    iterations: int

    def __post_init__(self) -> None:
        """Raise if the phase has no policies or no iterations."""
        if isinstance(self.policies, str) or not self.policies:
            wrong = f"policies={self.policies!r}. Expected a list of policy ids that is not empty."
            raise ConfigError(f"A phase of the training plan has {wrong}")
        if not is_whole(self.iterations):
            wrong = f"iterations={self.iterations!r}. Expected a positive integer."
            raise ConfigError(f"A phase of the training plan has {wrong}")


TrainingPlan: TypeAlias = Sequence[TrainingPhase | Mapping[str, Any]]
"""A cycle of phases, each a `TrainingPhase` or a dict of its fields. It restarts after the last phase."""


def parse_training_plan(plan: TrainingPlan) -> tuple[TrainingPhase, ...]:
    """Convert every phase to a `TrainingPhase`; raise `ConfigError` if the plan is no list of phases."""
    if isinstance(plan, (str, Mapping)) or not isinstance(plan, Iterable) or not plan:
        raise ConfigError(
            f"training_plan is {plan!r}. Expected a list of phases, such as "
            "[{'policies': ['a'], 'iterations': 5}, {'policies': ['b'], 'iterations': 5}]."
        )
    phases: list[TrainingPhase] = []
    for number, phase in enumerate(plan):
        if isinstance(phase, Mapping):
            phases.append(build(TrainingPhase, dict(phase), f"training_plan[{number}]"))
        elif isinstance(phase, TrainingPhase):
            phases.append(phase)
        else:
            expected = "Expected a dict of policies and iterations."
            raise ConfigError(f"training_plan[{number}] is {phase!r}. {expected}")
    return tuple(phases)


def check_training_plan(phases: Sequence[TrainingPhase], policies_to_train: Sequence[PolicyID]) -> None:
    """Raise `ConfigError` if a plan schedules a policy that is not trained, or leaves one out."""
    named = dict.fromkeys(policy_id for phase in phases for policy_id in phase.policies)
    for policy_id in named:
        if policy_id not in policies_to_train:
            hint, trained = did_you_mean(policy_id, policies_to_train), listing(policies_to_train)
            raise ConfigError(
                f"The training plan names policy {policy_id!r}, which is not trained.{hint} Policies that "
                f"are trained: {trained}."
            )
    left = [policy_id for policy_id in policies_to_train if policy_id not in named]
    if left:
        advice = "Name it in a phase, or take it out of policies_to_train."
        raise ConfigError(f"The training plan gives no turn to {listing(left)}. {advice}")


def scheduled_policies(phases: Sequence[TrainingPhase], iteration: int) -> tuple[PolicyID, ...]:
    """Return the policies that learn in an iteration.

    >>> plan = [TrainingPhase(policies=["a"], iterations=2), TrainingPhase(policies=["b"], iterations=1)]
    >>> [scheduled_policies(plan, iteration) for iteration in range(4)]
    [('a',), ('a',), ('b',), ('a',)]
    """
    left = iteration % sum(phase.iterations for phase in phases)
    for phase in phases:
        if left < phase.iterations:
            return tuple(phase.policies)
        left -= phase.iterations
    raise AssertionError(left)
