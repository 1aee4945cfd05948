"""`train`: composes a run from registered names or objects, and carries it through to its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.hooks.events import CheckpointSaved, EvaluationEnd
from phantom_core.hooks.hookspecs import Hooks
from phantom_core.metrics import Metric
from phantom_core.policies.policy_mapping import PolicyMapping, PolicySpec, parse_policy_mapping
from phantom_core.rollouts.evaluate import Evaluation, evaluate
from phantom_core.seeding import derive_seed, fresh_seed
from phantom_core.training.components import Components
from phantom_core.training.run import Run
from phantom_core.training.run_directory import RunDirectory
from phantom_core.training.run_record import DEFAULT, RunRecord
from phantom_core.training.run_request import EvaluationPlan, RunRequest, flattened
from phantom_core.training.train_loop import TrainingSetup, is_full
from phantom_core.training.train_result import TrainingResults
from phantom_core.training.trainer import Trainer
from phantom_core.types import PolicyID

STRICT_VARIABLE: Final = "PHANTOM_STRICT"
"""Environment variable: `1` makes an exception in a hook end the run."""

EVERYBODY: Final[PolicyMapping] = {"default": PolicySpec(agents=lambda _: True)}
"""The policy mapping of a run that gives none: one policy for all agents."""


def train(
    trainer: str | type[Trainer] | Trainer,
    *,
    env: str | Callable[..., MultiAgentEnv],
    env_config: Mapping[str, Any] | None = None,
    policies: PolicyMapping | None = None,
    policies_to_train: Iterable[PolicyID] | None = None,
    num_iterations: int | None = None,
    total_steps: int | None = None,
    trainer_config: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    loggers: Sequence[str | Hooks] = (),
    logger_config: Mapping[str, Mapping[str, Any]] | None = None,
    hooks: Sequence[object] = (),
    evaluation: EvaluationPlan | None = None,
    seed: int | None = None,
    name: str | None = None,
    run_dir: str | Path | None = "runs",
    strict_hooks: bool | None = None,
) -> TrainingResults:
    """Train policies with a trainer, follow the training with loggers and hooks, and write a run directory.

    Args:
        trainer: a registered name such as `"q-learning"`, a `Trainer` class, or an instance.
        env: an env class, a function that makes an env, or a registered name.
        env_config: keyword arguments for the env.
        policies: which agents use which policy; None: one policy, `"default"`, for all of them.
        policies_to_train: ids of the policies to train; None: those without a policy class of their own.
        num_iterations: how many iterations to make. Give this or `total_steps`.
        total_steps: how many env steps to make; the last iteration is finished.
        trainer_config: settings of the trainer, by name.
        metrics: metric by name, to measure while training and in evaluations.
        loggers: registered names or instances.
        logger_config: settings by logger name.
        hooks: objects that follow the run: instances of `Hooks`, or with functions marked `hookimpl`.
        evaluation: how to evaluate; None: not at all.
        seed: what everything random in the run follows from; None: a new one, which `run.json` records.
        name: what the run is called; None: named after trainer and env.
        run_dir: the folder in which the run's own folder is made; None: write nothing.
        strict_hooks: whether an exception in a hook ends the run; None: as `PHANTOM_STRICT` says.

    Returns:
        Policies, history, how it ended, and where it was written.

    Raises:
        ConfigError: if a setting is wrong; names the setting.
        PluginError: if a selected component cannot be imported or built.
        EnvError: if the env breaks a rule.
        RunDirectoryError: if the run directory cannot be written.
    """
    request = RunRequest(
        trainer=trainer,
        env=env,
        env_config=env_config or {},
        policies=policies,
        policies_to_train=policies_to_train,
        num_iterations=num_iterations,
        total_steps=total_steps,
        trainer_config={"": trainer_config or {}},
        metrics=metrics or {},
        loggers=loggers,
        logger_config=logger_config or {},
        hooks=hooks,
        evaluation=evaluation,
        seed=seed,
        name=name,
        run_dir=run_dir,
        strict_hooks=strict_hooks,
    )
    return carry_out(request, Components(), request.to_config(), {})


def carry_out(
    request: RunRequest,
    components: Components,
    config: Mapping[str, Any],
    origins: Mapping[str, str],
) -> TrainingResults:
    """Carry a request out.

    Args:
        request: what to do.
        components: where names are looked up.
        config: the request as plain values, for `config.toml`.
        origins: by dotted name, where a setting came from.
    """
    trainer_name, trainer = components.trainer(request.trainer, request.trainer_config)
    env_class = components.env_class(request.env)
    policies = EVERYBODY if request.policies is None else request.policies
    others = _other_trainers(request, trainer, policies, components)
    _attach_observers(request, trainer, components)
    run_name = request.name or f"{trainer_name}-{getattr(env_class, '__name__', 'env')}"
    seed = fresh_seed() if request.seed is None else request.seed
    directory = None if request.run_dir is None else RunDirectory.create(request.run_dir, run_name)
    if directory is not None and not components.uses("logger", "jsonl"):
        components.attach_logger("jsonl", request.logger_config)
    run = Run(
        Dispatcher(components.manager, is_strict=_is_strict(wanted=request.strict_hooks)),
        name=run_name,
        seed=seed,
        trainer_name=trainer_name,
        directory=None if directory is None else directory.path,
        num_iterations=request.num_iterations,
        total_steps=request.total_steps,
        hyper_parameters=flattened({**config, "seed": seed}),
    )
    run.other_trainers, run.load_policy_class = others, components.policy_class
    if request.seed is None:
        origins = {**origins, "seed": DEFAULT}
    setup = TrainingSetup(env_class, request.env_config, policies, request.policies_to_train, request.metrics)
    record = None if directory is None else RunRecord(directory, {**config, "seed": seed}, origins)
    if record is not None:
        record.begin(run, components)
    try:
        with run.scope():
            results = _make(run, trainer, setup, request.evaluation, directory)
    except BaseException as error:
        if record is not None:
            record.fail(run, error)
        raise
    results = replace(results, hook_failures=run.dispatcher.failure_sentences())
    if record is not None:
        record.end(run, results)
    return results


@contextmanager
def standalone_run(trainer: Trainer, *, seed: int | None) -> Iterator[None]:
    """Give a trainer a run of its own while its `train` is called directly."""
    components = Components()
    _attach_tensorboard(trainer, components)
    name = type(trainer).__name__
    run = Run(
        Dispatcher(components.manager, is_strict=_is_strict()),
        name=name,
        seed=fresh_seed() if seed is None else seed,
        trainer_name=name,
    )
    run.load_policy_class = components.policy_class
    trainer.enter(run)
    try:
        with run.scope():
            yield
    finally:
        trainer.leave()


def _make(
    run: Run,
    trainer: Trainer,
    setup: TrainingSetup,
    plan: EvaluationPlan | None,
    directory: RunDirectory | None,
) -> TrainingResults:
    """Train, save the policies whatever happens, evaluate."""
    evaluator = None if plan is None else _Evaluator(run, setup, plan)
    if evaluator is not None:
        run.before_logging = evaluator.after_iteration
    everyone = (trainer, *run.other_trainers.values())
    for one in everyone:
        one.enter(run)
    try:
        results = trainer.train(
            setup.env_class,
            run.num_iterations,
            setup.policies,
            setup.policies_to_train,
            setup.env_config,
            setup.metrics,
        )
        run.policies = results.policies
    finally:
        for one in everyone:
            one.leave()
        if directory is not None and run.policies:
            path = directory.save_policies(run.policies)
            run.dispatcher.fire(
                "on_checkpoint",
                CheckpointSaved(iteration=run.iteration, env_steps=run.env_steps, path=path),
            )
    evaluation = None if evaluator is None else evaluator.at_end()
    return replace(
        results,
        policy_by_agent=run.policy_by_agent or results.policy_by_agent,
        history=run.history,
        iterations=run.iterations,
        env_steps=run.env_steps,
        status=run.status,
        stop_reasons=tuple(run.stop_reasons),
        run_directory=run.directory,
        evaluation=evaluation,
    )


class _Evaluator:
    """Evaluates the policies of a run when its plan says so, in an env of its own."""

    def __init__(self, run: Run, setup: TrainingSetup, plan: EvaluationPlan) -> None:
        self._run = run
        self._setup = setup
        self._plan = plan
        self._latest: tuple[int, Evaluation] | None = None

    def after_iteration(self) -> dict[str, float]:
        """Evaluate if it is time to; return what to log."""
        every = self._plan.every
        if every is None or self._run.iterations % every:
            return {}
        return self._evaluate()

    def at_end(self) -> Evaluation | None:
        """Return the evaluation of the final policies, and log it if it was not made before."""
        run = self._run
        if not run.policy_by_agent:
            return None  # a trainer with a train() of its own that does not say who uses which policy
        if self._latest is None or self._latest[0] != run.iterations:
            run.log(self._evaluate())
            run.flush(run.iteration)
        return None if self._latest is None else self._latest[1]

    def _evaluate(self) -> dict[str, float]:
        run, plan = self._run, self._plan
        trained = [a for a, policy_id in run.policy_by_agent.items() if policy_id in run.policies_to_train]
        env = self._setup.make_env()
        try:
            evaluation = evaluate(
                env,
                run.policies,
                run.policy_by_agent,
                num_episodes=plan.episodes,
                seed=derive_seed(run.seed, "evaluation") if plan.seed is None else plan.seed,
                agent_ids=trained,
                metrics=self._setup.metrics,
            )
        finally:
            env.close()
        self._latest = (run.iterations, evaluation)
        event = EvaluationEnd(
            iteration=run.iteration,
            env_steps=run.env_steps,
            mean_return=evaluation.mean_return,
            episode_returns=evaluation.episode_returns,
            metrics=evaluation.metrics,
        )
        run.dispatcher.fire("on_evaluation_end", event)
        values = {
            f"eval/{name}": float(np.mean(np.concatenate([np.ravel(v) for v in found])))
            for name, found in evaluation.metrics.items()
        }
        return {"eval/mean_return": evaluation.mean_return, **values}


def _other_trainers(
    request: RunRequest, trainer: Trainer, policies: PolicyMapping, components: Components
) -> dict[str, Trainer]:
    """Build the trainers that single policies name; every trainer of a mixed run must be a full one."""
    names = [spec.trainer for spec in parse_policy_mapping(policies).values() if spec.trainer]
    others = {
        name: components.trainer(name, {**request.trainer_config, "": {}})[1] for name in dict.fromkeys(names)
    }
    for one in (trainer, *others.values()) if others else ():
        if not is_full(one):
            raise ConfigError(
                f"{type(one).__name__} steps the env itself, so it cannot share a run with other trainers. "
                "Train its policies in a run of their own, or use trainers with update()."
            )
    return others


def _attach_observers(request: RunRequest, trainer: Trainer, components: Components) -> None:
    for name in request.logger_config:
        components.registry.find("logger", name)  # a table for nobody is a typing mistake
    for logger in request.loggers:
        components.attach_logger(logger, request.logger_config)
    for hooks in request.hooks:
        components.attach(hooks)
    _attach_tensorboard(trainer, components)


def _attach_tensorboard(trainer: Trainer, components: Components) -> None:
    if trainer.tensorboard_log_dir is not None:
        settings = {"directory": str(trainer.tensorboard_log_dir)}
        components.attach_logger("tensorboard", {"tensorboard": settings})


def _is_strict(*, wanted: bool | None = None) -> bool:
    return os.environ.get(STRICT_VARIABLE, "") not in ("", "0") if wanted is None else wanted
