"""Whatever an env observes that is not in its space, the error is a sentence that shows it."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph

BOX = gym.spaces.Box(0.0, 1.0, (2,), np.float32)


class OddEnv(gym.Env[Any, Any]):
    """Observes what it is given, at once or in its first step."""

    action_space = gym.spaces.Discrete(2)

    def __init__(self, space: gym.Space[Any], observation: Any, *, is_late: bool) -> None:
        self.observation_space = space
        self.observation, self.is_late = observation, is_late

    def reset(self, **options: Any) -> Any:
        super().reset(seed=options.get("seed"))
        self.observation_space.seed(1)
        return self.observation_space.sample() if self.is_late else self.observation, {}

    def step(self, action: Any) -> Any:
        return self.observation, 0.0, False, False, {}


ODD = {
    "nothing": (np.zeros(0), "is array([], dtype=float64) (ndarray)"),
    "a text": (np.array("ab"), "is array('ab', dtype='<U2') (ndarray)"),
    "texts": (np.array(["a", "b"]), "is array(['a', 'b'], dtype='<U1') (ndarray)"),
    "objects": (np.array([None, 1], dtype=object), "is array([None, 1], dtype=object) (ndarray)"),
    "complex numbers": (np.array([1j, 2]), "is array([0.+1.j, 2.+0.j]) (ndarray)"),
    "no array": (None, "is None (NoneType)"),
    "a number too large": (
        np.array([0.0, 2.0]), "has shape (2,) and dtype float64, with values from 0.0 to 2.0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("space", [BOX, gym.spaces.Discrete(3), gym.spaces.Dict({"a": BOX})])
def test_the_error_shows_what_was_observed(space: gym.Space[Any], odd: str, *, is_late: bool) -> None:
    observation, shown = ODD[odd]
    env = ph.GymnasiumEnv(OddEnv(space, observation, is_late=is_late))
    policy = ph.RandomPolicy(space, OddEnv.action_space)
    with pytest.raises(ph.errors.ObservationError) as caught:
        ph.evaluate(env, {"p": policy}, {"agent": "p"}, num_episodes=1, seed=1, max_steps=3)
    assert str(caught.value) == (
        f"Observation of 'agent' at step {int(is_late)} {shown}, but its observation space is {space}. "
        "Change encode_observation(), or reset() and step() of a Gymnasium env, or the space. Play it again "
        "with env.reset(seed=1401479987715871550)."
    )
