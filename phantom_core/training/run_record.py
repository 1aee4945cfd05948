"""What a run writes about itself: `config.toml` when it begins, `run.json` when it begins and ends."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from phantom_core.errors import told
from phantom_core.hooks.discovery import CORE_DISTRIBUTION, distribution_version
from phantom_core.hooks.hookspecs import LIFE_CYCLE_HOOKS
from phantom_core.rollouts.evaluate import Evaluation
from phantom_core.training.components import Components
from phantom_core.training.run import Run
from phantom_core.training.run_directory import RunDirectory
from phantom_core.training.run_request import flattened
from phantom_core.training.train_result import TrainingResults

FORMAT: Final = 1

DEFAULT: Final = "default"
"""The origin of a setting that nobody gave."""

_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Writes down one run.

    Attributes:
        directory: where to.
        config: the settings of the run, as plain values.
        origins: by dotted name, where a setting came from; `"argument"` for those that are not listed.
    """

    directory: RunDirectory
    config: Mapping[str, Any]
    origins: Mapping[str, str]
    facts: dict[str, Any] = field(default_factory=dict)

    def begin(self, run: Run, components: Components) -> None:
        """Write the settings, and that the run is being made."""
        self.directory.write_config(self.config)
        distributions = {c.distribution: c.version for c in components.used}
        self.facts.update(
            format=FORMAT,
            name=run.name,
            status="running",
            started=_now(),
            seed=run.seed,
            trainer=run.trainer_name,
            versions={
                "python": platform.python_version(),
                **{n: distribution_version(n) for n in (CORE_DISTRIBUTION, "numpy", "gymnasium")},
            },
            plugins=[
                {"distribution": name, "version": version} for name, version in sorted(distributions.items())
            ],
            components=[
                {"kind": c.kind, "name": c.name, "distribution": c.distribution} for c in components.used
            ],
            hook_order={hook: order for hook in LIFE_CYCLE_HOOKS if (order := run.dispatcher.order(hook))},
            skipped_plugins=[{"name": s.name, "reason": s.reason} for s in components.manager.skipped],
            blas_threads={name: os.environ.get(name) for name in _THREAD_VARIABLES},
            origins={name: self.origins.get(name, "argument") for name in flattened(self.config)},
        )
        self.directory.write_run(self.facts)

    def end(self, run: Run, results: TrainingResults) -> None:
        """Write how the run ended, and what it measured."""
        self.facts["policies_to_train"] = list(run.policies_to_train)
        self.facts["policy_by_agent"] = [
            [agent_id, policy_id] for agent_id, policy_id in results.policy_by_agent.items()
        ]
        if results.evaluation is not None:
            self.facts["evaluation"] = _evaluation(results.evaluation)
        self._close(run, results.status)

    def fail(self, run: Run, error: BaseException) -> None:
        """Write what broke the run off."""
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        self.facts["error"] = told(error)
        self._close(run, status)

    def _close(self, run: Run, status: str) -> None:
        self.facts.update(
            status=status,
            ended=_now(),
            iterations=run.iterations,
            env_steps=run.env_steps,
            stop_reasons=run.stop_reasons,
            hook_failures=list(run.dispatcher.failure_sentences()),
        )
        self.directory.write_run(self.facts)


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "episodes": len(evaluation.episodes),
        "mean_return": evaluation.mean_return,
        "episode_returns": [
            [agent_id, list(of_agent)] for agent_id, of_agent in evaluation.episode_returns.items()
        ],
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
