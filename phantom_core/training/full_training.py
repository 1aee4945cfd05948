"""What a run does with its trainers: set up env and policies, collect, update, and log episodes."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, ClassVar

import numpy as np

from phantom_core.envs.plain_values import as_number, mean_of
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import CheckpointError, ConfigError, PolicyMappingError
from phantom_core.hooks.events import EpisodeEnd
from phantom_core.metrics import Metric, not_recorded
from phantom_core.policies.policy import BasePolicy
from phantom_core.rollouts.batch import Batch, EpisodeSummary
from phantom_core.rollouts.collect import Collector
from phantom_core.rollouts.collect_plan import CollectPlan
from phantom_core.rollouts.make_vector_env import make_vector_env
from phantom_core.rollouts.vector_env import VectorEnv
from phantom_core.seeding import derive_seed, make_rng
from phantom_core.training.env_factory import EnvFactory, PlannedFactory
from phantom_core.training.logged_values import GuardedMetric
from phantom_core.training.run_loop import RunLoop
from phantom_core.training.run_plans import scheduled_policies
from phantom_core.types import AgentID, PolicyID

_log = logging.getLogger("phantom_core")


class Learner:
    """What a trainer overrides: the run calls it in each iteration. Users derive from `Trainer`."""

    policy_class: ClassVar[type[BasePolicy]]
    metrics: Mapping[str, Metric]

    def iterations(self, num_iterations: int | None = None) -> Iterator[int]:
        """Yield the number of each iteration until the run ends."""
        raise NotImplementedError

    def collect_plan(self) -> CollectPlan:
        """Return how much experience the core collects in each iteration. A full trainer overrides it."""
        raise NotImplementedError

    def begin_iteration(self, policy_id: PolicyID, policy: Any) -> None:
        """Called for each policy before the collection of an iteration, such as to set its exploration."""

    def update(
        self, policy_id: PolicyID, policy: Any, batch: Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Update one policy from the experience of its agents in this iteration. A full trainer overrides it.

        Args:
            policy_id: the id of the policy.
            policy: the policy, to be updated in place.
            batch: the trajectories of its agents.
            rng: the random generator of this policy.

        Returns:
            Scalars to log as `<policy_id>/<name>`, such as the loss.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return the state kept between iterations, without the policies.

        Optimisers and running statistics belong here, as NumPy arrays and JSON values, nested in dicts
        and lists. Schedules that follow `progress` need no state. The default is an empty dict.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state returned by `state_dict`, between two iterations or before the first."""

    def training_step(
        self,
        env: Any,
        policy_mapping: Mapping[AgentID, PolicyID],
        policies: Mapping[PolicyID, BasePolicy],
        policies_to_train: Sequence[PolicyID],
    ) -> None:
        """Run one iteration of a simple trainer: step the env, log rewards, update the policies in place.

        Args:
            env: the env, which was reset once.
            policy_mapping: policy id by id of each strategic agent.
            policies: policy by id.
            policies_to_train: ids of the policies to update.
        """
        raise NotImplementedError


def train_simple(trainer: Learner, loop: RunLoop, env: MultiAgentEnv, num_iterations: int | None) -> None:
    """Run the iterations of a simple trainer."""
    name, state = type(trainer).__name__, loop.state
    if loop.facts.workers:
        raise ConfigError(
            f"{name} steps the env itself, so it cannot use workers={loop.facts.workers}. Leave workers out, "
            "or use a trainer with update()."
        )
    if loop.facts.training_plan:
        problem = "steps the env itself, so it cannot follow a training_plan"
        raise ConfigError(f"{name} {problem}. Use a trainer with update().")
    state.training_state = lambda: {"trainer": trainer.state_dict()}
    for _ in trainer.iterations(num_iterations):
        trainer.training_step(env, state.policy_by_agent, state.policies, state.policies_to_train)


