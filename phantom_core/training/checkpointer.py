"""`Checkpointer`: writes checkpoints during a run and removes those the plan does not keep."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phantom_core.errors import CheckpointError
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.hooks.events import CheckpointSaved
from phantom_core.training.agent_id_codec import encode_mapping
from phantom_core.training.checkpoint import check_state
from phantom_core.training.run_directory import RunDirectory, encode_policies
from phantom_core.training.run_plans import CheckpointPlan
from phantom_core.training.run_state import RunState


class Checkpointer:
    """Writes `checkpoints/iteration-<number of iterations>` when the plan or a plugin asks for it.

    A checkpoint holds the policies (in the format of the final ones), the policy mapping, and everything the
    next iterations depend on: optimisers, running statistics, random generators, the state of the collector
    and the state of hooks.
    """

    def __init__(
        self, state: RunState, dispatcher: Dispatcher, plan: CheckpointPlan | None, directory: RunDirectory
    ) -> None:
        """Write checkpoints for a run.

        Args:
            state: the state of the run.
            dispatcher: calls the plugins of the run.
            plan: when to write, and which to keep. None to write only when a plugin asks for it, and keep
                the newest three.
            directory: the run directory.
        """
        self._run = state
        self._dispatcher = dispatcher
        self._every = None if plan is None else plan.every
        self._plan = CheckpointPlan(every=1) if plan is None else plan
        self._directory = directory
        self._written: list[tuple[int, float, Path]] = []  # num iterations, score, folder
        self._has_failed = False

    def check(self) -> None:
        """Check before the first iteration that the state of the run can be saved.

        Raises:
            CheckpointError: if it cannot.
        """
        check_state(self._state(-math.inf))

    def after_iteration(self, values: Mapping[str, float], *, is_wanted: bool) -> None:
        """Write a checkpoint if it is due or requested. A failure is recorded and the run continues.

        Args:
            values: the values logged in the iteration.
            is_wanted: whether a plugin requested a checkpoint, independently of the plan.
        """
        run = self._run
        is_due = self._every is not None and run.iterations % self._every == 0
        if not (is_due or is_wanted):
            return
        score = self._score(values)
        try:
            path = self._directory.save_checkpoint(f"iteration-{run.iterations:06}", self._state(score))
        except CheckpointError as error:  # a full disk must not end the run
            if not self._has_failed:  # report only the first failure
                run.add_problem(f"No checkpoint after iteration {run.iterations}. {error}")
            self._has_failed = True
            return
        self._written.append((run.iterations, score, path))
        self._remove_stale()
        event = CheckpointSaved(iteration=run.iteration, env_steps=run.env_steps, path=path)
        self._dispatcher.fire("on_checkpoint", event)

    def _state(self, score: float) -> dict[str, Any]:
        run = self._run
        return {
            "iterations": run.iterations,
            "env_steps": run.env_steps,
            "score": score,
            "policies_to_train": list(run.policies_to_train),
            "policy_by_agent": encode_mapping(run.policy_by_agent),
            "policies": encode_policies(run.policies),
            "training": {} if run.training is None else run.training.state_dict(),
            "hooks": self._dispatcher.hook_states(),
        }

    def _score(self, values: Mapping[str, float]) -> float:
        """Return the score of an iteration's policies; -∞ if none was logged."""
        names = [f"{policy_id}/episode_return" for policy_id in self._run.policies_to_train]
        returns = [values[name] for name in names if name in values]
        score = values.get("eval/mean_return", sum(returns) / len(returns) if returns else -math.inf)
        return score if math.isfinite(score) else -math.inf

    def _remove_stale(self) -> None:
        """Keep the newest and the best checkpoints; on a tie, the newer one."""
        best = sorted(self._written, key=lambda written: (written[1], written[0]), reverse=True)
        kept = [*self._written[-self._plan.keep_last :], *best[: self._plan.keep_best]]
        for written in self._written:
            if written not in kept:
                shutil.rmtree(written[2], ignore_errors=True)
        self._written = [written for written in self._written if written in kept]
