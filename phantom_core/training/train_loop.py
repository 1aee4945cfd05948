"""The one training loop: collect, update, log; for simple trainers, their own step instead."""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import gymnasium as gym

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError, EnvError, PhantomError, PolicyMappingError, place_of, told
from phantom_core.hooks.plugin_plan import PlannedFactory
from phantom_core.metrics import Metric
from phantom_core.policies.policy import Policy
from phantom_core.policies.policy_mapping import (
    PolicyMapping,
    parse_policy_mapping,
    select_policies_to_train,
)
from phantom_core.rollouts.collect_plan import CollectPlan
from phantom_core.rollouts.make_vector_env import make_vector_env
from phantom_core.seeding import derive_seed
from phantom_core.training.full_training import FullTraining
from phantom_core.training.guarded_metric import GuardedMetric
from phantom_core.training.run_plans import check_training_plan
from phantom_core.training.train_result import TrainingResults
from phantom_core.training.trainer import Trainer
from phantom_core.types import PolicyID

_log = logging.getLogger("phantom_core")


@dataclass(frozen=True, slots=True)
class TrainingSetup:
    """What is trained, in which env."""

    env_class: Callable[..., MultiAgentEnv]
    env_config: Mapping[str, Any]
    policies: PolicyMapping
    policies_to_train: Iterable[PolicyID] | None
    metrics: Mapping[str, Metric]

    def make_env(self) -> MultiAgentEnv:
        """Make an env of one's own.

        Raises:
            EnvError: if the env cannot be made.
        """
        return build_env(self.env_class, self.env_config)


def build_env(env_class: Callable[..., MultiAgentEnv], env_config: Mapping[str, Any]) -> MultiAgentEnv:
    """Make an env with a configuration that it shares with no other.

    Raises:
        EnvError: if the env cannot be made.
        ConfigError: if it is no env.
    """
    name = getattr(env_class, "__name__", repr(env_class))
    try:
        env = env_class(**copy.deepcopy(dict(env_config)))
    except PhantomError:
        raise
    except Exception as error:  # whatever a user's constructor raises
        if isinstance(env_class, type):  # an agent, for instance: that says more than its arguments
            check_is_env(env_class, ("step",))
        raise EnvError(
            f"{name} could not be made: {told(error)}{place_of(error)}. Its env_config: {dict(env_config)}."
        ) from error
    check_is_env(env, _NEEDED)
    return env


_NEEDED: Final = ("reset", "step", "close", "agents", "strategic_agent_ids", "observation_spaces")


def check_is_env(candidate: object, needed: Iterable[str]) -> None:
    """Refuse a class or an object that is no env.

    Raises:
        ConfigError: that names what is missing.
    """
    missing = [name for name in needed if name not in dir(candidate) and not hasattr(candidate, name)]
    if missing:
        kind = candidate if isinstance(candidate, type) else type(candidate)
        name = kind.__name__
        if issubclass(kind, gym.Env):
            raise ConfigError(
                f"{name} is a single-agent Gymnasium env. Wrap it: ph.GymnasiumEnv({name}). Where an env is "
                "given by its name, write a function that returns this, and name the function."
            )
        raise ConfigError(
            f"{name} is no multi-agent env: it has no {missing[0]}. Derive it from ph.PhantomEnv, or wrap "
            "a single-agent env in ph.GymnasiumEnv."
        )


def train_loop(trainer: Trainer, setup: TrainingSetup, num_iterations: int | None) -> TrainingResults:
    """Train: set up env and policies, then iterate.

    Raises:
        ConfigError: if trainer, env and policies do not fit together.
    """
    run = trainer.run
    env = setup.make_env()
    specs = parse_policy_mapping(setup.policies)
    run.policies_to_train = select_policies_to_train(specs, setup.policies_to_train)
    run.policy_specs = specs
    _reset_once(env, run.seed)
    run.policy_by_agent, policies = trainer.setup_policy_specs_and_mapping(env, specs)
    for policy_id in run.policies_to_train:
        if policies[policy_id] is specs[policy_id].policy:  # a warm start leaves what was given as it is
            policies[policy_id] = copy.deepcopy(policies[policy_id])
    run.policies = policies
    trainer.metrics = setup.metrics
    trainers = {policy_id: trainer.trainer_of(specs[policy_id]) for policy_id in run.policies_to_train}
    for policy_id in run.policies_to_train:
        _check_trainable(policy_id, run.policies[policy_id], trainers[policy_id])
        if run.directory is not None:
            _check_is_saved(policy_id, run.policies[policy_id])
    if run.training_plan:
        check_training_plan(run.training_plan, run.policies_to_train)
    if is_full(trainer):
        _collect_and_update(trainers, trainer, setup, env, num_iterations)
    else:
        _step_simply(trainer, env, num_iterations)
    for metric in setup.metrics.values():
        if isinstance(metric, GuardedMetric):
            metric.finish(env)
    return TrainingResults(
        policies=run.policies,
        policy_by_agent=run.policy_by_agent,
        history=run.history,
        iterations=run.iterations,
        env_steps=run.env_steps,
        status=run.status,
        stop_reasons=tuple(run.stop_reasons),
    )


