"""The data of a run: `RunFacts` (fixed), `RunState` (changing) and `TrainingResults` (returned)."""

from __future__ import annotations

import contextlib
import html
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import gymnasium as gym

from phantom_core.hooks.events import Status
from phantom_core.policies.policy import BasePolicy
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.evaluate import Evaluation
from phantom_core.rollouts.make_vector_env import VectorizationMode
from phantom_core.secrets import Secrets
from phantom_core.training.checkpoint import what_is_not_finite
from phantom_core.training.env_factory import PluginPlan
from phantom_core.training.metrics_file import History
from phantom_core.training.run_plans import TrainingPhase
from phantom_core.types import AgentID, PolicyID

_log = logging.getLogger("phantom_core")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """The facts of a run that do not change."""

    name: str
    seed: int
    trainer_name: str  # the registered name, or that of the class
    load_policy_class: Callable[[str], type[BasePolicy]]  # takes a name or a reference
    trainer_key: str = ""  # the trainer in the settings; empty: it is `trainer_name`
    directory: Path | None = None
    total_steps: int | None = None
    hyper_parameters: Mapping[str, Any] = field(default_factory=dict)  # by dotted name, masked
    secrets: Secrets = field(default_factory=Secrets)  # which the settings hold
    training_plan: Sequence[TrainingPhase] = ()  # empty: all policies learn in every iteration
    workers: int = 0
    vectorization_mode: VectorizationMode = "sync"
    plugin_plan: PluginPlan | None = None  # None: the workers check nothing
    other_trainers: Mapping[str, Any] = field(default_factory=dict)  # by their keys in the settings


@dataclass(frozen=True)
class TrainingResults:
    """The results of a run. Trainers that return more derive from this class.

    Its repr is short: it leaves out policies, history and evaluation.

    Attributes:
        policies: every policy by id, trained or not.
        policy_by_agent: policy id by agent id.
        history: one row per iteration: `iteration`, `env_steps` and every logged value. That of a run with a
            directory is read from its `metrics.jsonl` when it is looked at.
        iterations: the number of completed iterations.
        env_steps: the number of env steps in training.
        status: how the run ended: `"completed"`, `"stopped"`, `"diverged"` or `"interrupted"`.
        stop_reasons: why the run stopped early.
        hook_failures: one sentence for each plugin that failed.
        problems: failures to write files, such as policies on a full disk; one sentence each.
        run_directory: the run directory; None if the run wrote none.
        evaluation: the evaluation after the last iteration; None without one.
    """

    policies: Mapping[PolicyID, BasePolicy] = field(repr=False)
    _: KW_ONLY
    policy_by_agent: Mapping[AgentID, PolicyID] = field(default_factory=dict, repr=False)
    history: Sequence[Mapping[str, float]] = field(default=(), repr=False)
    iterations: int = 0
    env_steps: int = 0
    status: Status = "completed"
    stop_reasons: tuple[str, ...] = ()
    hook_failures: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    run_directory: Path | None = None
    evaluation: Evaluation | None = field(default=None, repr=False)

    def _repr_html_(self) -> str:
        """Return tables for notebooks: how the run ended, what it logged last, and its evaluation."""
        facts: dict[str, object] = {
            "status": self.status,
            "iterations": f"{self.iterations:,}",
            "env steps": f"{self.env_steps:,}",
            "run directory": self.run_directory or "none",
        }
        said = {"stopped because": self.stop_reasons, "failures": (*self.hook_failures, *self.problems)}
        facts |= {name: " ".join(sentences) for name, sentences in said.items() if sentences}
        newest = self.history[-1] if self.history else {}
        values = {name: f"{value:.4g}" for name, value in newest.items() if name not in _COUNTS}
        evaluation = "" if self.evaluation is None else self.evaluation._repr_html_()
        return _as_html(facts) + _as_html(values) + evaluation


_COUNTS: Final = ("iteration", "env_steps")


