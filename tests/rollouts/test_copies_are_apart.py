"""Copies of an env that are one object, or play one, are refused."""

import functools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class CountEnv(gym.Env[Any, Any]):
    """Ends after ten steps."""

    observation_space = gym.spaces.Box(0.0, 10.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.count = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        return np.full(1, self.count, np.float32), 1.0, False, self.count == 10, {}


def always(env: Any) -> Callable[[], Any]:
    return lambda: env


def adapted() -> Callable[[], Any]:
    whole = ph.GymnasiumEnv(CountEnv())
    return lambda: ph.GymnasiumEnv(ph.SingleAgentEnvAdapter(always(whole), "agent"))


class OwnAdapter(ph.GymnasiumEnv):
    """Is made anew each time, around what it is given."""


MAKERS = [
    (always(ph.GymnasiumEnv(CountEnv())), "GymnasiumEnv", "GymnasiumEnv"),
    (functools.partial(OwnAdapter, always(CountEnv())), "OwnAdapter", "CountEnv"),
    (functools.partial(ph.GymnasiumEnv, always(gym.wrappers.TimeLimit(CountEnv(), 5))),
        "GymnasiumEnv", "TimeLimit"),
    (adapted(), "GymnasiumEnv", "GymnasiumEnv"),
]  # fmt: skip


def sentence(env: str, part: str) -> str:
    return (
        f"Two copies of {env} are to play one and the same {part} object, so each would disturb the "
        "episodes of the other. Let the function that makes the env make a new one each time it is called."
    )


@pytest.mark.parametrize(("make_env", "env", "part"), MAKERS)
def test_copies_that_play_one_object_are_refused(make_env: Callable[[], Any], env: str, part: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.make_vector_env(make_env, 2)
    assert str(caught.value) == sentence(env, part)


class SteppingTrainer(ph.Trainer):
    """Collects, and learns nothing."""

    policy_class = ph.RandomPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(steps=20)

    def update(self, *_: Any) -> dict[str, float]:
        return {}


def test_an_evaluation_in_the_env_that_is_trained_in_is_refused_before_the_first_iteration() -> None:
    started: list[object] = []

    class Started(ph.Hooks):
        def on_train_start(self, event: Any) -> None:
            started.append(event)

    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train(
            SteppingTrainer,
            env=ph.GymnasiumEnv,
            env_config={"env": always(CountEnv())},
            num_iterations=1,
            evaluation=ph.EvaluationPlan(episodes=2),
            hooks=[Started()],
            run_dir=None,
        )
    assert str(caught.value) == sentence("GymnasiumEnv", "CountEnv")
    assert not started


def test_copies_of_their_own_are_taken() -> None:
    envs = ph.make_vector_env(functools.partial(ph.GymnasiumEnv, CountEnv), 3)
    assert envs.num_copies == 3