def _step_simply(trainer: Trainer, env: MultiAgentEnv, num_iterations: int | None) -> None:
    """Let a simple trainer make its iterations."""
    run, name = trainer.run, type(trainer).__name__
    if run.workers:
        raise ConfigError(
            f"{name} steps the env itself, so it cannot use workers={run.workers}. Leave workers out, or use "
            "a trainer with update()."
        )
    if run.training_plan:
        raise ConfigError(
            f"{name} steps the env itself, so it cannot follow a training_plan. Use a trainer with update()."
        )
    run.training_state = lambda: {"trainer": trainer.state_dict()}
    for _ in trainer.iterations(num_iterations):
        trainer.training_step(env, run.policy_by_agent, run.policies, run.policies_to_train)


def is_full(trainer: Trainer) -> bool:
    """Tell whether a trainer learns from what the core collects, or steps the env itself.

    Raises:
        ConfigError: if it overrides neither way.
    """
    cls, name = type(trainer), type(trainer).__name__
    if cls.update is not Trainer.update:
        if cls.collect_plan is Trainer.collect_plan:
            raise ConfigError(
                f"{name} overrides update() but not collect_plan(). Return "
                "ph.CollectPlan(episodes=10) from it, for instance."
            )
        return True
    if cls.training_step is Trainer.training_step and cls.train is Trainer.train:
        raise ConfigError(
            f"{name} does not say how to learn. Override collect_plan() and update(), or training_step()."
        )
    return False


def _collect_and_update(
    trainers: Mapping[PolicyID, Trainer],
    trainer: Trainer,
    setup: TrainingSetup,
    env: MultiAgentEnv,
    num_iterations: int | None,
) -> None:
    plan = trainer.collect_plan()
    if not isinstance(plan, CollectPlan):
        raise ConfigError(
            f"{type(trainer).__name__}.collect_plan() returned {plan!r}. Expected how much to collect, such "
            "as ph.CollectPlan(episodes=10)."
        )
    _tell_more_steps(trainer, plan)
    make_env: Callable[[], MultiAgentEnv] = functools.partial(build_env, setup.env_class, setup.env_config)
    run = trainer.run
    if run.plugin_plan is not None:
        make_env = PlannedFactory(run.plugin_plan, make_env)
    envs = make_vector_env(
        make_env, plan.copies, workers=run.workers, vectorization=run.vectorization, first=env
    )
    training = FullTraining(trainer.run, envs, trainers, plan, metrics=setup.metrics)
    try:
        for iteration in trainer.iterations(num_iterations):
            training.iterate(iteration)
    finally:
        training.close()


def _tell_more_steps(trainer: Trainer, plan: CollectPlan) -> None:
    """Say that a run is longer than asked for, if one iteration is: iterations are whole."""
    total_steps, per_iteration = trainer.run.total_steps, plan.steps
    if total_steps is not None and per_iteration is not None and per_iteration > total_steps:
        _log.warning(
            "total_steps=%d is less than one iteration of %s, which collects %d env steps, and iterations "
            "are whole: so many are made. Give a multiple of %d, or let the trainer collect less at a time.",
            total_steps, trainer.run.trainer_name, per_iteration, per_iteration,
        )  # fmt: skip


def _check_trainable(policy_id: PolicyID, policy: Policy, trainer: Trainer) -> None:
    if not isinstance(policy, trainer.policy_class):
        raise PolicyMappingError(
            f"Policy {policy_id!r} is a {type(policy).__name__}, but {type(trainer).__name__} trains only "
            f"{trainer.policy_class.__name__}. Take it out of policies_to_train, or leave its "
            "policy class out."
        )


def _check_is_saved(policy_id: PolicyID, policy: Policy) -> None:
    """Say that what a policy learns will be lost; it may learn nothing, so that is no error."""
    name = type(policy).__name__
    if type(policy).state_dict is Policy.state_dict:
        _log.warning(
            "Policy %r (%s) is trained, but %s has no state_dict() of its own: what it learns is not in the "
            "run directory, and phantom evaluate plays it untrained. Override state_dict() and "
            "load_state_dict().",
            policy_id, name, name,
        )  # fmt: skip


def _reset_once(env: MultiAgentEnv, seed: int) -> None:
    """Reset the env before agents are matched to policies: some build their network in reset."""
    try:
        env.reset(seed=derive_seed(seed, "setup"))
    except PhantomError:
        raise
    except Exception as error:  # whatever a user's env raises
        raise EnvError(
            f"{type(env).__name__} failed in its first reset: {told(error)}{place_of(error)}. Mend the env, "
            "then train."
        ) from error
