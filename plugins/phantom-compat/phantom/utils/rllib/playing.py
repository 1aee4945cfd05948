"""Plays the rollouts of a grid, batch by batch: what an executor sends to its processes."""

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import phantom_core as ph
from phantom.metrics import Metric
from phantom.types import AgentID
from phantom.utils.rllib.choosing import choose
from phantom.utils.rllib.episodes import Episode, Played
from phantom.utils.rllib.range_grid import RangeGrid


class RolloutBatch(NamedTuple):
    """Rollouts that are played side by side: from one to before another."""

    first: int
    end: int

    def __str__(self) -> str:
        last = self.end - 1
        return f"rollout {last}" if last == self.first else f"rollouts {self.first} to {last}"


@dataclass(frozen=True)
class Playing:
    """Plays batches of rollouts; what comes of a batch depends on nothing that was played before.

    Attributes:
        env_class: what makes the env; its `env_config` does not count.
        grid: the `env_config` of each point.
        num_repeats: how many rollouts each point has.
        policies: the policies of the run, and whose they are.
        custom_policies: class by agent id, in place of those.
        metrics: what is measured.
        record_messages: whether steps hold the messages that were sent.
        explore: whether the policies of the run explore.
    """

    env_class: ph.EnvFactory
    grid: RangeGrid
    num_repeats: int
    policies: Mapping[Any, Any]
    custom_policies: Mapping[AgentID, Any]
    metrics: Mapping[str, Metric[Any]]
    record_messages: bool
    explore: bool

    def make_env(self, point: int) -> Any:
        """Return a new env of a point."""
        return ph.EnvFactory(self.env_class.env_class, self.grid.value_at(point))()

    def __call__(self, batch: RolloutBatch) -> list[Played]:
        """Play a batch.

        Whatever an env or a policy raises gets a note that says in which rollouts that was.
        """
        try:
            with seeded(batch.first), ExitStack() as stack:
                return self._play(batch, stack)
        except Exception as error:
            error.add_note(f"In {batch}{self._described(batch)}.")
            raise

    def _play(self, batch: RolloutBatch, stack: ExitStack) -> list[Played]:
        policies = copy.deepcopy(dict(self.policies))
        episodes = []
        for rollout_id in range(*batch):
            env = self.make_env(rollout_id // self.num_repeats)
            stack.callback(env.close)
            episode = Episode(
                env,
                rollout_id,
                policies,
                self.custom_policies,
                self.metrics,
                record_messages=self.record_messages,
            )
            episodes.append(episode)
        made = {policy_id: policy for policy_id, (policy, _) in policies.items()}
        while playing := [episode for episode in episodes if not episode.is_over]:
            chosen = _decide(playing, made, explore=self.explore)
            for episode, actions in zip(playing, chosen, strict=True):
                episode.step(actions)
        return [episode.played() for episode in episodes]

    def _described(self, batch: RolloutBatch) -> str:
        params = self.grid.params(batch.first // self.num_repeats)
        named = ", ".join(f"{name}={value}" for name, value in params.items())
        is_one = batch.end - batch.first == 1
        return f" ({named if is_one else f'the first: {named}'})" if named else ""


def _decide(
    episodes: Sequence[Episode], policies: Mapping[Any, ph.BasePolicy], *, explore: bool
) -> list[dict[AgentID, Any]]:
    """Return the actions of all agents that observe, in their order; each policy of the run is asked once."""
    chosen = [dict[AgentID, Any].fromkeys(episode.observations) for episode in episodes]
    asked: dict[Any, list[tuple[int, AgentID]]] = {}
    for index, episode in enumerate(episodes):
        for agent_id, observation in episode.observations.items():
            if agent_id in episode.own_policies:
                chosen[index][agent_id] = episode.own_policies[agent_id].compute_action(observation)
            else:
                asked.setdefault(episode.policy_by_agent[agent_id], []).append((index, agent_id))
    for policy_id, rows in asked.items():
        observations = [episodes[index].observations[agent_id] for index, agent_id in rows]
        choosers = [episodes[index].chooser(agent_id) for index, agent_id in rows]
        actions = choose(policies[policy_id], observations, choosers, explore=explore)
        for (index, agent_id), action in zip(rows, actions, strict=True):
            chosen[index][agent_id] = action
    return chosen


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let the global generators of NumPy and Python begin with a seed; put them back afterwards."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
