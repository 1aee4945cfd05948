"""Whatever an env observes that is not in its space, the error is a sentence that shows it."""

import functools
from typing import Any, ClassVar

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
    "an infinite number": (
        np.array([0.0, np.inf]), "has shape (2,) and dtype float64, with values from 0.0 to inf",
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


class Remembering(ph.RandomPolicy):
    """Its class keeps what it was asked with last: policies are evaluated as copies."""

    seen: ClassVar[Any] = None

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> Any:
        type(self).seen = observations
        return super().sample_actions(observations, rng)


class WideAgent(ph.StrategicAgent):
    """Observes more than it declares, in an env of the user's own."""

    observation_space, action_space = BOX, gym.spaces.Discrete(2)

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([0.0, 2.0], np.float32)


PAIR = gym.spaces.Dict({"a": BOX, "b": gym.spaces.Discrete(2)})
BEYOND: dict[str, tuple[gym.Space[Any], Any, Any]] = {
    "float32": (BOX, np.array([-0.5, 2.0], np.float32), [[0.0, 1.0]]),
    "float64": (BOX, np.array([0.25, 2.0]), [[0.25, 1.0]]),
    "bytes": (gym.spaces.Box(0, 9, (2,), np.uint8), np.array([7, 20], np.uint8), [[7, 9]]),
    "in a dict": (PAIR, {"a": np.array([0.5, 1.5], np.float32), "b": 1}, [[0.5, 1.0]]),
}


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("kind", BEYOND)
def test_what_an_env_of_others_observes_beyond_its_bounds_is_clipped(
    kind: str, caplog: pytest.LogCaptureFixture, *, is_late: bool
) -> None:
    space, observation, clipped = BEYOND[kind]
    env = ph.GymnasiumEnv(OddEnv(space, observation, is_late=is_late))
    policies = {"p": Remembering(space, OddEnv.action_space)}
    ph.evaluate(env, policies, {"agent": "p"}, num_episodes=1, seed=1, max_steps=3)
    seen = Remembering.seen["a"] if kind == "in a dict" else Remembering.seen
    assert np.asarray(seen).tolist() == clipped
    (warning,) = [one.getMessage() for one in caplog.records]
    assert warning.startswith("The env observed something beyond the bounds")


PAIR_IN_A_TUPLE = gym.spaces.Tuple((PAIR, BOX))


@pytest.mark.parametrize(
    ("space", "observation", "said"),
    [
        (BOX, np.array([0.5, 2.0], np.float32), "2.0 at [1], where the bounds are 0.0 and 1.0"),
        (BOX, np.array([-0.5, 2.0], np.float32), "-0.5 at [0], where the bounds are 0.0 and 1.0"),
        (
            PAIR_IN_A_TUPLE,
            ({"a": np.array([0.5, 1.5], np.float32), "b": 1}, np.zeros(2, np.float32)),
            "0: 'a': 1.5 at [1], where the bounds are 0.0 and 1.0",
        ),
    ],
)
def test_the_warning_that_an_observation_is_clipped(
    space: gym.Space[Any], observation: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    env = ph.GymnasiumEnv(OddEnv(space, observation, is_late=True))
    policies = {"p": ph.RandomPolicy(space, OddEnv.action_space)}
    ph.evaluate(env, policies, {"agent": "p"}, num_episodes=2, seed=1, max_steps=3)
    assert [one.getMessage() for one in caplog.records] == [
        (
            f"The env observed something beyond the bounds that it declares, for policy 'p': {said}. It is "
            "clipped to them, and so is whatever goes beyond them later, without another warning."
        )
    ]


def test_an_env_of_ones_own_keeps_its_bounds() -> None:
    env = ph.PhantomEnv(num_steps=2, network=ph.Network([WideAgent("A")]))
    policies = {"p": ph.RandomPolicy(BOX, gym.spaces.Discrete(2))}
    with pytest.raises(ph.errors.ObservationError, match=r"with values from 0\.0 to 2\.0, but its"):
        ph.evaluate(env, policies, {"A": "p"}, num_episodes=1, seed=1)


def test_copies_in_workers_and_native_ones_are_clipped_likewise() -> None:
    make_env = functools.partial(ph.GymnasiumEnv, "CartPole-v1")
    envs = ph.make_vector_env(make_env, 2, workers=2)
    try:
        assert envs.clips_observations
    finally:
        envs.close()
    native = ph.NativeVectorEnv(gym.make_vec("CartPole-v1", 2, vectorization_mode="vector_entry_point"))
    assert native.clips_observations
