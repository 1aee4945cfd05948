"""What training returns."""

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
    """What a run made: the policies, and all else by name. Trainers that return more derive from it.

    Its text is short: how the run went, without policies, history and evaluation.

    Attributes:
        policies: every policy by id, trained or not.
        policy_by_agent: policy id by agent id.
        history: one row per iteration: `iteration`, `env_steps` and every value that was logged.
        iterations: iterations made.
        env_steps: env steps made in training.
        status: how the run ended: `"completed"`, `"stopped"` or `"interrupted"`.
        stop_reasons: what stopped it early.
        hook_failures: one sentence for each plugin that failed on the way.
        problems: what the run could not write, such as its policies on a full disk; one sentence each.
        run_directory: where it was written; None: nowhere.
        evaluation: the evaluation after the last iteration; None: there was none.
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
