"""A collection that is broken off leaves a collector that can go on, with new episodes."""

import functools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class CountEnv(gym.Env[Any, Any]):
    """Observes [episode, step]; ends after four steps; raises once, in the third step of episode 1."""

    observation_space = gym.spaces.Box(0.0, 100.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, error: BaseException | None = None) -> None:
        self.error, self.episode, self.count = error, -1, 0

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.episode, self.count = self.episode + 1, 0
        return np.array([self.episode, 0], np.float32), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        if self.error is not None and (self.episode, self.count) == (1, 3):
            error, self.error = self.error, None
            raise error
        return np.array([self.episode, self.count], np.float32), float(self.count), self.count == 4, False, {}


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("culprit", [0, 1])
def test_the_next_collection_begins_with_new_episodes(gymnasium_env: Any, error: Any, culprit: int) -> None:
    envs = [gymnasium_env(CountEnv, error=error() if number == culprit else None) for number in range(2)]
    policy = ph.RandomPolicy(CountEnv.observation_space, CountEnv.action_space)
    collector = ph.Collector(envs, {"p": policy}, {"agent": "p"}, seed=1, learning=["p"])
    with pytest.raises((KeyboardInterrupt, ph.errors.EnvError)):
        collector.collect(ph.CollectPlan(steps=2 * 10, copies=2))
    batch = collector.collect(ph.CollectPlan(steps=2 * 4, copies=2))["p"]
    one_copy = [[2, step] for step in range(4)]
    assert batch.trajectories.observations.tolist() == 2 * one_copy
    assert batch.trajectories.rewards.tolist() == 2 * [1.0, 2.0, 3.0, 4.0]
    assert batch.transitions.observations.tolist() == [seen for seen in one_copy for _ in range(2)]
    assert batch.trajectories.next_observations.tolist() == [[2, 4], [2, 4]]
    assert batch.trajectories.starts.tolist() == [0, 4, 8]


def test_an_answer_of_a_worker_that_nobody_waited_for_is_no_answer_to_the_next_question() -> None:
    envs = ph.make_vector_env(functools.partial(ph.GymnasiumEnv, "CartPole-v1"), copies=2, workers=2)
    try:
        first = envs.reset([0, 1], [1, 2])
        kept = [{name: value.tolist() for name, value in (found or {}).items()} for found in first]
        with pytest.raises(Exception, match="0"):  # copy 0 gets no action; copy 1 answers all the same
            envs.step([0, 1], [{}, {"agent": 0}])
        again = envs.reset([0, 1], [1, 2])
        assert [{name: value.tolist() for name, value in (found or {}).items()} for found in again] == kept
    finally:
        envs.close()