def _as_html(rows: Mapping[str, object]) -> str:
    cells = (
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(v))}</td></tr>" for name, v in rows.items()
    )
    return f"<table><tbody>{''.join(cells)}</tbody></table>" if rows else ""


@dataclass(slots=True)
class RunState:
    """The current state of a run."""

    num_iterations: int | None = None  # None: `total_steps` limits the run
    iteration: int = -1  # the number of the current one; -1 before the first
    iterations: int = 0  # how many are completed
    env_steps: int = 0
    copies: int = 1  # of the env, played side by side
    steps_before: int = 0  # the env steps before this iteration
    rounds: int = 0  # how many rounds were begun; those of a simple trainer are its iterations
    progress: float = 0.0  # the fraction of the run that was completed before this round
    history: History = field(default_factory=History)
    stop_reasons: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # failures to write files, a sentence each
    newest_checkpoint: Path | None = None
    watched: tuple[PolicyID, ...] = ()  # the trained policies whose state was finite when the run began
    has_diverged: bool = False  # something that is learned is not finite any more
    is_interrupted: bool = False  # by a signal
    is_evaluated: bool = False  # the policies as they are after the completed iterations
    is_iterating: bool = False
    is_saving: bool = False  # a signal must not interrupt this
    policies: Mapping[PolicyID, BasePolicy] = field(default_factory=dict)
    policy_by_agent: Mapping[AgentID, PolicyID] = field(default_factory=dict)
    policy_specs: Mapping[PolicyID, PolicySpec] = field(default_factory=dict)
    policies_to_train: tuple[PolicyID, ...] = ()
    state_space: gym.Space[Any] | None = None  # of the env
    training_state: Callable[[], dict[str, Any]] = dict  # for checkpoints, without the policies

    @property
    def status(self) -> Status:
        """The status of the run if it ended now."""
        if self.has_diverged:
            return "diverged"
        if self.is_interrupted:
            return "interrupted"
        return "stopped" if self.stop_reasons else "completed"

    def watch(self) -> None:
        """Note which trained policies are finite before they are trained."""
        for policy_id in self.policies_to_train:
            with contextlib.suppress(Exception):  # whatever is wrong with its state is said when it is saved
                if not what_is_not_finite(self.policies[policy_id].state_dict()):
                    self.watched += (policy_id,)

    def check_policies(self) -> bool:
        """Return whether the trained policies are finite; if one is not any more, the run has diverged."""
        with self.saving():
            for policy_id in self.watched:
                where = what_is_not_finite(self.policies[policy_id].state_dict())
                if where:
                    self.diverge(f"{where} of policy {policy_id!r} is not finite")
        return not self.has_diverged

    def diverge(self, quantity: str) -> None:
        """End the run, since a quantity is not finite any more; `quantity` is the beginning of a sentence."""
        if self.has_diverged:
            return
        self.has_diverged = True
        kept = "no checkpoint was written before"
        if self.newest_checkpoint is not None:
            kept = f"the last finite checkpoint is {self.newest_checkpoint}"
        count = f"{self.iteration + 1} {'iteration' if self.iteration == 0 else 'iterations'}"
        self.stop_reasons.append(f"{quantity} after {count}; {kept}")

    def add_problem(self, sentence: str) -> None:
        """Record and log a failure to write files. The run continues."""
        self.problems.append(sentence)
        _log.warning("%s", sentence)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Prevent signals from interrupting the block, which writes policies or records."""
        before, self.is_saving = self.is_saving, True
        try:
            yield
        finally:
            self.is_saving = before

    def filled(self, results: TrainingResults, **more: Any) -> TrainingResults:
        """Return results with what the run counted and logged, and with other fields."""
        return replace(
            results,
            policy_by_agent=self.policy_by_agent,
            history=self.history,
            iterations=self.iterations,
            env_steps=self.env_steps,
            status=self.status,
            stop_reasons=tuple(self.stop_reasons),
            **more,
        )
