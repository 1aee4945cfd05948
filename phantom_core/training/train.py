"""`train`: executes a run from its settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.hooks.dispatch import Dispatcher, Measure
from phantom_core.hooks.hookspecs import Hooks
from phantom_core.installed.plugin_settings import PluginSettings
from phantom_core.metrics import Metric
from phantom_core.policies.policy_mapping import PolicyMapping, PolicySpec, parse_policy_mapping
from phantom_core.processes import leave_if_starting
from phantom_core.rollouts.make_vector_env import VectorizationMode
from phantom_core.secrets import Secrets
from phantom_core.seeding import fresh_seed
from phantom_core.training import checkpointer, run_settings
from phantom_core.training.components import Components
from phantom_core.training.directory_watch import DirectoryWatch
from phantom_core.training.env_factory import EnvFactory, PluginPlan
from phantom_core.training.logged_values import flattened, guarded
from phantom_core.training.metrics_file import METRICS_FILE, History
from phantom_core.training.references import trainer_key
from phantom_core.training.resume_point import ResumePoint
from phantom_core.training.run_directory import RunDirectory
from phantom_core.training.run_loop import Evaluator, RunLoop
from phantom_core.training.run_plans import CheckpointPlan, EvaluationPlan, TrainingPlan, parse_training_plan
from phantom_core.training.run_record import DEFAULT, NOT_IN_FILE, RunRecord
from phantom_core.training.run_settings import RunSettings
from phantom_core.training.run_state import RunFacts, RunState, TrainingResults
from phantom_core.training.stop_signals import signals_end
from phantom_core.training.trainer import Trainer
from phantom_core.types import PolicyID
from phantom_core.world.agents import Agent

_log = logging.getLogger("phantom_core")


def is_any_agent(agent: Agent) -> bool:  # noqa: ARG001  matches all agents
    """Match every agent."""
    return True


DEFAULT_POLICIES: Final[PolicyMapping] = {"default": PolicySpec(agents=is_any_agent)}
"""The default policy mapping: one policy for all agents."""


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
    metrics: Mapping[str, Any] | None = None,
    loggers: Sequence[str | type[Hooks] | Hooks] = (),
    logger_config: Mapping[str, Mapping[str, Any]] | None = None,
    hooks: Sequence[object] = (),
    hook_config: Mapping[str, Mapping[str, Any]] | None = None,
    evaluation: EvaluationPlan | None = None,
    checkpoint: CheckpointPlan | None = None,
    training_plan: TrainingPlan | None = None,
    workers: int = 0,
    vectorization_mode: VectorizationMode = "sync",
    seed: int | None = None,
    name: str | None = None,
    run_dir: str | Path | None = "runs",
    strict_hooks: bool | None = None,
    plugins: Mapping[str, Any] | None = None,
) -> TrainingResults:
    """Train policies with a trainer, with loggers and hooks, and write a run directory."""
    given = dict(locals())  # the parameters are the settings
    if workers:
        leave_if_starting()
    tables = ("env_config", "metrics", "logger_config", "hook_config", "plugins")
    given |= {table: given[table] or {} for table in tables}
    with Secrets.of(given).hidden():
        given["trainer_config"] = run_settings.configs_by_trainer(trainer, policies, trainer_config)
        settings = RunSettings(**given)
    plugin_settings = PluginSettings.of_surroundings().with_table(settings.plugins, "the run")
    if strict_hooks is not None:
        plugin_settings = replace(plugin_settings, is_strict=strict_hooks)
    return execute_run(settings, Components(plugin_settings), folder=Path.cwd())


train.__doc__ = f"""{train.__doc__}

{run_settings.argument_documents()}

Returns:
    The policies, history, status and run directory.

Raises:
    ConfigError: if a setting is wrong.
    PluginError: if a selected component cannot be imported or built.
    EnvError: if the env breaks a rule.
    RunDirectoryError: if the run directory cannot be written.
