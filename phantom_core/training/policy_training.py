"""The implementation of `Trainer.train`: set up the env and the policies, then iterate."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Mapping

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError, PolicyMappingError
from phantom_core.metrics import Metric
from phantom_core.policies.policy import Policy
from phantom_core.policies.policy_mapping import (
    PolicyMapping,
    parse_policy_mapping,
    select_policies_to_train,
)
from phantom_core.rollouts.collect_plan import CollectPlan
from phantom_core.rollouts.make_vector_env import make_vector_env
from phantom_core.training.env_factory import EnvFactory, reset_once
from phantom_core.training.full_training import FullTraining
from phantom_core.training.guarded_metric import GuardedMetric
from phantom_core.training.learner import Learner
from phantom_core.training.logged_values import check_logged_names
from phantom_core.training.plugin_plan import PlannedFactory
from phantom_core.training.run_loop import RunLoop
from phantom_core.training.run_plans import check_length, check_training_plan
from phantom_core.training.run_state import TrainingResults
from phantom_core.types import PolicyID

_log = logging.getLogger("phantom_core")


def train_policies(
    trainer: Learner,
    loop: RunLoop,
    make_env: EnvFactory,
    policies: PolicyMapping,
    policies_to_train: Iterable[PolicyID] | None,
    metrics: Mapping[str, Metric],
    num_iterations: int | None,
) -> TrainingResults:
    """Set up the env and the policies, then iterate.

    Args:
        trainer: the trainer of the run.
        loop: the run.
        make_env: makes the env.
        policies: which agents use which policy.
        policies_to_train: ids of the policies to train. None for those whose spec gives no policy.
        metrics: metric by name; each a `GuardedMetric`.
        num_iterations: the maximum number of iterations. None for that of the run.

    Raises:
        ConfigError: if trainer, env and policies do not fit together.
    """
    state = loop.state
    check_length("num_iterations", num_iterations)
    env = make_env()
    specs = parse_policy_mapping(policies)
    state.policies_to_train = select_policies_to_train(specs, policies_to_train)
    state.policy_specs = specs
    reset_once(env, loop.seed)
    state.policy_by_agent, made = trainer.setup_policy_specs_and_mapping(env, specs)
    for policy_id in state.policies_to_train:
        if made[policy_id] is specs[policy_id].policy:  # a warm start does not change the policy object given
            made[policy_id] = copy.deepcopy(made[policy_id])
    state.policies = made
    trainer.metrics = metrics
    check_logged_names(
        metrics=metrics,
        policy_ids=state.policies_to_train,
        agent_ids=list(env.agents),
        plugins=loop.dispatcher.order("extra_values"),
    )
    trainers = {policy_id: trainer.trainer_of(specs[policy_id]) for policy_id in state.policies_to_train}
    for policy_id, learner in trainers.items():
        _check_trainable(policy_id, made[policy_id], learner)
        if loop.facts.directory is not None:
            _warn_if_not_saved(policy_id, made[policy_id])
    if loop.facts.training_plan:
        check_training_plan(loop.facts.training_plan, state.policies_to_train)
    if trainer.is_full:
        _train_full(trainer, trainers, loop, make_env, env, num_iterations)
    else:
        _train_simple(trainer, loop, env, num_iterations)
    for metric in metrics.values():
        if isinstance(metric, GuardedMetric):
            metric.finish(env)
    return TrainingResults(
        policies=state.policies,
        policy_by_agent=state.policy_by_agent,
        history=state.history,
        iterations=state.iterations,
        env_steps=state.env_steps,
        status=state.status,
        stop_reasons=tuple(state.stop_reasons),
    )


def _train_simple(trainer: Learner, loop: RunLoop, env: MultiAgentEnv, num_iterations: int | None) -> None:
    """Run the iterations of a simple trainer."""
    name, state = type(trainer).__name__, loop.state
    if loop.facts.workers:
        raise ConfigError(
            f"{name} steps the env itself, so it cannot use workers={loop.facts.workers}. Leave workers out, "
            "or use a trainer with update()."
        )
    if loop.facts.training_plan:
        raise ConfigError(
            f"{name} steps the env itself, so it cannot follow a training_plan. Use a trainer with update()."
        )
    state.training = _SimpleTraining(trainer)
    for _ in trainer.iterations(num_iterations):
        trainer.training_step(env, state.policy_by_agent, state.policies, state.policies_to_train)


class _SimpleTraining:
    """The state of a simple trainer, for checkpoints."""

    def __init__(self, trainer: Learner) -> None:
        self._trainer = trainer

    def state_dict(self) -> dict[str, object]:
        return {"trainer": self._trainer.state_dict()}


def _train_full(
    trainer: Learner,
    trainers: Mapping[PolicyID, Learner],
    loop: RunLoop,
    make_env: EnvFactory,
    env: MultiAgentEnv,
    num_iterations: int | None,
) -> None:
    """Run the iterations of full trainers."""
    facts, plan = loop.facts, trainer.collect_plan()
    if not isinstance(plan, CollectPlan):
        raise ConfigError(
            f"{type(trainer).__name__}.collect_plan() returned {plan!r}. Expected how much to collect, such "
            "as ph.CollectPlan(episodes=10)."
        )
    _warn_of_more_steps(loop, plan)
    envs = make_vector_env(
        make_env if facts.plugin_plan is None else PlannedFactory(facts.plugin_plan, make_env),
        plan.copies,
        workers=facts.workers,
        vectorization_mode=facts.vectorization_mode,
        first=env,
    )
    training = FullTraining(loop, envs, trainers, plan, metrics=trainer.metrics)
    try:
        for iteration in trainer.iterations(num_iterations):
            training.iterate(iteration)
    finally:
        training.close()


def _warn_of_more_steps(loop: RunLoop, plan: CollectPlan) -> None:
    """Warn if one iteration collects more steps than `total_steps`: iterations are never cut short."""
    total_steps, per_iteration = loop.facts.total_steps, plan.steps
    if total_steps is not None and per_iteration is not None and per_iteration > total_steps:
        _log.warning(
            "total_steps=%d is less than one iteration of %s, which collects %d env steps, and iterations "
            "are whole: so many are made. Give a multiple of %d, or let the trainer collect less at a time.",
            total_steps, loop.facts.trainer_name, per_iteration, per_iteration,
        )  # fmt: skip


def _check_trainable(policy_id: PolicyID, policy: Policy, trainer: Learner) -> None:
    if not isinstance(policy, trainer.policy_class):
        raise PolicyMappingError(
            f"Policy {policy_id!r} is a {type(policy).__name__}, but {type(trainer).__name__} trains only "
            f"{trainer.policy_class.__name__}. Take it out of policies_to_train, or leave its "
            "policy class out."
        )


def _warn_if_not_saved(policy_id: PolicyID, policy: Policy) -> None:
    """Warn if a trained policy saves no state. It may have none, so this is not an error."""
    name = type(policy).__name__
    if type(policy).state_dict is Policy.state_dict:
        _log.warning(
            "Policy %r (%s) is trained, but %s has no state_dict() of its own: what it learns is not in the "
            "run directory, and phantom evaluate plays it untrained. Override state_dict() and "
            "load_state_dict().",
            policy_id, name, name,
        )  # fmt: skip
