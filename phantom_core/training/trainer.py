"""`Trainer`: the base class of learning algorithms."""

from __future__ import annotations

import functools
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from phantom_core.component_config import is_whole, make_config
from phantom_core.envs.endless import check_episodes_end
from phantom_core.envs.plain_values import as_number
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError, error_text
from phantom_core.metrics import Metric, record_metrics, reduce_metrics
from phantom_core.policies import policy_mapping
from phantom_core.policies.past_policies import add_past_policies
from phantom_core.policies.policy import BasePolicy
from phantom_core.policies.policy_mapping import PolicyMapping, PolicySpec
from phantom_core.rollouts.batch import EpisodeSummary
from phantom_core.rollouts.collect import Collector
from phantom_core.rollouts.evaluate import copied
from phantom_core.rollouts.vector_env import VectorEnv
from phantom_core.secrets import Secrets
from phantom_core.seeding import derive_seed, fresh_seed, make_rng
from phantom_core.training.components import Components
from phantom_core.training.env_factory import EnvFactory, check_env_config, reset_once
from phantom_core.training.full_training import (
    check_trains,
    log_episodes,
    received,
    train_full,
    train_simple,
)
from phantom_core.training.learner import Learner
from phantom_core.training.logged_values import GuardedMetric, check_logged_names, guarded
from phantom_core.training.references import trainer_key
from phantom_core.training.run import Run
from phantom_core.training.run_loop import RunLoop, close_env, standalone_run
from phantom_core.training.run_plans import check_training_plan
from phantom_core.training.run_state import TrainingResults
from phantom_core.training.stop_signals import signals_end
from phantom_core.types import AgentID, PolicyID

TrainT = TypeVar("TrainT", bound=Callable[..., Any])


def _within_run(train: TrainT) -> TrainT:
    """Wrap `train` in a run when it is called directly, so that `on_train_end` always fires."""

    @functools.wraps(train)
    def train_within_run(self: Trainer, *args: Any, **kwargs: Any) -> Any:
        if self._run is not None:
            self._run.check_between_iterations()
            return train(self, *args, **kwargs)
        name, folder, adds = type(self).__name__, self.tensorboard_log_dir, self.has_event_files
        loop = standalone_run(name, folder, adds_to_earlier=adds, seed=kwargs.get("seed"))
        self.enter(loop)
        self.has_event_files = self.tensorboard_log_dir is not None
        try:
            with signals_end(loop.facts, loop.state), loop.scope():
                return train(self, *args, **kwargs)
        finally:
            self.leave()

    return train_within_run  # type: ignore[return-value]  # same signature, by functools.wraps


