"""What a run does with its trainers: set up env and policies, collect, update, and log episodes."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any, Final

import numpy as np

from phantom_core.envs.plain_values import as_number, mean_of
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import (
    CheckpointError,
    ConfigError,
    PhantomError,
    PolicyMappingError,
    error_place,
    error_text,
    listing,
)
from phantom_core.hooks.events import EpisodeEnd
from phantom_core.metrics import Metric, not_recorded
from phantom_core.policies.past_policies import PastPolicies
from phantom_core.policies.policy import BasePolicy
from phantom_core.rollouts.batch import EpisodeSummary, Transitions
from phantom_core.rollouts.collect import Collector
from phantom_core.rollouts.make_vector_env import make_vector_env
from phantom_core.rollouts.vector_env import VectorEnv
from phantom_core.seeding import derive_seed, generator_states, make_rng, restore_generators
from phantom_core.training.cadence import Cadence
from phantom_core.training.checkpoint import decode_id, is_lossless
from phantom_core.training.env_factory import EnvFactory, PlannedFactory
from phantom_core.training.learner import Learner
from phantom_core.training.logged_values import GuardedMetric
from phantom_core.training.run_loop import RunLoop, close_env
from phantom_core.training.run_plans import scheduled_policies
from phantom_core.training.run_state import RunState
from phantom_core.types import AgentID, PolicyID

_log = logging.getLogger("phantom_core")

MOST_AGENTS: Final = 100
"""Where more agents act, their rewards are logged together only."""


def train_simple(trainer: Learner, loop: RunLoop, env: MultiAgentEnv, num_iterations: int | None) -> None:
    """Run the iterations of a simple trainer."""
    name, state = type(trainer).__name__, loop.state
    if loop.facts.workers and not trainer.uses_workers:
        raise ConfigError(
            f"{name} steps the env itself, so it cannot use workers={loop.facts.workers}. Leave workers out, "
            "use a trainer with update(), or set uses_workers = True in its class and play in "
            "self.run.make_vector_env(copies)."
        )
    if loop.facts.training_plan:
        problem = "steps the env itself, so it cannot follow a training_plan"
        raise ConfigError(f"{name} {problem}. Use a trainer with update().")
    for policy_id in state.policies_to_train:
        rng = make_rng(loop.facts.seed, "setup", policy_id)
        trainer.setup(policy_id, state.policies[policy_id], rng)
    state.training_state = lambda: {
        "trainer": trainer.state_dict(),
        "generators": generator_states(trainer),
        "env": [generator_states(one) for one in _seeded(env)],
    }
    if loop.resumed is not None:
        with _restoring(state):
            _resume_simple(trainer, loop, env, loop.resumed)
    for _ in trainer.iterations(num_iterations):
        trainer.training_step(env, state.policy_by_agent, state.policies, state.policies_to_train)


@contextmanager
def _restoring(state: RunState) -> Iterator[None]:
    """Raise `CheckpointError` if the state of a checkpoint does not fit, whatever a trainer says of it."""
    try:
        yield
    except PhantomError:
        raise
    except Exception as error:  # of a trainer, a policy, or NumPy
        raise CheckpointError(
            f"The run cannot go on from {state.newest_checkpoint}: {error_text(error)}{error_place(error)}. "
            "Take an earlier checkpoint, or mend load_state_dict() of its trainer or policies."
        ) from error


def _resume_simple(trainer: Learner, loop: RunLoop, env: MultiAgentEnv, saved: Mapping[str, Any]) -> None:
    """Stand where a run stood whose iterations begin with new episodes."""
    name, training = type(trainer).__name__, saved["training"]
    if type(trainer).state_dict is Learner.state_dict:
        raise ConfigError(
            f"{name} steps the env itself and has no state_dict(), so nobody knows what it learned beside "
            "its policies. Override state_dict() and load_state_dict(), if only to return {}, or begin "
            "another run with these policies: ph.load_policies(run)."
        )
    load_policy_states(loop.state, saved)
    trainer.load_state_dict(training["trainer"])
    restore_generators(trainer, training["generators"])
    for one, generators in zip(_seeded(env), training["env"], strict=True):
        restore_generators(one, generators)


def _seeded(env: MultiAgentEnv) -> list[object]:
    """Return the objects whose generators seed the next episodes of an env that is reset without a seed."""
    inner = getattr(env, "gym_env", None)
    return [env] if inner is None else [env, inner.unwrapped]


def train_full(
    trainer: Learner,
    trainers: Mapping[PolicyID, Learner],
    loop: RunLoop,
    make_env: EnvFactory,
    env: MultiAgentEnv,
    num_iterations: int | None,
) -> None:
    """Run the iterations of full trainers, whose main one is `trainer`."""
    facts = loop.facts
    cadences = Cadence.of_run(trainer, trainers, loop, env)
    plan = cadences[0].plan
    loop.state.copies = plan.copies or 1
    total_steps = facts.total_steps
    if total_steps is not None and plan.steps is not None and plan.steps > total_steps:
        _log.warning(
            "total_steps=%d is less than one collection of %s, which makes %d env steps, and a run "
            "ends after a whole one: so many are made. Give a multiple of %d, or let it collect less.",
            total_steps, facts.trainer_name, plan.steps, plan.steps,
        )  # fmt: skip
    envs = make_vector_env(
        make_env if facts.plugin_plan is None else PlannedFactory(facts.plugin_plan, make_env),
        loop.state.copies,
        workers=facts.workers,
        vectorization_mode=facts.vectorization_mode,
        first=env,
    )
    training = FullTraining(loop, envs, cadences, metrics=trainer.metrics)
    try:
        if loop.resumed is not None:
            with _restoring(loop.state):
                training.resume(loop.resumed)
        for iteration in trainer.iterations(num_iterations):
            training.iterate(iteration)
    finally:
        close_env(training.collector)


def load_policy_states(state: RunState, saved: Mapping[str, Any]) -> None:
    """Put the policies of a run where they stood when a checkpoint that holds `saved` was written.

    Raises:
        CheckpointError: if a policy is not in it, or does not take its state.
    """
    for policy_id, policy in state.policies.items():
        if policy_id not in saved["policies"]:
            raise CheckpointError(
                f"The checkpoint has no policy {policy_id!r}, only {listing(saved['policies'])}. Resume the "
                "run with the policies that it had."
            )
        try:
            policy.load_state_dict(saved["policies"][policy_id]["state"])
            restore_generators(policy, saved["generators"].get(policy_id, {}))
        except Exception as error:  # a plugin's policy may raise anything
            raise CheckpointError(
                f"Policy {policy_id!r} ({type(policy).__name__}) does not take the state in the checkpoint: "
                f"{error_text(error)}. Resume the run with the settings that it had."
            ) from error


def check_trains(policy_id: PolicyID, policy: BasePolicy, trainer: Learner, *, is_saved: bool) -> None:
    """Raise if a trainer does not train such a policy; warn if what it learns would not be saved."""
    trainable = trainer.trainable_class or trainer.policy_class
    if not isinstance(policy, trainable):
        raise PolicyMappingError(
            f"Policy {policy_id!r} is a {type(policy).__name__}, but {type(trainer).__name__} trains only "
            f"{trainable.__name__}. Take it out of policies_to_train, or leave its "
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
    """Collects experience with all policies, and lets each trainer update its own when its plan is fulfilled.

    An iteration is that of the main trainer: `rounds` of its collections, each with an update.
    """

    def __init__(
        self,
        loop: RunLoop,
        envs: VectorEnv | Sequence[MultiAgentEnv],
        cadences: Sequence[Cadence],
        *,
        metrics: Mapping[str, Metric],
    ) -> None:
        """Set up the trainers, the main one first, and the collector, which plays in these envs."""
        self._loop, self._cadences, self._metrics = loop, cadences, metrics
        self._episodes: list[EpisodeSummary] = []
        self._update_seconds = 0.0
        self._has_warned = False
        self._playing: Sequence[Cadence] = ()  # those who wait for something
        state, seed = loop.state, loop.facts.seed
        trained = {i: cadence.trainer for cadence in cadences for i in cadence.policy_ids}
        self._past = {
            policy_id: policy
            for policy_id, policy in state.policies.items()
            if isinstance(policy, PastPolicies) and state.policy_specs[policy_id].opponents is not None
        }
        self._rngs = {policy_id: make_rng(seed, "update", policy_id) for policy_id in trained}
        for policy_id, trainer in trained.items():
            trainer.setup(policy_id, state.policies[policy_id], make_rng(seed, "setup", policy_id))
        copies = range(state.copies) if cadences[0].plan.is_independent else None
        self.collector = Collector(
            envs,
            state.policies,
            state.policy_by_agent,
            specs=state.policy_specs,
            seed=derive_seed(seed, "training"),
            seeds=None if copies is None else [derive_seed(seed + number, "training") for number in copies],
            learning=tuple(trained),
            metrics=metrics,
            on_episode=self._take_episode,
            needs={need for cadence in cadences for need in cadence.plan.needs},
            learn_steps={
                policy_id: self._online(trainer, policy_id)
                for policy_id, trainer in trained.items()
                if trainer.learns_online
            },
        )
        state.policy_by_agent = self.collector.policy_by_agent
        state.training_state = self.state_dict

    def iterate(self, iteration: int) -> None:
        """Run one iteration: collect, log finished episodes, update the policies scheduled to learn."""
        loop, state, collector, main = self._loop, self._loop.state, self.collector, self._cadences[0]
        started, self._update_seconds = perf_counter(), 0.0
        env_before, policy_before = collector.env_seconds, collector.policy_seconds
        learn_before = collector.learn_seconds
        for policy_id, past in self._past.items():
            past.take_snapshot(iteration, state.policies[past.config.of])
            loop.log({f"{policy_id}/snapshots": len(past.snapshots)})
        self._choose_learners(iteration)
        rounds = main.next_plan().rounds
        for number in range(rounds):
            if number:
                loop.begin_round(number / rounds)
            main.begin(collector, state, is_main=True)
            self._play_until(main, is_last=number == rounds - 1)
            if loop.is_over:
                break
        self._log_episodes()
        whole = max(perf_counter() - started, 1e-9)  # a clock may stand still
        loop.log({"time/env_share": (collector.env_seconds - env_before) / whole})
        loop.log({"time/inference_share": (collector.policy_seconds - policy_before) / whole})
        learning = self._update_seconds + collector.learn_seconds - learn_before
        loop.log({"time/update_share": learning / whole})

    def state_dict(self) -> dict[str, Any]:
        """Return the state that the next iterations depend on, without the policies."""
        return {
            "collector": self._collector_state(),
            "trainers": {cadence.name: cadence.trainer.state_dict() for cadence in self._cadences},
            "generators": {cadence.name: generator_states(cadence.trainer) for cadence in self._cadences},
            "cadences": {cadence.name: cadence.state_dict() for cadence in self._cadences[1:]},
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
        for cadence in self._cadences:
            cadence.trainer.load_state_dict(state["trainers"][cadence.name])
            restore_generators(cadence.trainer, state["generators"][cadence.name])
            cadence.ask_anew()
        self.collector.load_state_dict(state["collector"])
        if not state["collector"]["has_episodes"]:
            self._loop.notes.append("its episodes begin anew")
            return
        for cadence in self._cadences[1:]:
            cadence.load_state_dict(state["cadences"][cadence.name], self.collector, self._loop.state)

    def resume(self, saved: Mapping[str, Any]) -> None:
        """Stand where a run stood when it wrote a checkpoint that holds `saved`."""
        load_policy_states(self._loop.state, saved)
        for encoded, policy_id in saved["policy_by_agent"]:  # agents that joined in earlier episodes too
            if is_lossless(encoded):
                self.collector.policy_by_agent.setdefault(decode_id(encoded), policy_id)
        self.load_state_dict(saved["training"])

    def _collector_state(self) -> dict[str, Any]:
        """Return where the collector stands, without the episodes if they cannot be played again."""
        try:
            return self.collector.state_dict()
        except CheckpointError as error:
            writer = self._loop.checkpointer
            if not self._has_warned and writer is not None and writer.is_planned:
                self._has_warned = True
                _log.warning(
                    "Checkpoints have policies and trainers from now on, but no episodes: those begin anew "
                    "when a run goes on. %s",
                    error,
                )
            return self.collector.state_dict(with_episodes=False)

    def _choose_learners(self, iteration: int) -> None:
        """Let the policies learn whose turn it is; trainers that wait begin anew if theirs are others."""
        phases, state, collector = self._loop.facts.training_plan, self._loop.state, self.collector
        if phases:
            collector.set_learning(scheduled_policies(phases, iteration))
        for cadence in self._cadences:
            learning = tuple(i for i in cadence.policy_ids if i in collector.learning)
            if learning != cadence.learning:
                cadence.learning, cadence.collection = learning, None
        for cadence in self._cadences[1:]:
            if cadence.learning and cadence.collection is None:
                cadence.begin(collector, state, is_main=False)
        self._playing = [self._cadences[0], *(one for one in self._cadences[1:] if one.learning)]

    def _play_until(self, main: Cadence, *, is_last: bool) -> None:
        """Play until the main trainer's plan is fulfilled; let others update whenever theirs is."""
        collector, state = self.collector, self._loop.state
        is_fulfilled = False
        while not is_fulfilled:
            collector.play([cadence.waiting for cadence in self._playing])
            state.env_steps = collector.env_steps
            fulfilled = [cadence for cadence in self._playing if cadence.waiting.is_fulfilled]
            is_fulfilled = main in fulfilled
            if is_fulfilled and (is_last or self._loop.is_over):
                self._log_episodes()
            for cadence in fulfilled:
                self._update(cadence, by_episode=cadence is not main)
                if cadence is not main:
                    cadence.begin(collector, state, is_main=False)

    def _update(self, cadence: Cadence, *, by_episode: bool) -> None:
        """Hand a trainer what its agents went through, and log what it returns."""
        loop, policies, trainer = self._loop, self._loop.state.policies, cadence.trainer
        batches = self.collector.take(cadence.waiting, by_episode=by_episode)
        started = perf_counter()
        for policy_id in cadence.learning:
            quantities = trainer.update(
                policy_id, policies[policy_id], batches[policy_id], self._rngs[policy_id]
            )
            for name, value in _numbers(trainer, quantities):
                if not math.isfinite(value):
                    loop.state.diverge(f"{policy_id}/{name} is {value}")
                loop.log({f"{policy_id}/{name}": value}, keep_last=name in trainer.keep_last)
        self._update_seconds += perf_counter() - started

    def _online(self, trainer: Learner, policy_id: PolicyID) -> Callable[[Transitions], None]:
        """Return what is called after each env step, with as little as possible to look up."""
        learn_step, policy, rng = (
            trainer.learn_step,
            self._loop.state.policies[policy_id],
            self._rngs[policy_id],
        )

        return lambda rows: learn_step(policy_id, policy, rows, rng)

    def _log_episodes(self) -> None:
        log_episodes(self._loop, self._loop.state.iteration, self._episodes)
        self._episodes.clear()

    def _take_episode(self, episode: EpisodeSummary) -> None:
        """Keep an episode."""
        if self._loop.facts.workers:
            episode = received(episode, self._metrics)
        self._episodes.append(episode)


def received(episode: EpisodeSummary, metrics: Mapping[str, Metric]) -> EpisodeSummary:
    """Return an episode of a worker process without the metrics that failed there, which is recorded."""
    found = {
        name: metric.received(episode.metrics[name])
        for name, metric in metrics.items()
        if name in episode.metrics and isinstance(metric, GuardedMetric)
    }
    values = {**episode.metrics, **found}
    recorded = {name: value for name, value in values.items() if value is not not_recorded}
    return replace(episode, metrics=recorded)


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
    if len(per_step) <= MOST_AGENTS:
        loop.log({f"rewards/{agent_id}": reward for agent_id, reward in per_step.items()})
    if per_step:
        loop.log({"rewards/group": float(np.mean(list(per_step.values())))})
    for policy_id in loop.state.policies_to_train:
        if returns[policy_id]:
            loop.log({f"{policy_id}/episode_return": float(np.mean(returns[policy_id]))})
    loop.log({"episode_length": sum(episode.length for episode in episodes) / len(episodes)})
    loop.log({name: mean_of(values) for name, values in metrics.items()})
