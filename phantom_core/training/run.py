"""One training run from its first iteration to its end: counts, logs, asks hooks, and always ends."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from phantom_core.errors import ConfigError, UnknownNameError
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.hooks.events import (
    IterationEnd,
    IterationStart,
    MetricsRecorded,
    Status,
    TrainEnd,
    TrainFailed,
    TrainStart,
)
from phantom_core.hooks.plugin_plan import PluginPlan
from phantom_core.policies.policy import Policy
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.make_vector_env import Vectorization
from phantom_core.training.blas_threads import one_blas_thread
from phantom_core.training.run_plans import TrainingPhase
from phantom_core.types import AgentID, PolicyID

if TYPE_CHECKING:
    from phantom_core.training.trainer import Trainer

_log = logging.getLogger("phantom_core")


class Run:
    """The state of one run. Trainers reach it through their own methods.

    Attributes:
        name: what the run is called.
        seed: what everything random in it follows from.
        directory: where it writes; None: nowhere.
        dispatcher: the plugins that follow it.
        iteration: the iteration that is being made; -1 before the first.
        iterations: iterations made.
        env_steps: env steps made in training.
        history: one row per iteration.
        stop_reasons: what stops it early.
        problems: what the run could not write, one sentence each.
        is_interrupted: whether a signal asked it to stop.
        is_iterating: whether an iteration is being made.
        is_saving: whether it writes what must not be lost, so that no signal may break it off.
        policies: policy by id.
        policy_by_agent: policy id by agent id.
        policy_specs: by policy id, how agents that join during an episode find their policy.
        policies_to_train: ids of the policies that are trained.
        training_plan: whose turn it is to learn; empty: everybody's, in every iteration.
        workers: how many processes step the copies of the env; 0: this one.
        vectorization: whether copies are so many envs, or one vector env.
        plugin_plan: what those processes must have installed; None: it is not looked at.
        other_trainers: by name, the trainers that single policies name.
        load_policy_class: from a registered name to a policy class.
        before_start: called in turn before `on_train_start`; one refuses the run by raising.
        before_logging: called at the end of each iteration; what it returns is logged too.
        after_iteration: called after each iteration with its end; writes checkpoints.
        training_state: returns what a checkpoint holds beside the policies.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        name: str,
        seed: int,
        trainer_name: str,
        directory: Path | None = None,
        num_iterations: int | None = None,
        total_steps: int | None = None,
        hyper_parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.dispatcher = dispatcher
        self.name = name
        self.seed = seed
        self.trainer_name = trainer_name
        self.directory = directory
        self.num_iterations = num_iterations
        self.total_steps = total_steps
        self.hyper_parameters = dict(hyper_parameters or {})
        self.iteration = -1
        self.iterations = 0
        self.env_steps = 0
        self.history: list[dict[str, float]] = []
        self.stop_reasons: list[str] = []
        self.problems: list[str] = []
        self.is_interrupted = False
        self.is_iterating = False
        self.is_saving = False
        self.policies: Mapping[PolicyID, Policy] = {}
        self.policy_by_agent: Mapping[AgentID, PolicyID] = {}
        self.policy_specs: Mapping[PolicyID, PolicySpec] = {}
        self.policies_to_train: tuple[PolicyID, ...] = ()
        self.training_plan: Sequence[TrainingPhase] = ()
        self.workers = 0
        self.vectorization: Vectorization = "copies"
        self.plugin_plan: PluginPlan | None = None
        self.other_trainers: Mapping[str, Trainer] = {}
        self.load_policy_class: Callable[[str], type[Policy]] = _no_names
        self.before_start: list[Callable[[], None]] = []
        self.before_logging: Callable[[], Mapping[str, float]] | None = None
        self.after_iteration: Callable[[IterationEnd], None] | None = None
        self.training_state: Callable[[], dict[str, Any]] = dict
        self._pending: dict[str, list[float]] = {}
        self._steps_before = 0
        self._has_begun = False

    @property
    def status(self) -> Status:
        """How the run ends, as far as it can be told now."""
        if self.is_interrupted:
            return "interrupted"
        return "stopped" if self.stop_reasons else "completed"

    @property
    def progress(self) -> float:
        """The share of the iterations or env steps made before this iteration, from 0.0 to 1.0."""
        made, wanted = (
            (self.iterations, self.num_iterations)
            if self.total_steps is None
            else (self._steps_before, self.total_steps)
        )
        return min(1.0, made / wanted) if wanted else 0.0

    def begin(self, num_iterations: int | None = None) -> None:
        """Fire `on_train_start`; a plugin that the user selected may refuse the run here.

        Args:
            num_iterations: how many iterations will be made, if that is not as the run was asked for.
        """
        self._has_begun = True
        for prepare in self.before_start:
            prepare()
        if num_iterations is not None:
            self.num_iterations = num_iterations
        self.dispatcher.start(
            TrainStart(
                run_name=self.name,
                run_directory=self.directory,
                trainer_name=self.trainer_name,
                num_iterations=self.num_iterations,
                total_steps=self.total_steps,
                seed=self.seed,
                hyper_parameters=MappingProxyType(self.hyper_parameters),
                policies=MappingProxyType(dict(self.policies)),
                policy_by_agent=self.policy_by_agent,
                policies_to_train=self.policies_to_train,
            )
        )

    def loop(self, num_iterations: int | None) -> Iterator[int]:
        """Yield the number of each iteration; fire hooks and log around it; end when told to stop.

        Args:
            num_iterations: the most iterations to make; None: as many as `total_steps` takes.
        """
        if not self._has_begun:
            self.begin(num_iterations)
        limit = self.num_iterations if num_iterations is None else self.iterations + num_iterations
        if limit is None and self.total_steps is None:
            raise ConfigError("The run has no end. Give it a number of iterations.")
        while not self._is_done(limit):
            self.iteration = self.iterations
            started, self._steps_before = time.perf_counter(), self.env_steps
            self.dispatcher.fire(
                "on_iteration_start",
                IterationStart(iteration=self.iteration, env_steps=self.env_steps),
            )
            self.is_iterating = True
            yield self.iteration
            self.is_iterating = False
            self.iterations += 1
            seconds = time.perf_counter() - started
            self.log({"time/iteration_seconds": seconds})
            steps = self.env_steps - self._steps_before
            if steps:
                self.log({"time/env_steps_per_second": steps / seconds})
            elif limit is None:
                raise ConfigError(
                    f"Iteration {self.iteration} counted no env step, so "
                    f"total_steps={self.total_steps} is never "
                    "reached. Call log_rewards() after each env step, or give num_iterations."
                )
            self._end_iteration()

    def add_problem(self, sentence: str) -> None:
        """Note that something of the run could not be written; the run goes on."""
        self.problems.append(sentence)
        _log.warning("%s", sentence)

    def log(self, values: Mapping[str, float]) -> None:
        """Keep values for the end of the iteration; several under one name are averaged."""
        for name, value in values.items():
            self._pending.setdefault(name, []).append(float(value))

    def flush(self, iteration: int) -> dict[str, float]:
        """Hand everything that was logged to the loggers, and return it."""
        values, self._pending = self._means(), {}
        if values and self.dispatcher.has_subscribers("on_metrics"):
            reducers = dict.fromkeys(values, "mean")
            event = MetricsRecorded(
                iteration=iteration,
                env_steps=self.env_steps,
                values=MappingProxyType(values),
                reducers=reducers,
            )
            self.dispatcher.fire("on_metrics", event)
        return values

    def is_wanted(self, hook: str) -> bool:
        """Ask the plugins `should_evaluate` or `should_checkpoint`; return whether any says True."""
        return self.dispatcher.has_subscribers(hook) and self.dispatcher.is_wanted(
            hook, self._iteration_end()
        )

    def write_if_idle(self, iteration: int) -> None:
        """Hand over what was logged now, if no iteration is being made that will do it at its end."""
        if not self.is_iterating:
            if not self._has_begun:
                self.begin()
            self.flush(iteration)

    def end(self, status: Status | None = None) -> None:
        """Fire `on_train_end`."""
        self.dispatcher.fire(
            "on_train_end",
            TrainEnd(
                status=self.status if status is None else status,
                iterations=self.iterations,
                env_steps=self.env_steps,
                stop_reasons=tuple(self.stop_reasons),
                hook_failures=self.dispatcher.failure_sentences(),
            ),
        )

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Let no signal break the block off; it writes what was learned, or how the run ended."""
        before, self.is_saving = self.is_saving, True
        try:
            yield
        finally:
            self.is_saving = before

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Run the block; whatever happens in it, every plugin learns of the end."""
        try:
            with one_blas_thread():
                yield
        except BaseException as error:
            self.is_iterating = False
            status: Status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            try:
                self.dispatcher.fire("on_exception", TrainFailed(iteration=self.iteration, exception=error))
            finally:
                self.end(status)
            raise
        self.end()

    def _is_done(self, limit: int | None) -> bool:
        is_counted = limit is not None and self.iterations >= limit
        is_stepped = self.total_steps is not None and self.env_steps >= self.total_steps
        return is_counted or is_stepped or bool(self.stop_reasons)

    def _end_iteration(self) -> None:
        if self.before_logging is not None:
            self.log(self.before_logging())
        if self.dispatcher.has_subscribers("extra_values"):
            self.log(self.dispatcher.extra_values(self._iteration_end()))
        values = self.flush(self.iteration)
        self.history.append({"iteration": self.iteration, "env_steps": self.env_steps, **values})
        event = self._iteration_end(values)
        self.dispatcher.fire("on_iteration_end", event)
        self.stop_reasons += self.dispatcher.stop_reasons(event)
        if self.after_iteration is not None:
            self.after_iteration(event)

    def _iteration_end(self, values: Mapping[str, float] | None = None) -> IterationEnd:
        """Return the end of this iteration; without values, with those that were logged so far."""
        return IterationEnd(
            iteration=self.iteration,
            env_steps=self.env_steps,
            values=MappingProxyType(dict(self._means() if values is None else values)),
            policies=MappingProxyType(dict(self.policies)),
        )

    def _means(self) -> dict[str, float]:
        return {name: statistics.fmean(found) for name, found in self._pending.items()}


def _no_names(name: str) -> type[Policy]:
    raise UnknownNameError(
        f"No policy named {name!r}: this run has no registry.", kind="policy", name=name, known=()
    )