class Trainer(Learner):
    """Base class of learning algorithms, which collect experience and update policies.

    There are two kinds of trainers.

    - A **full** trainer overrides `collect_plan` and `update`. The core plays the policies and passes
      the trajectories to `update`. It works with every kind of env and can share a run with other trainers.
    - A **simple** trainer overrides `training_step`, or `train` itself with a loop over
      `self.iterations(n)`. It steps the env itself and logs with `log_rewards` and `log_metrics`.

    `train`, called directly, changes the instance: a second call goes on with its attributes as they are.
    `ph.train` copies an instance, so that each run begins alike.

    Attributes:
        config_class: frozen dataclass of the settings. None if the settings, if any, are the parameters of
            the class's own `__init__`.
        policy_class: the class of the policies that it trains.
        trainable_class: what a policy must be derived from to be trained; None: `policy_class`.
        config: the settings, an instance of `config_class`; None without one.
        tensorboard_log_dir: where the logger plugin `tensorboard` writes, over iterations; None: it is not
            attached.
        has_event_files: whether this instance wrote there before; its next run adds to them.
        metrics: metric by name, of the present run.
        logged_metrics: by metric name, values logged since the last writing.
        logged_rewards: by agent id, rewards logged since the last writing.
    """

    config_class: ClassVar[type | None] = None

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Wrap an overridden `train` in a run when it is called directly."""
        super().__init_subclass__(**kwargs)
        if "train" in vars(cls):
            cls.train = _within_run(cls.train)  # type: ignore[method-assign]  # wraps it, nothing else

    def __init__(self, tensorboard_log_dir: str | Path | None = None, **settings: Any) -> None:
        """Check the settings.

        Args:
            tensorboard_log_dir: attach the logger plugin `tensorboard`, which writes to this folder.
            **settings: the fields of `config_class`.

        Raises:
            ConfigError: if a setting is unknown or has the wrong type, or the class has no `policy_class`.
        """
        self.config: Any = make_config(type(self), settings)
        if not isinstance(getattr(self, "policy_class", None), type):
            name = type(self).__name__
            raise ConfigError(f"{name} has no policy_class. Set it in the class: policy_class = MyPolicy.")
        self.tensorboard_log_dir = tensorboard_log_dir
        self.has_event_files = False
        self.metrics: Mapping[str, Metric] = {}
        self.logged_metrics: defaultdict[str, list[Any]] = defaultdict(list)
        self.logged_rewards: defaultdict[AgentID, list[float]] = defaultdict(list)
        self._collectors: list[Collector] = []
        self._counted_steps = 0
        self._episodes: list[EpisodeSummary] = []
        self._run: RunLoop | None = None
        self._idle: _IdleRun | None = None
        self._rng: np.random.Generator | None = None
        self._make_env: Callable[[], MultiAgentEnv] | None = None

    @_within_run
    def train(
        self,
        env_class: Callable[..., MultiAgentEnv],
        num_iterations: int | None,
        policies: PolicyMapping,
        policies_to_train: Iterable[PolicyID] | None,
        env_config: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Metric] | None = None,
        *,
        seed: int | None = None,
    ) -> TrainingResults:
        """Train policies. `ph.train` adds named components, loggers, hooks and a run directory.

        Each call trains new policies, from iteration 0. The trainer itself is not reset: what a subclass
        keeps in attributes goes on from the last call. An overridden `train` may call this one several
        times; that is one run, whose iterations are counted on.

        Args:
            env_class: an env class, or a function that makes an env; called with `env_config`.
            num_iterations: the number of iterations.
            policies: which agents use which policy.
            policies_to_train: ids of the policies to train; they use the trainer's `policy_class`.
            env_config: keyword arguments for `env_class`.
            metrics: metric by name, measured in training.
            seed: the seed of the run. None for a random seed.

        Raises:
            ConfigError: if something does not fit together, or it is called within an iteration.
        """
        check_env_config(env_config or {})
        loop, state = self._loop, self._loop.state
        make_env = self._make_env = EnvFactory(env_class, dict(env_config or {}))
        self.metrics = guarded(metrics or {}, loop.dispatcher)
        if num_iterations is not None and not is_whole(num_iterations):
            raise ConfigError(f"The run got num_iterations={num_iterations!r}. Expected a positive integer.")
        env, specs = make_env(), policy_mapping.parse_policy_mapping(policies)
        trainers = self._set_up(env, specs, policies_to_train)
        if self.is_full:
            train_full(self, trainers, loop, make_env, env, num_iterations)
        else:
            train_simple(self, loop, env, num_iterations)
        for metric in self.metrics.values():
            if isinstance(metric, GuardedMetric):
                metric.finish(env)
        return state.filled(TrainingResults(state.policies))

    def _set_up(
        self, env: MultiAgentEnv, specs: dict[PolicyID, PolicySpec], to_train: Iterable[PolicyID] | None
    ) -> dict[PolicyID, Trainer]:
        """Make the policies, and return the trainer of each that is trained, all checked."""
        loop, state = self._loop, self._loop.state
        state.policies_to_train = policy_mapping.select_policies_to_train(specs, to_train)
        state.policy_specs = specs
        reset_once(env, loop.facts.seed)
        state.state_space = getattr(env, "state_space", None)
        state.policy_by_agent, made = self.setup_policy_specs_and_mapping(env, specs)
        for policy_id in state.policies_to_train:
            if made[policy_id] is specs[policy_id].policy:  # a warm start does not change the object given
                made |= copied({policy_id: made[policy_id]})
        state.policies = made
        plugins = loop.dispatcher.order("extra_values")
        logged = [
            i for i, spec in specs.items() if i in state.policies_to_train or spec.opponents is not None
        ]
        check_logged_names(self.metrics, logged, env.agents, plugins)
        trainers = {policy_id: self.trainer_of(specs[policy_id]) for policy_id in state.policies_to_train}
        for policy_id, trainer in trainers.items():
            check_trains(policy_id, made[policy_id], trainer, is_saved=loop.facts.directory is not None)
        if loop.facts.training_plan:
            check_training_plan(loop.facts.training_plan, state.policies_to_train)
        if loop.evaluator is not None:
            loop.evaluator.check(env)
        return trainers

    @property
    def is_full(self) -> bool:
        """Whether the core collects experience for the trainer, instead of the trainer stepping the env.

        Raises `ConfigError` if the class overrides the methods of neither kind.
        """
        cls, name = type(self), type(self).__name__
        if cls.update is not Trainer.update:
            if cls.collect_plan is Trainer.collect_plan:
                advice = "Return ph.CollectPlan(episodes=10) from it, for instance."
                raise ConfigError(f"{name} overrides update() but not collect_plan(). {advice}")
            return True
        if cls.training_step is Trainer.training_step and cls.train is Trainer.train:
            advice = "Override collect_plan() and update(), or training_step()."
            raise ConfigError(f"{name} does not say how to learn. {advice}")
        return False

    def iterations(self, num_iterations: int | None = None) -> Iterator[int]:
        """Yield the number of each iteration until the run ends; fire hooks and log around each.

        `num_iterations` is the maximum; None for that of the run.
        """
        loop = self._loop
        for iteration in loop.each_iteration(num_iterations):
            yield iteration
            steps = sum(collector.env_steps for collector in self._collectors)
            loop.state.env_steps += steps - self._counted_steps
            self._counted_steps = steps
            log_episodes(loop, iteration, self._episodes)
            self._episodes.clear()
            self.tbx_write_values(iteration)

    def make_collector(
        self,
        envs: VectorEnv | Sequence[MultiAgentEnv],
        policies: Mapping[PolicyID, BasePolicy],
        policy_by_agent: Mapping[AgentID, PolicyID],
        *,
        learning: Sequence[PolicyID] = (),
        on_episode: Callable[[EpisodeSummary], None] | None = None,
    ) -> Collector:
        """Return a `Collector` whose episodes and env steps count in the run.

        At the end of each iteration, `on_episode_end` fires for each finished episode, and rewards, returns,
        lengths and metrics are logged as for a full trainer. Its envs are closed when the run ends.

        Args:
            envs: a list of envs, such as the env passed to `training_step`.
            policies: policy by id; they are not copied, so updates take effect at once.
            policy_by_agent: policy id by agent id.
            learning: ids of the policies whose experience `collect` returns.
            on_episode: called with each episode that ends.
        """
        run, episodes = self._loop, self._episodes

        def take(episode: EpisodeSummary) -> None:
            if run.facts.workers:
                episode = received(episode, self.metrics)
            episodes.append(episode)
            if on_episode is not None:
                on_episode(episode)

        collector = Collector(
            envs,
            policies,
            policy_by_agent,
            specs=run.state.policy_specs,
            seed=derive_seed(run.facts.seed, "training", len(self._collectors)),
            learning=tuple(learning),
            metrics=self.metrics,
            on_episode=take,
        )
        self._collectors.append(collector)
        return collector

    def check_episodes_end(self, env: MultiAgentEnv) -> None:
        """Raise `ConfigError` if it is certain that an episode of an env never ends, warn if it may not.

        A simple trainer that plays whole episodes calls it before the first one. For a full trainer the run
        does that.
        """
        check_episodes_end(type(self).__name__, env, self.steps_setting)

    @property
    def run(self) -> Run:
        """The current run: what it offers is in `ph.Run`; `ConfigError` if the trainer is not in a run."""
        return Run(self._loop, self._make_env)

    @property
    def _loop(self) -> RunLoop:
        if self._run is None:
            raise ConfigError(f"{type(self).__name__} is not in a run. Call train() first.")
        return self._run

    @property
    def progress(self) -> float:
        """The fraction of the run completed before this round, from 0.0 to 1.0; used by schedules."""
        return self._loop.state.progress

    def enter(self, run: Run | RunLoop) -> None:
        """Begin to work for a run, without what was logged before; `ConfigError` if it is in one already."""
        if self._run is not None:
            advice = "Make a second instance for a second run."
            raise ConfigError(f"This {type(self).__name__} is already training. {advice}")
        if self._idle is not None:
            self._idle.end()
            self._idle = None
        self.leave()
        if isinstance(run, RunLoop):
            self._run = run
        else:
            self._run, self._make_env = run.loop, run.make_env

    def leave(self) -> None:
        """Leave the run, close what was collected in, and clear values that were not logged."""
        self._run = self._rng = self._make_env = None
        for collector in self._collectors:
            close_env(collector)
        self._collectors.clear()
        self._counted_steps = 0
        self._episodes.clear()
        self.logged_metrics.clear()
        self.logged_rewards.clear()

    @property
    def rng(self) -> np.random.Generator:
        """The random generator of the trainer in this run, derived from the run's seed."""
        if self._rng is None:
            self._rng = make_rng(self._loop.facts.seed, "trainer", type(self).__name__)
        return self._rng

    def setup_policy_specs_and_mapping(
        self, env: MultiAgentEnv, policies: PolicyMapping
    ) -> tuple[dict[AgentID, PolicyID], dict[PolicyID, BasePolicy]]:
        """Return the policy id of each strategic agent, and the policies, built and seeded.

        Raises `PolicyMappingError` if agents and policies do not fit together.
        """
        secrets = Secrets() if self._run is None else self._run.facts.secrets
        groups = policy_mapping.group_agents(env, policy_mapping.parse_policy_mapping(policies))
        mapping = {agent_id: group.policy_id for group in groups.values() for agent_id in group.agent_ids}
        past = [policy_id for policy_id, group in groups.items() if group.spec.opponents is not None]
        if past and not self.is_full:
            raise ConfigError(
                f"{type(self).__name__} steps the env itself, so policy {past[0]!r} cannot act by snapshots "
                "of one that it trains. Leave opponents='past' out, or use a trainer with update()."
            )
        defaults = {}
        for policy_id, group in groups.items():
            trainer = self.trainer_of(group.spec)
            defaults[policy_id] = trainer.policy_class
            if group.spec.policy is None and group.spec.opponents is None:
                config = {**secrets.traced(trainer.policy_settings()), **group.spec.config}
                groups[policy_id] = replace(group, spec=replace(group.spec, config=config))
        if self._run is not None:
            load, seed = self._run.facts.load_policy_class, self._run.facts.seed
        else:
            load, seed = Components().policy_class, fresh_seed()
        made = policy_mapping.make_policies(groups, defaults, load, seed)
        if past:
            specs = {policy_id: group.spec for policy_id, group in groups.items()}
            trained = () if self._run is None else self._run.state.policies_to_train
            trained = trained or policy_mapping.select_policies_to_train(specs, None)
            made = add_past_policies(made, groups, trained, seed)
        return mapping, made

    def trainer_of(self, spec: PolicySpec) -> Trainer:
        """Return the trainer that a spec names, or this one; `ConfigError` if the run has no such trainer."""
        if spec.trainer is None:
            return self
        key, facts = trainer_key(spec.trainer), None if self._run is None else self._run.facts
        if facts is not None and key in (facts.trainer_name, facts.trainer_key):
            return self
        if facts is None or key not in facts.other_trainers:
            raise ConfigError(
                f"A policy names the trainer {spec.trainer!r}, but {type(self).__name__}.train() uses no "
                f"other trainers. Use ph.train, or leave trainer={spec.trainer!r} out."
            )
        trainer: Trainer = facts.other_trainers[key]
        return trainer

    def log_metrics(self, env: Any) -> None:
        """Record every metric after a step, except metrics of other stages."""
        record_metrics(env, self.metrics, self.logged_metrics)

    def log_vec_metrics(self, envs: Sequence[Any]) -> None:
        """Record every metric after a step of several envs; the mean over envs with a value is logged."""
        found: defaultdict[str, list[Any]] = defaultdict(list)
        for env in envs:
            record_metrics(env, self.metrics, found)
        for name, values in found.items():
            mean = self._mean_of_metric(name, values, "log_vec_metrics")
            if mean is not None:
                self.logged_metrics[name].append(mean)

    def log_rewards(self, rewards: Mapping[AgentID, float]) -> None:
        """Log the rewards of one env step, by agent id, and count the step. Call it once after each step.

        A NumPy scalar or an array of size 1 is a number, too. Raises `ConfigError` for a reward that is no
        number; then none of them is logged.
        """
        numbers = [(agent_id, _reward(agent_id, reward)) for agent_id, reward in rewards.items()]
        if self._run is not None:
            self._run.state.env_steps += 1
        for agent_id, number in numbers:
            self.logged_rewards[agent_id].append(number)

    def log_vec_rewards(self, rewards: Sequence[Mapping[AgentID, float]]) -> None:
        """Log the rewards of one step in each of several envs; `ConfigError` for one that is no number."""
        for of_one_env in rewards:
            self.log_rewards(of_one_env)

    def log_scalar(self, name: str, value: float) -> None:
        """Log a value of this iteration; several under one name are averaged.

        Raises `ConfigError` outside of a run, or for a value that is no number.
        """
        self._loop.log({name: _number("log_scalar", name, value)})

    def tbx_write_scalar(self, name: str, value: float, step: int) -> None:
        """Send one value to the loggers immediately; `step` is `iteration` and `env_steps` of the event.

        Outside of a run it reaches the logger `tensorboard` alone, if there is a `tensorboard_log_dir`.
        Raises `ConfigError` for a value or step that is no number.
        """
        loop = self._writing()
        if loop is not None:
            loop.write({name: _number("tbx_write_scalar", name, value)}, _step("tbx_write_scalar", step))

    def tbx_write_values(self, step: int) -> None:
        """Reduce the metrics and rewards recorded since the last call to one value each, and log them.

        `iterations` does this after each iteration, so calling it is only needed in a loop of one's own;
        `step` is then the number of the iteration. Within an iteration, the values are written when it ends.
        Outside of a run they reach the logger `tensorboard` alone, if there is a `tensorboard_log_dir`, and
        a metric whose value is no number raises `ConfigError`.
        """
        reduced = reduce_metrics(self.metrics, self.logged_metrics, "train")
        means = {n: self._mean_of_metric(n, value, "tbx_write_values") for n, value in reduced.items()}
        values = {name: mean for name, mean in means.items() if mean is not None}
        every = [reward for rewards in self.logged_rewards.values() for reward in rewards]
        values |= {f"rewards/{i}": float(np.mean(own)) for i, own in self.logged_rewards.items() if own}
        if every:
            values["rewards/group"] = float(np.mean(every))
        self.logged_metrics.clear()
        self.logged_rewards.clear()
        loop = self._writing()
        if loop is not None:
            loop.log(values)
            loop.write_if_idle(_step("tbx_write_values", step))

    def _mean_of_metric(self, name: str, values: Any, where: str) -> float | None:
        """Return the mean; None if there is none, which in a run is a failure of the metric."""
        try:
            mean = float(np.mean(values))
        except (TypeError, ValueError) as error:
            if self._run is None:
                problem = f"the values {values!r}, which have no mean: {error_text(error)}."
                raise ConfigError(f"Metric {name!r} has {problem}") from error
            self._run.dispatcher.contain(f"metrics.{name}", where, error)
            return None
        if self._run is not None:
            self._run.dispatcher.succeeded(f"metrics.{name}", where)
        return mean

    def _writing(self) -> RunLoop | None:
        """Return where values are logged: the run or, outside a run, the logger `tensorboard` alone."""
        if self._run is not None:
            return self._run
        if self.tensorboard_log_dir is None:
            return None
        if self._idle is None:
            self._idle = _IdleRun(self)
            self.has_event_files = True
        return self._idle.loop