def train_full(
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
        expected = "Expected how much to collect, such as ph.CollectPlan(episodes=10)."
        raise ConfigError(f"{type(trainer).__name__}.collect_plan() returned {plan!r}. {expected}")
    total_steps = facts.total_steps
    if total_steps is not None and plan.steps is not None and plan.steps > total_steps:
        _log.warning(
            "total_steps=%d is less than one iteration of %s, which collects %d env steps, and iterations "
            "are whole: so many are made. Give a multiple of %d, or let the trainer collect less at a time.",
            total_steps, facts.trainer_name, plan.steps, plan.steps,
        )  # fmt: skip
    envs = make_vector_env(
        make_env if facts.plugin_plan is None else PlannedFactory(facts.plugin_plan, make_env),
        plan.copies or 1,
        workers=facts.workers,
        vectorization_mode=facts.vectorization_mode,
        first=env,
    )
    training = FullTraining(loop, envs, trainers, plan, metrics=trainer.metrics)
    try:
        for iteration in trainer.iterations(num_iterations):
            training.iterate(iteration)
    finally:
        training.collector.close()


def check_trains(policy_id: PolicyID, policy: BasePolicy, trainer: Learner, *, is_saved: bool) -> None:
    """Raise if a trainer does not train such a policy; warn if what it learns would not be saved."""
    if not isinstance(policy, trainer.policy_class):
        raise PolicyMappingError(
            f"Policy {policy_id!r} is a {type(policy).__name__}, but {type(trainer).__name__} trains only "
            f"{trainer.policy_class.__name__}. Take it out of policies_to_train, or leave its "
            "policy class out."
        )
    name = type(policy).__name__
    if is_saved and type(policy).state_dict is BasePolicy.state_dict:  # it may have none, so this is no error
        _log.warning(
            "Policy %r (%s) is trained, but %s has no state_dict() of its own: what it learns is not in the "
            "run directory, and phantom evaluate plays it untrained. Override state_dict() and "
            "load_state_dict().",
            policy_id, name, name,
        )  # fmt: skip


class FullTraining:
    """Collects experience with all policies and updates each policy with its trainer."""

    def __init__(
        self,
        loop: RunLoop,
        envs: VectorEnv | Sequence[MultiAgentEnv],
        trainers: Mapping[PolicyID, Learner],
        collect_plan: CollectPlan,
        *,
        metrics: Mapping[str, Metric],
    ) -> None:
        """Set up the collector of a run, which plays its policies in these envs."""
        self._loop, self._trainers = loop, trainers
        self._plan, self._metrics = collect_plan, metrics
        self._episodes: list[EpisodeSummary] = []
        self._rngs = {policy_id: make_rng(loop.facts.seed, "update", policy_id) for policy_id in trainers}
        state = loop.state
        self.collector = Collector(
            envs,
            state.policies,
            state.policy_by_agent,
            specs=state.policy_specs,
            seed=derive_seed(loop.facts.seed, "training"),
            learning=tuple(trainers),
            metrics=metrics,
            on_episode=self._take_episode,
        )
        state.policy_by_agent = self.collector.policy_by_agent
        state.training_state = self.state_dict

    def iterate(self, iteration: int) -> None:
        """Run one iteration: collect, log finished episodes, update the policies scheduled to learn."""
        loop, state, collector = self._loop, self._loop.state, self.collector
        started = perf_counter()
        env_before, policy_before = collector.env_seconds, collector.policy_seconds
        if loop.facts.training_plan:
            collector.set_learning(scheduled_policies(loop.facts.training_plan, iteration))
        for policy_id in collector.learning:
            self._trainers[policy_id].begin_iteration(policy_id, state.policies[policy_id])
        batches = collector.collect(self._plan)
        state.env_steps = collector.env_steps
        log_episodes(loop, iteration, self._episodes)
        self._episodes.clear()
        updating = perf_counter()
        for policy_id in collector.learning:
            learner, policy, rng = self._trainers[policy_id], state.policies[policy_id], self._rngs[policy_id]
            quantities = learner.update(policy_id, policy, batches[policy_id], rng)
            loop.log({f"{policy_id}/{name}": value for name, value in _numbers(learner, quantities)})
        ended = perf_counter()
        whole = ended - started
        loop.log({"time/env_share": (collector.env_seconds - env_before) / whole})
        loop.log({"time/inference_share": (collector.policy_seconds - policy_before) / whole})
        loop.log({"time/update_share": (ended - updating) / whole})

    def state_dict(self) -> dict[str, Any]:
        """Return the state that the next iterations depend on, without the policies."""
        trainers = self._distinct_trainers().items()
        return {
            "collector": self.collector.state_dict(),
            "trainers": {policy_id: trainer.state_dict() for policy_id, trainer in trainers},
            "update_streams": {policy_id: rng.bit_generator.state for policy_id, rng in self._rngs.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state, without the policies; raise `CheckpointError` if it is of other policies."""
        if state["update_streams"].keys() != self._rngs.keys():
            raise CheckpointError(
                f"The saved training is of the policies {list(state['update_streams'])}, but this one is of "
                f"{list(self._rngs)}. Train the same policies."
            )
        for policy_id, position in state["update_streams"].items():
            self._rngs[policy_id].bit_generator.state = position
        for policy_id, trainer in self._distinct_trainers().items():
            trainer.load_state_dict(state["trainers"][policy_id])
        self.collector.load_state_dict(state["collector"])

    def _take_episode(self, episode: EpisodeSummary) -> None:
        """Keep an episode; record metrics that failed in a worker process."""
        if self._loop.facts.workers:
            received = {
                name: metric.received(episode.metrics[name])
                for name, metric in self._metrics.items()
                if name in episode.metrics and isinstance(metric, GuardedMetric)
            }
            metrics = {**episode.metrics, **received}
            recorded = {name: value for name, value in metrics.items() if value is not not_recorded}
            episode = replace(episode, metrics=recorded)
        self._episodes.append(episode)

    def _distinct_trainers(self) -> dict[PolicyID, Learner]:
        """Return each distinct trainer, keyed by the first policy that it trains."""
        found: dict[PolicyID, Learner] = {}
        for policy_id, trainer in self._trainers.items():
            if not any(trainer is other for other in found.values()):
                found[policy_id] = trainer
        return found


def _numbers(trainer: Learner, quantities: object) -> Iterator[tuple[str, float]]:
    """Yield the quantities that `update` returned; raise `ConfigError` if they are no dict of numbers."""
    if not isinstance(quantities, Mapping):
        raise ConfigError(
            f"{type(trainer).__name__}.update() returned {quantities!r}. Expected a dict of numbers to log, "
            "such as {'loss': 0.5}, or {} for nothing."
        )
    for name, value in quantities.items():
        try:
            yield name, as_number(value)
        except (TypeError, ValueError):
            raise ConfigError(
                f"{type(trainer).__name__}.update() returned {value!r} ({type(value).__name__}) as {name!r}. "
                "Expected a number, so that it can be logged."
            ) from None


def log_episodes(loop: RunLoop, iteration: int, episodes: Sequence[EpisodeSummary]) -> None:
    """Log the episodes that ended in this iteration: rewards per step, returns, lengths, metrics.

    The values of an agent cover only the episodes that it took part in.
    """
    ended = loop.dispatcher.channel("on_episode_end")
    for episode in episodes:
        if ended.subscribers:
            ended.fire(
                EpisodeEnd(
                    iteration=iteration,
                    env_index=episode.env_index,
                    episode=episode.episode,
                    seed=episode.seed,
                    length=episode.length,
                    episode_returns=episode.episode_returns,
                    terminated=episode.terminated,
                    truncated=not episode.terminated,
                    metrics=episode.metrics,
                )
            )
    if not episodes:
        return
    earned: defaultdict[AgentID, float] = defaultdict(float)
    lived: defaultdict[AgentID, int] = defaultdict(int)
    returns: defaultdict[PolicyID, list[float]] = defaultdict(list)
    metrics: defaultdict[str, list[Any]] = defaultdict(list)
    for episode in episodes:
        for agent_id, episode_return in episode.episode_returns.items():
            earned[agent_id] += episode_return
            lived[agent_id] += episode.length
            returns[loop.state.policy_by_agent.get(agent_id, "")].append(episode_return)
        for name, value in episode.metrics.items():
            metrics[name].append(value)
    per_step = {agent_id: earned[agent_id] / lived[agent_id] for agent_id in earned}
    loop.log({f"rewards/{agent_id}": reward for agent_id, reward in per_step.items()})
    if per_step:
        loop.log({"rewards/group": float(np.mean(list(per_step.values())))})
    for policy_id in loop.state.policies_to_train:
        if returns[policy_id]:
            loop.log({f"{policy_id}/episode_return": float(np.mean(returns[policy_id]))})
    loop.log({"episode_length": sum(episode.length for episode in episodes) / len(episodes)})
    loop.log({name: mean_of(values) for name, values in metrics.items()})
