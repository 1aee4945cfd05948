"""What Gymnasium envs of users return instead of what they should: one sentence each, however played."""

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class BrokenEnv(gym.Env[Any, Any]):
    """Returns what it is told, in its second step."""

    observation_space = action_space = gym.spaces.Discrete(2)

    def __init__(self, first: Any = (0, {}), second: Any = (0, 1.0, False, False, {})) -> None:
        self.first, self.second, self.count = first, second, 0

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.count = 0
        return self.first

    def step(self, action: Any) -> Any:
        self.count += 1
        return self.second if self.count == 2 else (0, 1.0, False, False, {})


FORM = "(observation, reward, terminated, truncated, info)"
STEPS: dict[str, tuple[Any, str]] = {
    "Gym's old form": (
        (0, 1.0, False, {}),
        f"step() returned a tuple of 4. Expected {FORM}. Four parts are Gym's old form.",
    ),
    "too much": ((0, 1.0, False, False, {}, 1), f"step() returned a tuple of 6. Expected {FORM}."),
    "nothing": (None, f"step() returned a NoneType. Expected {FORM}."),
    "an observation": (7, f"step() returned an int. Expected {FORM}."),
    "no reward": ((0, None, False, False, {}), "step() returned the reward None. Expected a number."),
    "a word as reward": ((0, "1", False, False, {}), "step() returned the reward '1'. Expected a number."),
    "two rewards": (
        (0, np.ones(2), False, False, {}),
        "step() returned the reward array([1., 1.]). Expected a number.",
    ),
    "a word as flag": ((0, 1.0, "no", False, {}), "step() returned terminated='no'. Expected True or False."),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_is_none_is_one_sentence(name: str, gymnasium_env: Any) -> None:
    second, sentence = STEPS[name]
    with pytest.raises(ph.errors.EnvError) as caught:
        train(gymnasium_env, second=second)
    said = re.sub(r" \(conftest.py, line \d+, in step\)", "", str(caught.value))
    seed = said.partition("seed=")[2].partition(")")[0]
    assert said == (
        f"{sentence} ({gymnasium_env.__name__} failed in step 2 of episode 0. Play it again with "
        f"env.reset(seed={seed}).)"
    )


@pytest.mark.parametrize(
    ("first", "what"),
    [(np.zeros(2), "a ndarray"), ((0,), "a tuple of 1"), (0, "an int"), ([0, {}], "a list")],
)
def test_a_reset_that_returns_no_pair_is_one_sentence(first: Any, what: str) -> None:
    with pytest.raises(ph.errors.EnvError) as caught:
        ph.GymnasiumEnv(BrokenEnv, first=first).reset(seed=1)
    assert str(caught.value) == f"reset() returned {what}. Expected (observation, info)."


@pytest.mark.parametrize("reward", [1, np.float32(1.0), np.array([1.0]), np.array(1), True])
def test_every_kind_of_number_is_a_reward(reward: Any) -> None:
    env = ph.GymnasiumEnv(BrokenEnv, second=(0, reward, np.False_, 0, {}))
    env.reset(seed=1)
    env.step({"agent": 0})
    assert env.step({"agent": 0}).rewards == {"agent": 1.0}


def test_a_file_is_no_env_of_gymnasium_and_a_function_is_named_instead() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.GymnasiumEnv("./slow.py:Slow")
    assert str(caught.value) == (
        "GymnasiumEnv got './slow.py:Slow'. Expected a gymnasium.Env, what makes one, or the id of a "
        "registered one. In a run file, name a function of yours that returns ph.GymnasiumEnv(YourEnv): "
        "env = './file.py:make_env'."
    )


def test_the_vector_env_of_gymnasium_takes_no_checkpoints(tmp_path: Any) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train(
            "q-learning",
            env=ph.GymnasiumEnv,
            env_config={"env": "CartPole-v1"},
            num_iterations=1,
            vectorization_mode="vector_entry_point",
            checkpoint=ph.CheckpointPlan(every=1),
            run_dir=tmp_path,
        )
    assert str(caught.value) == (
        "vectorization_mode='vector_entry_point' cannot be saved in the middle of an episode, so there can "
        "be no checkpoints. Leave out checkpoint, or use vectorization_mode='sync'."
    )
    assert list(tmp_path.iterdir()) == []


def train(gymnasium_env: Any, **config: Any) -> None:
    ph.train(
        "q-learning",
        env=gymnasium_env,
        env_config={"env": BrokenEnv, **config},
        total_steps=10,
        seed=1,
        run_dir=None,
    )