class _IdleRun:
    """A run without iterations, for values written by the program itself; it ends with its trainer."""

    def __init__(self, trainer: Trainer) -> None:  # keeps no reference to it
        self.loop = standalone_run(
            type(trainer).__name__, trainer.tensorboard_log_dir, adds_to_earlier=True, takes_plugins=False
        )
        self.end = weakref.finalize(trainer, self.loop.end, "completed")

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Be None in a copy of the trainer, which opens a run of its own when it needs one."""
        return type(None), ()


def _reward(agent_id: AgentID, reward: Any) -> float:
    if type(reward) is float:  # the usual case
        return reward
    try:
        return as_number(reward)
    except (TypeError, ValueError) as error:
        what = "leave agents out that have no reward" if reward is None else "convert it first"
        expected = f"Expected a number: {what}."
        raise ConfigError(f"log_rewards got {reward!r} as the reward of {agent_id!r}. {expected}") from error


def _number(method: str, name: str, value: Any) -> float:
    try:
        return as_number(value)
    except (TypeError, ValueError) as error:
        expected = "Expected a number: convert it first, or leave it out."
        raise ConfigError(f"{method} got {value!r} as {name!r}. {expected}") from error


def _step(method: str, step: Any) -> int:
    try:
        return int(step)  # as tensorboardX does: NumPy's integers, too
    except (TypeError, ValueError, OverflowError) as error:
        expected = "Expected a whole number, such as that of the iteration."
        raise ConfigError(f"{method} got step={step!r}. {expected}") from error
