"""`TrainingResults`: the return value of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from phantom_core.hooks.events import Status
from phantom_core.policies.policy import Policy
from phantom_core.rollouts.evaluate import Evaluation
from phantom_core.types import AgentID, PolicyID


@dataclass(frozen=True)
class TrainingResults:
    """The results of a run. Trainers that return more derive from this class.

    Its repr is short: it leaves out policies, history and evaluation.

    Attributes:
        policies: every policy by id, trained or not.
        policy_by_agent: policy id by agent id.
        history: one row per iteration: `iteration`, `env_steps` and every logged value.
        iterations: the number of completed iterations.
        env_steps: the number of env steps in training.
        status: how the run ended: `"completed"`, `"stopped"` or `"interrupted"`.
        stop_reasons: why the run stopped early.
        hook_failures: one sentence for each plugin that failed.
        problems: failures to write files, such as policies on a full disk; one sentence each.
        run_directory: the run directory; None if the run wrote none.
        evaluation: the evaluation after the last iteration; None without one.
    """

    policies: Mapping[PolicyID, Policy] = field(repr=False)
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
