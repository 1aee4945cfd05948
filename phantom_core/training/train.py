"""`train`: composes a run from registered names or objects, and carries it through to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.hooks.hookspecs import Hooks
from phantom_core.hooks.plugin_plan import PluginPlan
from phantom_core.hooks.plugin_settings import PluginSettings
from phantom_core.hooks.plugin_times import PluginTimes
from phantom_core.metrics import Metric
from phantom_core.policies.policy_mapping import PolicyMapping, PolicySpec, parse_policy_mapping
from phantom_core.rollouts.make_vector_env import Vectorization
from phantom_core.rollouts.worker_process import leave_if_starting
from phantom_core.seeding import fresh_seed
from phantom_core.training.checkpointer import Checkpointer
from phantom_core.training.components import Components
from phantom_core.training.evaluator import Evaluator
from phantom_core.training.guarded_metric import guarded
from phantom_core.training.run import Run
from phantom_core.training.run_directory import RunDirectory
from phantom_core.training.run_plans import CheckpointPlan, TrainingPlan, parse_training_plan
from phantom_core.training.run_record import DEFAULT, RunRecord
from phantom_core.training.run_request import EvaluationPlan, RunRequest, flattened
from phantom_core.training.save_whatever_happens import contained, save_somewhere, say_what_is_left
from phantom_core.training.stop_signals import heeding_signals
from phantom_core.training.train_loop import TrainingSetup, is_full
from phantom_core.training.train_result import TrainingResults
from phantom_core.training.trainer import Trainer
from phantom_core.types import PolicyID
from phantom_core.world.agents import Agent

_log = logging.getLogger("phantom_core")


def is_anybody(agent: Agent) -> bool:  # noqa: ARG001  a rule for all agents
    """Tell that an agent is meant, whoever it is."""
    return True


EVERYBODY: Final[PolicyMapping] = {"default": PolicySpec(agents=is_anybody)}
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
    hook_config: Mapping[str, Mapping[str, Any]] | None = None,
    evaluation: EvaluationPlan | None = None,
    checkpoint: CheckpointPlan | None = None,
    training_plan: TrainingPlan | None = None,
    workers: int = 0,
    vectorization: Vectorization = "copies",
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
        total_steps: how many env steps to make. Iterations are whole: training ends with the first one
            that reaches this number, and `results.env_steps` says how many were made.
        trainer_config: settings of the trainer, by name.
        metrics: metric by name, to measure while training and in evaluations.
        loggers: registered names or instances.
        logger_config: settings by logger name.
        hooks: what else follows the run: registered names of hooks or loggers; objects: instances of `Hooks`,
            or with functions marked `hookimpl`; or where to import one from, as
            `"./my_logger.py:MyLogger"`, relative to the current folder.
        hook_config: settings of the hooks that are given by name, by name.
        evaluation: how to evaluate; None: not at all.
        checkpoint: when to write checkpoints, and which to keep; None: only the final policies.
        training_plan: whose turn it is to learn: phases such as `{"policies": ["a"], "iterations": 5}`
            that follow each other and begin again after the last. Policies whose turn it is not behave
            as finished ones. None: all that are trained learn in every iteration.
        workers: how many processes step the copies of the env that the trainer asks for; 0: this one.
            They pay where a step of the env takes well over 100 µs.
        vectorization: `"copies"`: so many envs; `"native"`: the vector env that Gymnasium offers for
            some envs, see `NativeVectorEnv`.
        seed: what everything random in the run follows from; None: a new one, which `run.json` records.
        name: what the run is called; None: named after trainer and env.
        run_dir: the folder in which the run's own folder is made; None: write nothing.
        strict_hooks: whether a broken plugin, or an exception in a hook, ends the run; None: as
            `PHANTOM_STRICT` says.

    Returns:
        Policies, history, how it ended, and where it was written.

    Raises:
        ConfigError: if a setting is wrong; names the setting.
        PluginError: if a selected component cannot be imported or built.
        EnvError: if the env breaks a rule.
        RunDirectoryError: if the run directory cannot be written.
    """
    if workers:
        leave_if_starting()
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
        hook_config=hook_config or {},
        evaluation=evaluation,
        checkpoint=checkpoint,
        training_plan=training_plan,
        workers=workers,
        vectorization=vectorization,
        seed=seed,
        name=name,
        run_dir=run_dir,
        strict_hooks=strict_hooks,
    )
    settings = PluginSettings.of_surroundings()
    if strict_hooks is not None:
        settings = replace(settings, is_strict=strict_hooks)
    return carry_out(request, Components(settings), request.to_config(), {}, request.not_in_config)