"""


def execute_run(
    settings: RunSettings,
    components: Components,
    *,
    folder: Path,
    origins: Mapping[str, str] | None = None,
    measure: Measure | None = None,
    resumed: ResumePoint | None = None,
) -> TrainingResults:
    """Execute a run, whose relative references start from `folder`, or go on with one.

    `origins` says where settings came from, by dotted name; the rest are arguments of the caller.
    """
    settings = settings.with_environment()
    table, not_in_file = settings.to_table(folder)
    run_settings.check_is_unmasked(table)
    secrets = run_settings.secrets_in(table)
    config = run_settings.masked_table(table)
    config.pop("run_dir", None)  # not a setting of a repeated run
    written = _Written(config, not_in_file, dict(origins or {}), secrets)
    with secrets.hidden():
        return _execute(settings.revealed(), components, written, measure, resumed)


@dataclass(frozen=True, slots=True)
class _Written:
    """What is written of the settings of a run."""

    config: dict[str, Any]  # the contents of a run file, masked
    not_in_file: Mapping[str, str]  # what TOML cannot hold, by dotted name
    origins: dict[str, str]  # where settings came from, by dotted name; the rest are arguments of the caller
    secrets: Secrets


def _execute(
    settings: RunSettings,
    components: Components,
    written: _Written,
    measure: Measure | None,
    resumed: ResumePoint | None,
) -> TrainingResults:
    """Build the components of a run, make its directory, and execute it."""
    config, origins, secrets = written.config, written.origins, written.secrets
    attach_observers(settings, components)
    trainer_name, trainer = components.trainer(settings.trainer, settings.trainer_config)
    env_class = components.env_class(settings.env)
    others = _other_trainers(settings, trainer, components)
    components.attach_tensorboard(trainer.tensorboard_log_dir, adds_to_earlier=trainer.has_event_files)
    run_name = settings.name or f"{trainer_name}-{getattr(env_class, '__name__', 'env')}"
    seed = fresh_seed() if settings.seed is None else settings.seed
    origins |= {"seed": DEFAULT} if settings.seed is None else {}
    config["seed"] = seed
    if resumed is not None or settings.run_dir is not None:
        components.attach_record(settings.logger_config)
    dispatcher = Dispatcher(components.manager, measure=measure, secrets=secrets)
    metrics = guarded({n: components.metric(n, m) for n, m in settings.metrics.items()}, dispatcher)
    training_plan = () if settings.training_plan is None else parse_training_plan(settings.training_plan)
    directory = None if resumed is None else resumed.directory
    if resumed is None and settings.run_dir is not None:
        directory = RunDirectory.create(settings.run_dir, run_name)  # when all is made that may be refused
    facts = RunFacts(
        name=run_name,
        seed=seed,
        trainer_name=trainer_name,
        load_policy_class=components.policy_class,
        trainer_key=trainer_key(settings.trainer),
        directory=None if directory is None else directory.path,
        total_steps=settings.total_steps,
        hyper_parameters=flattened(config),
        secrets=secrets,
        training_plan=training_plan,
        workers=settings.workers,
        vectorization_mode=settings.vectorization_mode,
        plugin_plan=PluginPlan.of(components.used),
        other_trainers=others,
    )
    file = directory.path / METRICS_FILE if directory is not None and components.has_record else None
    state = RunState(num_iterations=settings.num_iterations, history=History(file))
    loop = RunLoop(facts, state, dispatcher)
    if resumed is not None:
        if type(trainer).train is not Trainer.train:
            raise ConfigError(
                f"{trainer_name} overrides train(), so nobody knows where in it the run stood, and it cannot "
                "be resumed. Begin another run with these policies: ph.load_policies(run)."
            )
        loop.resume(resumed)
    if settings.evaluation is not None:
        make_env = EnvFactory(env_class, settings.env_config)
        loop.evaluator = Evaluator(loop, settings.evaluation, make_env, metrics)
    record = None
    if directory is not None:
        if written.not_in_file:
            config[NOT_IN_FILE] = written.not_in_file
        loop.watch = watch = DirectoryWatch(directory, state)
        dispatcher.is_explained = watch.explains
        record = RunRecord(watch, config, origins, facts, state, dispatcher, components, resumed, loop.notes)
        loop.checkpointer = writer = checkpointer.Checkpointer(state, dispatcher, settings.checkpoint, watch)
        if settings.checkpoint is not None or dispatcher.has_subscribers("should_checkpoint"):
            loop.before_start.append(loop.checkpointer.check)
        else:
            loop.before_start.append(lambda: directory.check_policies(state.policies))
        if resumed is not None:
            loop.before_start.append(lambda: writer.resume(directory))
        loop.before_start.append(record.begin)
    with signals_end(facts, state):
        return _Run(settings, loop, trainer, env_class, metrics, record).execute()


@dataclass(frozen=True, repr=False, slots=True)
class _Run:
    """A run that is set up: it trains, saves the policies, evaluates them and completes its record."""

    settings: RunSettings
    loop: RunLoop
    trainer: Any
    env_class: Callable[..., MultiAgentEnv]
    metrics: Mapping[str, Metric]
    record: RunRecord | None

    def execute(self) -> TrainingResults:
        """Execute the run, and record how it ended."""
        record, state, watch = self.record, self.loop.state, self.loop.watch
        if record is None or watch is None:
            return self._train_and_evaluate()
        try:
            results = self._train_and_evaluate()
        except BaseException as error:
            with watch.recorded_failures():
                record.fail(error)
            checkpointer.warn_where_policies_are(state, watch.directory)
            raise
        with watch.recorded_failures():
            record.end(results)
        return replace(results, problems=tuple(map(self.loop.facts.secrets.hide, state.problems)))

    def _train_and_evaluate(self) -> TrainingResults:
        loop, state, evaluation = self.loop, self.loop.state, None
        with loop.scope():
            results = self._train()
            if loop.evaluator is not None and not state.is_interrupted and not state.has_diverged:
                evaluation = loop.evaluator.at_end()
                state.history.add_to_last(loop.flush(state.iteration))
        return state.filled(
            results,
            hook_failures=loop.dispatcher.failure_sentences(),
            run_directory=loop.facts.directory,
            evaluation=evaluation,
        )

    def _train(self) -> TrainingResults:
        """Run the trainer, and save the policies, also if it raises."""
        settings, loop, trainer = self.settings, self.loop, self.trainer
        state, trainers = loop.state, (trainer, *loop.facts.other_trainers.values())
        for one in trainers:
            one.enter(loop)
        trainer.metrics = self.metrics
        try:
            results = trainer.train(
                self.env_class,
                state.num_iterations,
                DEFAULT_POLICIES if settings.policies is None else settings.policies,
                settings.policies_to_train,
                settings.env_config,
                self.metrics,
            )
            if not isinstance(results, TrainingResults):
                expected = "Expected ph.TrainingResults(policies), or an instance of a class derived from it."
                raise ConfigError(f"{type(trainer).__name__}.train() returned {results!r}. {expected}")
            to_train = tuple(settings.policies_to_train or results.policies)
            state.policies = results.policies
            state.policy_by_agent = state.policy_by_agent or results.policy_by_agent
            state.policies_to_train = state.policies_to_train or to_train
            return results
        finally:
            checkpointer.save_final_policies(loop.facts, state, loop.dispatcher, loop.watch)
            for one in trainers:
                one.leave()


def attach_observers(settings: RunSettings, components: Components) -> None:
    """Attach loggers and hooks. Hooks come first, since they may register components that the run names.

    Settings of observers that are not selected cause a warning, since `--logger` may have replaced them.
    """
    registry = components.registry
    for hooks in settings.hooks:
        components.attach_hooks(hooks, settings.observer_config)
    named = [(kind, name) for kind, configs in settings.observer_config.items() for name in configs]
    configured = {(kind, name): registry.find(kind, name) for kind, name in named}  # raises: misspelt
    for logger in settings.loggers:
        components.attach_logger(logger, settings.logger_config)
    for (kind, name), component in configured.items():
        if component not in components.used and component.name != "jsonl":
            _log.warning(
                "The settings of the %s %r (%s.%s) are not used: the run does not select it. Add it to "
                "%ss, or leave its settings out.",
                kind, name, kind, name, kind,
            )  # fmt: skip
    own_keys = run_settings.trainer_keys(settings.trainer, settings.policies)
    for key in settings.trainer_config:
        if ":" not in key and not any(run_settings.matches_trainer(key, own) for own in own_keys):
            registry.find("trainer", key)  # raises for a misspelt name


def _other_trainers(settings: RunSettings, trainer: Any, components: Components) -> dict[str, Any]:
    """Build the trainers that single policies name. With several trainers, all must be full trainers."""
    specs = {} if settings.policies is None else parse_policy_mapping(settings.policies)
    own = trainer_key(settings.trainer)
    choices = {own: settings.trainer}
    for policy_id, spec in specs.items():
        if spec.trainer is None:
            continue
        key = trainer_key(spec.trainer)
        if not _is_same_trainer(choices.setdefault(key, spec.trainer), spec.trainer):
            raise ConfigError(
                f"Policy {policy_id!r} has a trainer of its own, but the run has another of the same name, "
                f"{key!r}, so that their settings and values cannot be told apart. Give both the same "
                "trainer, or derive a class from one."
            )
    del choices[own]
    configs = settings.trainer_config
    others = {key: components.trainer(choice, configs)[1] for key, choice in choices.items()}
    for one in (trainer, *others.values()) if others else ():
        if not one.is_full:
            raise ConfigError(
                f"{type(one).__name__} steps the env itself, so it cannot share a run with other trainers. "
                "Train its policies in a run of their own, or use trainers with update()."
            )
    return others


def _is_same_trainer(one: Any, other: Any) -> bool:
    """Return whether two trainers of one key are one: an object, or a class and its name."""
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, (str, type)) and isinstance(other, (str, type))
    return one is other
