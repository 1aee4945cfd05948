"""What a run saves of its policies: checkpoints during the run, and the final policies, also if it fails."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from phantom_core.errors import CheckpointError, PhantomError
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.hooks.events import CheckpointSaved
from phantom_core.installed.discovery import base_versions
from phantom_core.seeding import generator_states
from phantom_core.training.checkpoint import (
    check_state,
    encode_mapping,
    load_checkpoint,
    remove_checkpoint,
)
from phantom_core.training.directory_watch import DirectoryWatch
from phantom_core.training.run_directory import POLICIES, RunDirectory, encode_policies
from phantom_core.training.run_plans import CheckpointPlan
from phantom_core.training.run_state import RunFacts, RunState

_log = logging.getLogger("phantom_core")


FIRST_SECONDS: Final = 60.0
"""A run without a plan for checkpoints writes the first one after so long."""

SHARE: Final = 0.1
"""It writes the next ones whenever so much more of the run is done."""

MOST_TIME: Final = 0.01
"""It spends at most this share of its time on them."""


class _SparseSchedule:
    """When a run without a plan writes checkpoints."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._spent = self._newest_cost = self._progress = 0.0

    def is_due(self, progress: float) -> bool:
        """Return whether one is to be written, at this share of the run."""
        elapsed = time.monotonic() - self._started
        is_far = self._spent == 0.0 or progress - self._progress > SHARE - 1e-9
        return elapsed >= FIRST_SECONDS and is_far and self._spent + self._newest_cost <= MOST_TIME * elapsed

    def was_written(self, progress: float, seconds: float) -> None:
        """Note that one was written, and how long it took."""
        self._spent, self._newest_cost, self._progress = self._spent + seconds, seconds, progress


