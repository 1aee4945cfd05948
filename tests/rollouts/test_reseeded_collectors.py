"""A collector that is reseeded plays what a new one would."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class Walker(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(10)
    action_space = gym.spaces.Discrete(3)

    def reset(self) -> None:
        self.place = self.random.randrange(3)

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.place = (self.place + action + self.random.randrange(2)) % 10

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.place

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.place)


class Remembering(ph.RecurrentPolicy):
    """Adds up what it observes."""

    def initial_state(self) -> Any:
        return np.zeros(1)

    def compute_actions(self, observations: Any, state: Any) -> tuple[Any, Any]:
        state = state + np.asarray(observations, float).reshape(-1, 1)
        return [int(total) % 3 for total in state[:, 0]], state

    def sample_actions(self, observations: Any, rng: ph.RowStreams, state: Any) -> Any:
        raise NotImplementedError


class Paths(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(num_steps=5, network=ph.Network([Walker("A"), Walker("B")]))


def collector(policy: Any, seed: int, found: list[ph.EpisodeSummary]) -> ph.Collector:
    spaces = Walker.observation_space, Walker.action_space
    made = policy(*spaces)
    return ph.Collector(
        [Paths(), Paths()], {"all": made}, {"A": "all", "B": "all"}, seed=seed, on_episode=found.append
    )


@pytest.mark.parametrize("policy", [ph.RandomPolicy, Remembering])
@pytest.mark.parametrize("steps", [3, 8])  # in the middle of an episode, with or without earlier ones
def test_a_reseeded_collector_plays_what_a_new_one_would(policy: Any, steps: int) -> None:
    new: list[ph.EpisodeSummary] = []
    used: list[ph.EpisodeSummary] = []
    collector(policy, 7, new).collect(ph.CollectPlan(episodes=6))
    old = collector(policy, 1, used)
    old.collect(ph.CollectPlan(steps=2 * steps))
    used.clear()
    old.reseed(7)
    old.collect(ph.CollectPlan(episodes=6))
    assert used == new
