"""`RunLoop`: the iterations of a run, with logging, hooks, evaluations and checkpoints."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from phantom_core.envs.endless import check_it_ends
from phantom_core.envs.plain_values import as_number, mean_of
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError, error_text
from phantom_core.hooks import events
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.metrics import Metric
from phantom_core.policies.policy import PolicyByCopy
from phantom_core.processes import one_blas_thread
from phantom_core.rollouts.collect import Collector
from phantom_core.rollouts.evaluate import Evaluation, copied, evaluate
from phantom_core.rollouts.measured_env import check_apart
from phantom_core.seeding import derive_seed, fresh_seed
from phantom_core.training.checkpointer import Checkpointer
from phantom_core.training.components import Components
from phantom_core.training.directory_watch import DirectoryWatch
from phantom_core.training.logged_values import as_name
from phantom_core.training.resume_point import ResumePoint
from phantom_core.training.run_plans import EvaluationPlan, check_seed
from phantom_core.training.run_state import RunFacts, RunState

_log = logging.getLogger("phantom_core")


@dataclass(eq=False, repr=False, slots=True)
class RunLoop:
    """Runs the iterations of a run."""

    facts: RunFacts
    state: RunState
    dispatcher: Dispatcher
    evaluator: Evaluator | None = None
    watch: DirectoryWatch | None = None  # None: the run has no directory
    checkpointer: Checkpointer | None = None
    resumed: Mapping[str, Any] | None = None  # what the checkpoint holds that the run goes on from
    notes: list[str] = field(default_factory=list)  # why a resumed run may differ from one that was not cut
    before_start: list[Callable[[], None]] = field(default_factory=list)  # each may cancel the run
    _pending: dict[str, list[float]] = field(default_factory=dict)
    _has_started: bool = False
    _newest: Mapping[str, float] = field(default_factory=dict)  # what the latest iteration logged
    _looked_at: float = 0.0  # when it was last looked whether the policies are finite

    @property
    def is_over(self) -> bool:
        """Whether the run ends with this round: it has its steps, or somebody stopped it."""
        total_steps = self.facts.total_steps
        is_stepped = total_steps is not None and self.state.env_steps >= total_steps
        return is_stepped or bool(self.state.stop_reasons)

    def resume(self, point: ResumePoint) -> None:
        """Go on where a run stood when it wrote a checkpoint; policies and trainers are restored later."""
        state, saved = self.state, point.state
        self.resumed = saved
        self.notes += point.changes
        state.iterations, state.env_steps = point.iterations, saved["env_steps"]
        state.rounds, state.newest_checkpoint = saved["rounds"], point.checkpoint
        state.iteration, state.is_evaluated = point.iterations - 1, saved["is_evaluated"]
        state.stop_reasons += point.stop_reasons()

    def begin_round(self, share: float) -> None:
        """Begin a round, before which this share of the iteration was made."""
        state, total_steps = self.state, self.facts.total_steps
        done, wanted = (
            (state.iterations + share, state.num_iterations)
            if total_steps is None
            else (state.env_steps, total_steps)
        )
        state.rounds += 1
        state.progress = min(1.0, done / wanted) if wanted else 0.0

    def log(self, values: Mapping[str, Any], *, keep_last: bool = False) -> None:
        """Log values at the end of the iteration: the mean of several with one name, or the last of them."""
        for name, value in values.items():
            found = self._pending.setdefault(as_name(name), [])
            found[:] = [as_number(value)] if keep_last else [*found, as_number(value)]

    def flush(self, iteration: int, *, is_of_iteration: bool = True) -> dict[str, float]:
        """Send all logged values to the loggers, and return them."""
        values, self._pending = self._means(), {}
        self._record(values, iteration, self.state.env_steps, is_of_iteration=is_of_iteration)
        return values

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Send values to the loggers immediately, with the given step."""
        self._start()
        numbers = {as_name(name): as_number(value) for name, value in values.items()}
        self._record(numbers, step, step, is_of_iteration=False)

    def write_if_idle(self, iteration: int) -> None:
        """Send logged values to the loggers, unless an iteration is running and will do so at its end."""
        if not self.state.is_iterating:
            self._start()
            self.flush(iteration, is_of_iteration=False)

    def each_iteration(self, num_iterations: int | None) -> Iterator[int]:
        """Yield the number of each iteration until the run ends; fire hooks and log around each."""
        state, total_steps = self.state, self.facts.total_steps
        self.check_between_iterations()
        before = state.iterations if self.resumed is None or self._has_started else 0
        self._start(num_iterations)
        limit = state.num_iterations if num_iterations is None else before + num_iterations
        if limit is None and total_steps is None:
            raise ConfigError("The run has no end. Give it a number of iterations.")
        while not self._is_done(limit):
            state.iteration, state.is_evaluated = state.iterations, False
            started, state.steps_before = time.perf_counter(), state.env_steps
            self.begin_round(0.0)
            start = events.IterationStart(iteration=state.iteration, env_steps=state.env_steps)
            self.dispatcher.fire("on_iteration_start", start)
            state.is_iterating = True
            try:
                yield state.iteration
            finally:  # also if the caller's loop is left
                state.is_iterating = False
            state.iterations += 1
            seconds, steps = time.perf_counter() - started, state.env_steps - state.steps_before
            self.log({"time/iteration_seconds": seconds})
            if steps and seconds > 0:  # a clock may stand still
                self.log({"time/env_steps_per_second": steps / seconds})
            elif not steps and limit is None:
                raise ConfigError(
                    f"Iteration {state.iteration} counted no env step, so total_steps={total_steps} is never "
                    "reached. Call log_rewards() after each env step, or give num_iterations."
                )
            self._end_iteration()
        if self.checkpointer is not None:
            self.checkpointer.at_end(self._newest)

    def check_between_iterations(self) -> None:
        """Raise `ConfigError` if an iteration is running: the run cannot begin another one within it."""
        if self.state.is_iterating:
            raise ConfigError(
                f"{self.facts.trainer_name} was to train within its iteration {self.state.iteration}. Train "
                "when the iteration has ended, or with a second instance."
            )

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Run the block, and fire `on_train_end` when it ends, also by an exception."""
        try:
            with one_blas_thread():
                yield
        except BaseException as error:
            self.state.is_iterating = False
            self.facts.secrets.hide_in(error)
            status: events.Status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            try:
                event = events.TrainFailed(iteration=self.state.iteration, exception=error)
                self.dispatcher.fire("on_exception", event)
            finally:
                self.end(status)
            raise
        self.end(self.state.status)

    def _start(self, num_iterations: int | None = None) -> None:
        """Fire `on_train_start`, once; a plugin that the user selected may cancel the run by raising."""
        if self._has_started:
            return
        facts, state = self.facts, self.state
        self._has_started = True
        for prepare in self.before_start:
            prepare()
        state.watch()
        self._looked_at = time.monotonic()
        if num_iterations is not None:
            state.num_iterations = num_iterations
        if self.resumed is not None:
            self.dispatcher.load_failure_states(self.resumed["hook_failures"])
            self.notes += self.dispatcher.load_hook_states(self.resumed["hooks"])
            if self.notes:
                _log.warning(
                    "The run is resumed, but may go on in another way than if it had not been cut: %s.",
                    "; ".join(self.notes),
                )
        self.dispatcher.start(
            events.TrainStart(
                run_name=facts.name,
                run_directory=facts.directory,
                trainer_name=facts.trainer_name,
                num_iterations=state.num_iterations,
                total_steps=facts.total_steps,
                seed=facts.seed,
                hyper_parameters=MappingProxyType(dict(facts.hyper_parameters)),
                policies=MappingProxyType(dict(state.policies)),
                policy_by_agent=state.policy_by_agent,
                policies_to_train=state.policies_to_train,
                is_resumed=self.resumed is not None,
            )
        )

    def end(self, status: events.Status) -> None:
        """Fire `on_train_end`."""
        state = self.state
        self.dispatcher.fire(
            "on_train_end",
            events.TrainEnd(
                status=status,
                iterations=state.iterations,
                env_steps=state.env_steps,
                stop_reasons=tuple(state.stop_reasons),
                hook_failures=self.dispatcher.failure_sentences(),
            ),
        )

    def _is_done(self, limit: int | None) -> bool:
        return self.is_over or (limit is not None and self.state.iterations >= limit)

    def _end_iteration(self) -> None:
        state, dispatcher = self.state, self.dispatcher
        if self.evaluator is not None:
            is_wanted = dispatcher.has_subscribers("should_evaluate") and dispatcher.is_wanted(
                "should_evaluate", self._iteration_end(self._means())
            )  # asked even if an evaluation is due
            self.evaluator.after_iteration(is_wanted=is_wanted)
        if dispatcher.has_subscribers("extra_values"):
            self.log(dispatcher.extra_values(self._iteration_end(self._means())))
        values = self._newest = self.flush(state.iteration)
        state.history.add({"iteration": state.iteration, "env_steps": state.env_steps, **values})
        event = self._iteration_end(values)
        dispatcher.fire("on_iteration_end", event)
        state.stop_reasons += dispatcher.stop_reasons(event)
        if time.monotonic() - self._looked_at >= 1.0:
            state.check_policies()
            self._looked_at = time.monotonic()
        if self.checkpointer is not None:
            is_wanted = dispatcher.is_wanted("should_checkpoint", event)
            self.checkpointer.after_iteration(values, is_wanted=is_wanted)

    def _iteration_end(self, values: Mapping[str, float]) -> events.IterationEnd:
        return events.IterationEnd(
            iteration=self.state.iteration,
            env_steps=self.state.env_steps,
            values=MappingProxyType(dict(values)),
            policies=MappingProxyType(dict(self.state.policies)),
        )

    def _means(self) -> dict[str, float]:
        return {name: _mean(found) for name, found in self._pending.items()}

    def _record(
        self, values: Mapping[str, float], iteration: int, env_steps: int, *, is_of_iteration: bool
    ) -> None:
        if values and self.dispatcher.has_subscribers("on_metrics"):
            event = events.MetricsRecorded(
                iteration=iteration,
                env_steps=env_steps,
                values=MappingProxyType(dict(values)),
                is_of_iteration=is_of_iteration,
            )
            self.dispatcher.fire("on_metrics", event)


def _mean(values: Sequence[float]) -> float:
    try:
        return statistics.fmean(values)
    except (OverflowError, ValueError):  # the sum overflows, or holds infinities of both signs
        return sum(value / len(values) for value in values)


@dataclass(eq=False, repr=False, slots=True)
class Evaluator:
    """Evaluates the policies of a run in a separate env, when the plan or a plugin asks for it."""

    loop: RunLoop
    plan: EvaluationPlan
    make_env: Callable[[], MultiAgentEnv]
    metrics: Mapping[str, Metric]
    _latest: tuple[int, Evaluation] | None = None

    def check(self, env: MultiAgentEnv) -> None:
        """Raise `ConfigError` if evaluations cannot be: the env never ends, is shared, or policies are."""
        check_it_ends(env, self.plan.max_steps)
        for policy_id, policy in self.loop.state.policies.items():
            if isinstance(policy, PolicyByCopy) and policy.num_copies > 1:
                raise ConfigError(
                    f"Policy {policy_id!r} plays each of {policy.num_copies:,} copies of the env as an "
                    "experiment of its own, so the run cannot evaluate it. Leave evaluate out; afterwards "
                    "phantom evaluate RUN --copy 0 plays what one copy learned, as ph.evaluate does with "
                    f"results.policies[{policy_id!r}].of_copy(0)."
                )
        copied(self.loop.state.policies)
        own = self.make_env()
        try:
            check_apart([env, own])
        finally:
            close_env(own)

    def after_iteration(self, *, is_wanted: bool) -> None:
        """Evaluate if an evaluation is due or requested."""
        every = self.plan.every
        if is_wanted or (every is not None and self.loop.state.iterations % every == 0):
            self._evaluate()

    def at_end(self) -> Evaluation | None:
        """Return the evaluation of the final policies, which are evaluated now if they were not yet."""
        if not self.loop.state.policy_by_agent:
            return None  # a trainer that overrides train() and sets no policy mapping
        if self._latest is not None and self._latest[0] == self.loop.state.iterations:
            return self._latest[1]
        return self._evaluate(was_logged=self.loop.state.is_evaluated)

    def _evaluate(self, *, was_logged: bool = False) -> Evaluation:
        loop, state, plan = self.loop, self.loop.state, self.plan
        env = self.make_env()
        try:
            evaluation = evaluate(
                env,
                state.policies,
                state.policy_by_agent,
                num_episodes=plan.episodes,
                seed=derive_seed(loop.facts.seed, "evaluation") if plan.seed is None else plan.seed,
                policy_ids=state.policies_to_train,
                specs=state.policy_specs,
                metrics=self.metrics,
                max_steps=plan.max_steps,
            )
        finally:
            close_env(env)
        self._latest, state.is_evaluated = (state.iterations, evaluation), True
        if was_logged:  # before the run was resumed
            return evaluation
        event = events.EvaluationEnd(
            iteration=state.iteration,
            env_steps=state.env_steps,
            mean_return=evaluation.mean_return,
            episode_returns=evaluation.episode_returns,
            metrics=evaluation.metrics,
        )
        loop.dispatcher.fire("on_evaluation_end", event)
        loop.log({"eval/mean_return": evaluation.mean_return})
        loop.log({f"eval/{name}": mean_of(found) for name, found in evaluation.metrics.items()})
        return evaluation


def close_env(env: MultiAgentEnv | Collector) -> None:
    """Close an env, or those of a collector. If that fails, what was learned in it is worth no less."""
    try:
        env.close()
    except Exception as error:  # whatever a user's env raises
        _log.warning("The env raised when it was closed: %s. The run goes on.", error_text(error))


def standalone_run(
    name: str,
    tensorboard_log_dir: str | Path | None,
    *,
    adds_to_earlier: bool,
    takes_plugins: bool = True,
    seed: int | None = None,
) -> RunLoop:
    """Return the run of a trainer whose `train` is called directly: no settings and no run directory.

    The logger `tensorboard` is attached if it has a folder, the installed plugins if `takes_plugins`.
    """
    check_seed("seed", seed)
    components = Components(takes_plugins=takes_plugins)
    components.attach_tensorboard(tensorboard_log_dir, adds_to_earlier=adds_to_earlier)
    seed, load = fresh_seed() if seed is None else seed, components.policy_class
    facts = RunFacts(name=name, seed=seed, trainer_name=name, load_policy_class=load)
    return RunLoop(facts, RunState(), Dispatcher(components.manager))