class Checkpointer:
    """Writes `checkpoints/iteration-<number of iterations>` when the plan or a plugin asks for it.

    Without a plan it writes one from time to time, so that a long run that is killed is not lost.

    A checkpoint holds the policies (in the format of the final ones), the policy mapping, and everything the
    next iterations depend on: optimisers, running statistics, random generators, the state of the collector
    and the state of hooks.
    """

    def __init__(
        self, state: RunState, dispatcher: Dispatcher, plan: CheckpointPlan | None, watch: DirectoryWatch
    ) -> None:
        """Set up; without a plan keep the newest three if a plugin may ask for some, else the newest."""
        self._run, self._dispatcher, self._watch = state, dispatcher, watch
        self._every = None if plan is None else plan.every
        is_asked = dispatcher.has_subscribers("should_checkpoint")
        self._plan = CheckpointPlan(every=1, keep_last=3 if is_asked else 1) if plan is None else plan
        self._sparse = _SparseSchedule()
        self._written: list[tuple[int, float, Path]] = []  # num iterations, score, folder
        self._has_failed = False

    @property
    def is_planned(self) -> bool:
        """Whether the user asked for checkpoints."""
        return self._every is not None

    def check(self) -> None:
        """Raise `CheckpointError` if the state of the run cannot be saved."""
        check_state(self._state(-math.inf))

    def after_iteration(self, values: Mapping[str, float], *, is_wanted: bool) -> None:
        """Write a checkpoint if one is due or requested; a failure is recorded and the run continues."""
        run, every = self._run, self._every
        is_due = self._sparse.is_due(run.progress) if every is None else run.iterations % every == 0
        if not (is_wanted or is_due):
            return
        path = self._write(values, is_asked_for=is_wanted or every is not None)
        if path is not None:
            event = CheckpointSaved(iteration=run.iteration, env_steps=run.env_steps, path=path)
            self._dispatcher.fire("on_checkpoint", event)

    def at_end(self, values: Mapping[str, float]) -> None:
        """Write a checkpoint after the last iteration, if there is none, so that the run can be resumed.

        No event is fired: the final policies, which are written next, fire one.
        """
        iterations = self._run.iterations
        if iterations and not (self._written and self._written[-1][0] == iterations):
            self._write(values, is_asked_for=self._every is not None)

    def resume(self, directory: RunDirectory) -> None:
        """Keep track of the checkpoints that were written before; later ones than the present are removed."""
        for number, folder in directory.numbered_checkpoints():
            if number > self._run.iterations:
                remove_checkpoint(folder)
                continue
            with contextlib.suppress(CheckpointError):  # a damaged one is left alone
                score = load_checkpoint(folder).get("score")
                self._written.append((number, score if isinstance(score, float) else -math.inf, folder))

    def _write(self, values: Mapping[str, float], *, is_asked_for: bool) -> Path | None:
        """Write a checkpoint, and return its folder; None: it could not be written, which is said once."""
        with self._run.saving():
            return self._saved(values, is_asked_for=is_asked_for)

    def _saved(self, values: Mapping[str, float], *, is_asked_for: bool) -> Path | None:
        run = self._run
        if self._watch.is_lost() or not run.check_policies():
            return None
        score, directory = self._score(values), self._watch.directory
        started = time.monotonic()
        try:
            about = {"run": directory.path.name, "iterations": run.iterations, "versions": base_versions()}
            path = directory.save_checkpoint(f"iteration-{run.iterations:06}", self._state(score), about)
        except PhantomError as error:  # a full disk must not end the run
            if self._watch.is_lost():
                return None
            sentence = f"No checkpoint after iteration {run.iterations}. {error}"
            if not self._has_failed and is_asked_for:  # report only the first failure
                run.add_problem(sentence)
            elif not self._has_failed:  # nobody asked for it
                _log.warning("%s", sentence)
            self._has_failed = True
            return None
        finally:
            self._sparse.was_written(run.progress, time.monotonic() - started)
        self._written.append((run.iterations, score, path))
        run.newest_checkpoint = path
        self._remove_stale()
        return path

    def _state(self, score: float) -> dict[str, Any]:
        run = self._run
        return {
            "iterations": run.iterations,
            "env_steps": run.env_steps,
            "rounds": run.rounds,
            "score": score,
            "stop_reasons": [] if run.is_interrupted else list(run.stop_reasons),
            "is_evaluated": run.is_evaluated,
            "policies_to_train": list(run.policies_to_train),
            "policy_by_agent": encode_mapping(run.policy_by_agent),
            "policies": encode_policies(run.policies),
            "training": run.training_state(),
            "generators": {i: generator_states(policy) for i, policy in run.policies.items()},
            "hooks": self._dispatcher.hook_states(),
            "hook_failures": self._dispatcher.failure_states(),
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
                remove_checkpoint(written[2])
        self._written = [written for written in self._written if written in kept]


def save_final_policies(
    facts: RunFacts, state: RunState, dispatcher: Dispatcher, watch: DirectoryWatch | None
) -> None:
    """Save the policies in the run directory or, if it cannot be written, in a temporary directory.

    Policies that are not finite are not saved: the run has diverged.
    """
    if not state.policies:
        return
    with state.saving():
        if not state.check_policies() or watch is None:
            return
        try:
            path = watch.directory.save_policies(state.policies)
        except PhantomError as error:
            watch.save_elsewhere(facts.name, error)
            return
    event = CheckpointSaved(iteration=state.iteration, env_steps=state.env_steps, path=path)
    dispatcher.fire("on_checkpoint", event)


def warn_where_policies_are(state: RunState, directory: RunDirectory) -> None:
    """Log a warning that says where the policies of a failed run are saved."""
    if state.iterations and (directory.path / POLICIES).is_dir():
        noun = "iteration" if state.iterations == 1 else "iterations"
        found = directory.numbered_checkpoints()
        going_on = "It cannot be resumed: it had written no checkpoint yet."
        if found:
            going_on = f"To go on after iteration {found[-1][0]:,}: phantom resume {directory.path}"
        _log.warning(
            "The run broke off after %s %s. What it learned is saved, for phantom evaluate and "
            "ph.load_policies, in %s. %s",
            f"{state.iterations:,}", noun, directory.path, going_on,
        )  # fmt: skip
