"""`FullTraining`: the collect-and-update loop of full trainers, and its state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import CheckpointError, ConfigError
from phantom_core.hooks.events import EpisodeEnd
from phantom_core.metrics import Metric, not_recorded
from phantom_core.metrics.logged_numbers import as_number, mean_of
from phantom_core.rollouts.collect import Collector
from phantom_core.rollouts.collect_plan import CollectPlan
from phantom_core.rollouts.trajectory import EpisodeSummary
from phantom_core.rollouts.vector_env import VectorEnv
from phantom_core.seeding import derive_seed, make_rng
from phantom_core.training.guarded_metric import GuardedMetric
from phantom_core.training.learner import Learner
from phantom_core.training.run_loop import RunLoop
from phantom_core.training.run_plans import scheduled_policies
from phantom_core.types import PolicyID


class FullTraining:
    """Collects experience with all policies and updates each policy with its trainer.

    Attributes:
        collector: plays the policies.
    """

    def __init__(
        self,
        loop: RunLoop,
        envs: VectorEnv | Sequence[MultiAgentEnv],
        trainers: Mapping[PolicyID, Learner],
        collect_plan: CollectPlan,
        *,
        metrics: Mapping[str, Metric],
    ) -> None:
        """Set up the collector.

        Args:
            loop: the run whose policies are trained.
            envs: copies of the env.
            trainers: trainer by policy id.
            collect_plan: how much to collect in each iteration.
            metrics: metric by name.
        """
        self._loop = loop
        self._trainers = trainers
        self._plan = collect_plan
        self._metrics = metrics
        self._episodes: list[EpisodeSummary] = []
        self._rngs = {policy_id: make_rng(loop.seed, "update", policy_id) for policy_id in trainers}
        state = loop.state
        self.collector = Collector(
            envs,
            state.policies,
            state.policy_by_agent,
            specs=state.policy_specs,
            seed=derive_seed(loop.seed, "training"),
            learning=tuple(trainers),
            metrics=metrics,
            on_episode=self._take_episode,
        )
        state.policy_by_agent = self.collector.policy_by_agent
        state.training = self

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
        loop.log(
            {
                "time/env_share": (collector.env_seconds - env_before) / whole,
                "time/inference_share": (collector.policy_seconds - policy_before) / whole,
                "time/update_share": (ended - updating) / whole,
            }
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the state that the next iterations depend on, without the policies."""
        return {
            "collector": self.collector.state_dict(),
            "trainers": {
                policy_id: trainer.state_dict() for policy_id, trainer in self._distinct_trainers().items()
            },
            "update_streams": {policy_id: rng.bit_generator.state for policy_id, rng in self._rngs.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state. The policies are loaded separately.

        Raises:
            CheckpointError: if other policies were trained, or an env does not reproduce its saved episode.
        """
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

    def close(self) -> None:
        """Close the copies of the env."""
        self.collector.close()

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
    """Yield the name and value of each quantity that `update` returned.

    Raises:
        ConfigError: if it did not return a dict of numbers.
    """
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
            ended.fire(_episode_end(iteration, episode))
    if not episodes:
        return
    earned: dict[Any, float] = {}
    lived: dict[Any, int] = {}
    for episode in episodes:
        for agent_id, episode_return in episode.episode_returns.items():
            earned[agent_id] = earned.get(agent_id, 0.0) + episode_return
            lived[agent_id] = lived.get(agent_id, 0) + episode.length
    per_step = {agent_id: earned[agent_id] / lived[agent_id] for agent_id in earned}
    loop.log({f"rewards/{agent_id}": reward for agent_id, reward in per_step.items()})
    if per_step:
        loop.log({"rewards/group": float(np.mean(list(per_step.values())))})
    for policy_id in loop.state.policies_to_train:
        returns = [
            episode_return
            for episode in episodes
            for agent_id, episode_return in episode.episode_returns.items()
            if loop.state.policy_by_agent[agent_id] == policy_id
        ]
        if returns:
            loop.log({f"{policy_id}/episode_return": float(np.mean(returns))})
    loop.log({"episode_length": sum(episode.length for episode in episodes) / len(episodes)})
    for name in dict.fromkeys(name for e in episodes for name in e.metrics):
        values = [e.metrics[name] for e in episodes if name in e.metrics]
        loop.log({name: mean_of(values)})


def _episode_end(iteration: int, episode: EpisodeSummary) -> EpisodeEnd:
    return EpisodeEnd(
        iteration=iteration,
        copy=episode.env_index,
        episode=episode.episode,
        length=episode.length,
        episode_returns=episode.episode_returns,
        terminated=episode.terminated,
        truncated=not episode.terminated,
        metrics=episode.metrics,
    )
