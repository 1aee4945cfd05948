"""What a run writes about itself: `config.toml` when it begins, `run.json` when it begins and ends."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from phantom_core.errors import told
from phantom_core.hooks.discovery import CORE_DISTRIBUTION, distribution_version
from phantom_core.hooks.hookspecs import LIFE_CYCLE_HOOKS
from phantom_core.rollouts.evaluate import Evaluation
from phantom_core.training.blas_threads import blas_threads, one_blas_thread
from phantom_core.training.components import Components
from phantom_core.training.provenance import provenance_of, provenance_of_object
from phantom_core.training.run import Run
from phantom_core.training.run_directory import RunDirectory
from phantom_core.training.run_request import flattened
from phantom_core.training.train_result import TrainingResults
from phantom_core.training.written_ids import written_id, written_mapping
from phantom_core.types import AgentID, PolicyID

FORMAT: Final = 1

DEFAULT: Final = "default"
"""The origin of a setting that nobody gave."""


@dataclass(slots=True)
class RunRecord:
    """Writes down one run.

    Attributes:
        directory: where to.
        config: the settings of the run, as plain values.
        origins: by dotted name, where a setting came from; `"argument"` for those that are not listed.
        not_in_config: the dotted names of the settings that `config` cannot hold.
        facts: what was written so far.
    """

    directory: RunDirectory
    config: Mapping[str, Any]
    origins: Mapping[str, str]
    not_in_config: Sequence[str] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    _components: Components | None = field(default=None, init=False)
    _provenance: dict[str, dict[str, str]] = field(default_factory=dict, init=False)

    def begin(self, run: Run, components: Components) -> None:
        """Write the settings, and that the run is being made."""
        self.directory.write_config(self.config)
        self._components = components
        with one_blas_thread():  # as the run will be
            threads = blas_threads()
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
            **self._selected(components),
            hooks=[{"name": name, **provenance_of_object(plugin)} for name, plugin in components.attached],
            hook_order={hook: order for hook in LIFE_CYCLE_HOOKS if (order := run.dispatcher.order(hook))},
            skipped_plugins=_skipped(components),
            blas_threads=threads,
            origins={name: self.origins.get(name, "argument") for name in flattened(self.config)},
            not_in_config=list(self.not_in_config),
        )
        self.directory.write_run(self.facts)

    def note_policies(self, run: Run) -> None:
        """Write who uses which policy, so that what is left of a run that is killed can be evaluated."""
        if run.policy_by_agent:
            self._note_policies(run, run.policy_by_agent)
            self.directory.write_run(self.facts)

    def end(self, run: Run, results: TrainingResults) -> None:
        """Write how the run ended, and what it measured."""
        self._note_policies(run, results.policy_by_agent)
        if results.evaluation is not None:
            self.facts["evaluation"] = _evaluation(results.evaluation)
        self._close(run, results.status)

    def fail(self, run: Run, error: BaseException) -> None:
        """Write what broke the run off, and who uses which policy if the run came that far."""
        if run.policy_by_agent:
            self._note_policies(run, run.policy_by_agent)
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        self.facts["error"] = told(error)
        self._close(run, status)

    def _selected(self, components: Components) -> dict[str, Any]:
        """Return the components that were selected so far, each once, and the code that takes part."""
        selected = dict.fromkeys((c.kind, c.name, c.distribution) for c in components.used)
        names = [name.partition(":")[0] for _, _, name in selected]
        names += [entry.distribution for entry in components.manager.ambient]
        new = [name for name in dict.fromkeys(names) if name not in self._provenance]
        self._provenance |= {facts["distribution"]: facts for facts in provenance_of(new)}
        return {
            "plugins": [self._provenance[name] for name in sorted(self._provenance)],
            "components": [
                {"kind": kind, "name": name, "distribution": distribution}
                for kind, name, distribution in selected
            ],
        }

    def _note_policies(self, run: Run, policy_by_agent: Mapping[AgentID, PolicyID]) -> None:
        self.facts["policies_to_train"] = list(run.policies_to_train)
        self.facts["policy_by_agent"] = written_mapping(policy_by_agent)

    def _close(self, run: Run, status: str) -> None:
        if self._components is not None:
            self.facts.update(
                self._selected(self._components)
            )  # policies are looked up while the run is made
        self.facts.update(
            status=status,
            ended=_now(),
            iterations=run.iterations,
            env_steps=run.env_steps,
            stop_reasons=run.stop_reasons,
            hook_failures=list(run.dispatcher.failure_sentences()),
            problems=list(run.problems),
        )
        self.directory.write_run(self.facts)


def _skipped(components: Components) -> list[dict[str, str]]:
    """Return who takes no part: plugin objects, and components that are disabled."""
    manager = components.manager
    skipped = [{"name": s.name, "status": s.status, "reason": s.reason} for s in manager.skipped]
    return skipped + [
        {"name": entry.qualified_name, "status": "disabled", "reason": reason}
        for entry, reason in manager.disabled.items()
    ]


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "episodes": len(evaluation.episodes),
        "mean_return": evaluation.mean_return,
        "episode_returns": [
            [written_id(agent_id), list(of_agent)]
            for agent_id, of_agent in evaluation.episode_returns.items()
        ],
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