def carry_out(
    request: RunRequest,
    components: Components,
    config: Mapping[str, Any],
    origins: Mapping[str, str],
    not_in_config: Sequence[str] = (),
    times: PluginTimes | None = None,
) -> TrainingResults:
    """Carry a request out.

    Args:
        request: what to do.
        components: where names are looked up.
        config: the request as plain values, for `config.toml`.
        origins: by dotted name, where a setting came from.
        not_in_config: dotted names of settings that plain values cannot say.
        times: where to note how long each hook takes; None: nowhere.
    """
    _attach_observers(request, components)
    trainer_name, trainer = components.trainer(request.trainer, request.trainer_config)
    for name in request.trainer_config:
        if name and name != trainer_name and isinstance(request.trainer, str):
            components.registry.find("trainer", name)  # a table for nobody is a typing mistake
    env_class = components.env_class(request.env)
    policies = EVERYBODY if request.policies is None else request.policies
    others = _other_trainers(request, (trainer_name, trainer), policies, components)
    _attach_tensorboard(trainer, components)
    run_name = request.name or f"{trainer_name}-{getattr(env_class, '__name__', 'env')}"
    seed = fresh_seed() if request.seed is None else request.seed
    directory = None if request.run_dir is None else RunDirectory.create(request.run_dir, run_name)
    if directory is not None:
        _attach_jsonl(request, components)
    run = Run(
        Dispatcher(components.manager, times=times),
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
    metrics = guarded(request.metrics, run.dispatcher)
    setup = TrainingSetup(env_class, request.env_config, policies, request.policies_to_train, metrics)
    _follow_plans(run, request, directory)
    run.plugin_plan = PluginPlan.of(components.used)
    if directory is None:
        with heeding_signals(run):
            return _make(run, trainer, setup, request.evaluation, None)
    record = RunRecord(directory, {**config, "seed": seed}, origins, not_in_config=not_in_config)
    record.begin(run, components)
    run.before_start.append(lambda: record.note_policies(run))
    with heeding_signals(run):
        return _make_and_record(run, trainer, setup, request.evaluation, record)


def _make_and_record(
    run: Run, trainer: Trainer, setup: TrainingSetup, plan: EvaluationPlan | None, record: RunRecord
) -> TrainingResults:
    try:
        results = _make(run, trainer, setup, plan, record.directory)
    except BaseException as error:
        with contained(run):
            record.fail(run, error)
        say_what_is_left(run, record.directory)
        raise
    with contained(run):
        record.end(run, results)
    return replace(results, problems=tuple(run.problems))


def _follow_plans(run: Run, request: RunRequest, directory: RunDirectory | None) -> None:
    """Tell the run whose turn it is to learn, where envs are stepped, and when to write checkpoints."""
    run.workers, run.vectorization = request.workers, request.vectorization
    if request.training_plan is not None:
        run.training_plan = parse_training_plan(request.training_plan)
    writes_checkpoints = request.checkpoint is not None or run.dispatcher.has_subscribers("should_checkpoint")
    if directory is not None and writes_checkpoints:
        checkpointer = Checkpointer(run, request.checkpoint, directory)
        run.after_iteration = checkpointer.after_iteration
        run.before_start.append(checkpointer.check)
    elif directory is not None:
        run.before_start.append(lambda: directory.check_policies(run.policies))


@contextmanager
def standalone_run(trainer: Trainer, *, seed: int | None) -> Iterator[None]:
    """Give a trainer a run of its own while its `train` is called directly."""
    components = Components()
    _attach_tensorboard(trainer, components)
    name = type(trainer).__name__
    run = Run(
        Dispatcher(components.manager),
        name=name,
        seed=fresh_seed() if seed is None else seed,
        trainer_name=name,
    )
    run.load_policy_class = components.policy_class
    trainer.enter(run)
    try:
        with heeding_signals(run), run.scope():
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
    """Train, save the policies whatever happens, evaluate; every plugin learns of the end."""
    with run.scope():
        evaluator = None if plan is None else Evaluator(run, setup, plan)
        if evaluator is not None:
            run.before_logging = evaluator.after_iteration
        results = _train(run, trainer, setup, directory)
        evaluation = None if evaluator is None or run.is_interrupted else evaluator.at_end()
    return replace(
        results,
        policy_by_agent=run.policy_by_agent,
        history=run.history,
        iterations=run.iterations,
        env_steps=run.env_steps,
        status=run.status,
        stop_reasons=tuple(run.stop_reasons),
        hook_failures=run.dispatcher.failure_sentences(),
        run_directory=run.directory,
        evaluation=evaluation,
    )


def _train(
    run: Run, trainer: Trainer, setup: TrainingSetup, directory: RunDirectory | None
) -> TrainingResults:
    """Let the trainer work for the run, and save what it made, also if it breaks off."""
    everyone = (trainer, *run.other_trainers.values())
    for one in everyone:
        one.enter(run)
    trainer.metrics = setup.metrics
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
        run.policy_by_agent = run.policy_by_agent or results.policy_by_agent
        run.policies_to_train = run.policies_to_train or tuple(setup.policies_to_train or results.policies)
        return results
    finally:
        save_somewhere(run, directory)
        for one in everyone:
            one.leave()


def _other_trainers(
    request: RunRequest, own: tuple[str, Trainer], policies: PolicyMapping, components: Components
) -> dict[str, Trainer]:
    """Build the trainers that single policies name; every trainer of a mixed run must be a full one."""
    own_name, trainer = own
    specs = parse_policy_mapping(policies).values()
    names = [spec.trainer for spec in specs if spec.trainer and spec.trainer != own_name]
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


def _attach_observers(request: RunRequest, components: Components) -> None:
    """Let loggers and hooks follow the run; hooks come first, since they may offer loggers."""
    for hooks in request.hooks:
        if not any(hooks is other for _, other in components.attached):  # a run file attaches them early
            components.attach_hooks(hooks, request.observer_config)
    for kind, configs in request.observer_config.items():
        for name in configs:
            components.registry.find(kind, name)  # a table for nobody is a typing mistake
    for logger in request.loggers:
        components.attach_logger(logger, request.logger_config)
    _name_idle_tables(request, components)


def _attach_jsonl(request: RunRequest, components: Components) -> None:
    """Let every run that writes a directory write its values, unless the user disabled that."""
    if components.registry.has("logger", "jsonl") and not components.uses("logger", "jsonl"):
        components.attach_logger("jsonl", request.logger_config)


def _name_idle_tables(request: RunRequest, components: Components) -> None:
    """Say which loggers have settings but are not selected; `--logger` may have left them out on purpose."""
    for kind, configs in request.observer_config.items():
        for name in configs:
            component = components.registry.find(kind, name)
            if component not in components.used and component.name != "jsonl":
                _log.warning(
                    "The settings of the %s %r (%s.%s) are not used: the run does not select it. Add it to "
                    "%ss, or leave its settings out.",
                    kind, name, kind, name, kind,
                )  # fmt: skip


def _attach_tensorboard(trainer: Trainer, components: Components) -> None:
    if trainer.tensorboard_log_dir is not None:
        settings = {"directory": str(trainer.tensorboard_log_dir)}
        components.attach_logger("tensorboard", {"tensorboard": settings})
