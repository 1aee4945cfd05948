"""`RunRecord`: writes `config.toml` and `run.json`, which describe a run."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from phantom_core.errors import error_text
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.hooks.hookspecs import LIFE_CYCLE_HOOKS
from phantom_core.installed.discovery import CORE_DISTRIBUTION, distribution_version
from phantom_core.rollouts.evaluate import Evaluation
from phantom_core.training.agent_id_codec import encode_id, encode_mapping
from phantom_core.training.blas_threads import blas_threads, one_blas_thread
from phantom_core.training.components import Components
from phantom_core.training.logged_values import flattened
from phantom_core.training.provenance import provenance_of, provenance_of_object
from phantom_core.training.run_directory import RunDirectory
from phantom_core.training.run_state import RunFacts, RunState
from phantom_core.training.train_result import TrainingResults
from phantom_core.types import AgentID, PolicyID

FORMAT: Final = 1

DEFAULT: Final = "default"
"""The origin of a setting that was not given."""

NOT_IN_FILE: Final = "not_in_file"
"""The table of `config.toml` that lists the settings TOML cannot hold."""


class RunRecord:
    """Writes the record of one run.

    Attributes:
        directory: the run directory.
    """

    def __init__(
        self,
        directory: RunDirectory,
        config: Mapping[str, Any],
        origins: Mapping[str, str],
        facts: RunFacts,
        state: RunState,
        dispatcher: Dispatcher,
        components: Components,
    ) -> None:
        """Write `config.toml`, and `run.json` with the status `"running"`.

        Args:
            directory: the run directory.
            config: the settings of the run, as plain values.
            origins: by dotted name, where a setting came from. Settings not listed are `"argument"`.
            facts: the fixed facts of the run.
            state: the current state of the run.
            dispatcher: calls the plugins of the run.
            components: the components of the run.
        """
        self.directory = directory
        self._state = state
        self._dispatcher = dispatcher
        self._components = components
        self._provenance: dict[str, dict[str, str]] = {}
        directory.write_config(config)
        with one_blas_thread():  # as during training
            threads = blas_threads()
        self._facts: dict[str, Any] = {
            "format": FORMAT,
            "name": facts.name,
            "status": "running",
            "started": _now(),
            "seed": facts.seed,
            "trainer": facts.trainer_name,
            "versions": {
                "python": platform.python_version(),
                **{n: distribution_version(n) for n in (CORE_DISTRIBUTION, "numpy", "gymnasium")},
            },
            **self._selected(components),
            "hooks": [{"name": name, **provenance_of_object(plugin)} for name, plugin in components.attached],
            "hook_order": {hook: order for hook in LIFE_CYCLE_HOOKS if (order := dispatcher.order(hook))},
            "skipped_plugins": _skipped(components),
            "blas_threads": threads,
            "origins": {name: origins.get(name, "argument") for name in flattened(config)},
            "not_in_config": list(config.get(NOT_IN_FILE, ())),
        }
        directory.write_run(self._facts)

    def note_policies(self) -> None:
        """Write the policy mapping, so that the checkpoints of a killed run can be evaluated."""
        if self._state.policy_by_agent:
            self._note_policies(self._state.policy_by_agent)
            self.directory.write_run(self._facts)

    def end(self, results: TrainingResults) -> None:
        """Write the final status and the evaluation."""
        self._note_policies(results.policy_by_agent)
        if results.evaluation is not None:
            self._facts["evaluation"] = _evaluation(results.evaluation)
        self._close(results.status)

    def fail(self, error: BaseException) -> None:
        """Write the exception that ended the run, and the policy mapping if there is one."""
        if self._state.policy_by_agent:
            self._note_policies(self._state.policy_by_agent)
        self._facts["error"] = error_text(error)
        self._close("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")

    def _selected(self, components: Components) -> dict[str, Any]:
        """Return the components selected so far, without duplicates, and the provenance of their code."""
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

    def _note_policies(self, policy_by_agent: Mapping[AgentID, PolicyID]) -> None:
        self._facts["policies_to_train"] = list(self._state.policies_to_train)
        self._facts["policy_by_agent"] = encode_mapping(policy_by_agent)

    def _close(self, status: str) -> None:
        state = self._state
        self._facts.update(
            **self._selected(self._components),  # policies are resolved during the run
            status=status,
            ended=_now(),
            iterations=state.iterations,
            env_steps=state.env_steps,
            stop_reasons=state.stop_reasons,
            hook_failures=list(self._dispatcher.failure_sentences()),
            problems=list(state.problems),
        )
        self.directory.write_run(self._facts)


def _skipped(components: Components) -> list[dict[str, str]]:
    """Return the plugin objects that were skipped, and the components that are disabled."""
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
            [encode_id(agent_id), list(of_agent)] for agent_id, of_agent in evaluation.episode_returns.items()
        ],
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
