"""From a context to an observation: encoders alone, in a row and by name."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph

CTX: Any = None


class Number(ph.encoders.Encoder):
    """Encodes a number; counts how often its space is built and how often it is reset."""

    def __init__(self, number: float) -> None:
        self.number = number
        self.num_spaces = self.num_resets = 0

    @property
    def observation_space(self) -> gym.Space[Any]:
        self.num_spaces += 1
        return gym.spaces.Box(-1, 1, (1,), np.float32)

    def encode(self, ctx: ph.Context) -> Any:
        return np.array([self.number], np.float32)

    def reset(self) -> None:
        self.num_resets += 1


LEAVES = st.one_of(
    st.floats(-1, 1, width=32).map(Number),
    st.builds(ph.encoders.ConstantEncoder, st.sampled_from([(), (1,), (2, 3)]), st.integers(-5, 5)),
    st.just(ph.encoders.EmptyEncoder()),
)
ENCODERS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(ph.encoders.ChainedEncoder)
        | st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(ph.encoders.DictEncoder)
    ),
    max_leaves=6,
)


@given(ENCODERS)
def test_every_observation_is_in_its_space_and_survives_flattening(encoder: ph.encoders.Encoder) -> None:
    observation = encoder.encode(CTX)
    assert encoder.observation_space.contains(observation)
    flattened = gym.spaces.flatten(encoder.observation_space, observation)
    back = gym.spaces.unflatten(encoder.observation_space, flattened)
    assert np.array_equal(gym.spaces.flatten(encoder.observation_space, back), flattened)


def test_a_constant_is_a_new_array_each_time() -> None:
    encoder = ph.encoders.ConstantEncoder((2,), 3.0)
    assert encoder.encode(CTX).tolist() == [3.0, 3.0]
    assert encoder.encode(CTX) is not encoder.encode(CTX)
    assert ph.encoders.EmptyEncoder().encode(CTX).tolist() == [0.0]


def test_chains_are_flat_wherever_they_begin() -> None:
    a, b, c, d = (Number(number) for number in (0.1, 0.2, 0.3, 0.4))
    assert a.chain(b).encoders == [a, b]
    assert a.chain([b, [c, (d,)]]).encoders == [a, b, c, d]
    assert a.chain(b).chain(c).encoders == [a, b, c]
    assert a.chain(b).chain([c, d]).encoders == [a, b, c, d]
    observation = a.chain(b).encode(CTX)
    assert isinstance(observation, tuple)
    assert [part.item() for part in observation] == pytest.approx([0.1, 0.2])


def test_a_dict_encoder_encodes_by_name() -> None:
    encoder = ph.encoders.DictEncoder({"left": Number(0.5), "right": ph.encoders.EmptyEncoder()})
    assert {name: part.item() for name, part in encoder.encode(CTX).items()} == {"left": 0.5, "right": 0.0}
    assert set(encoder.observation_space) == {"left", "right"}


@pytest.mark.parametrize(
    "group",
    [
        ph.encoders.ChainedEncoder,
        lambda parts: ph.encoders.DictEncoder(dict(zip("ab", parts, strict=True))),
    ],
)
def test_a_group_builds_its_space_once_and_resets_all_its_parts(group: Any) -> None:
    parts = [Number(0.1), Number(0.2)]
    encoder = group(parts)
    assert encoder.observation_space is encoder.observation_space
    encoder.reset()
    assert [(part.num_spaces, part.num_resets) for part in parts] == [(1, 1), (1, 1)]


def test_an_encoder_shows_its_space() -> None:
    assert repr(ph.encoders.EmptyEncoder()) == "EmptyEncoder(Box(-inf, inf, (1,), float32))"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ph.encoders.ChainedEncoder(["size"]),
            "ChainedEncoder got 'size'. Expected an Encoder object, or a list of those.",
        ),
        (
            lambda: Number(0).chain([Number]),
            f"ChainedEncoder got {Number!r}. Expected an Encoder object, or a list of those.",
        ),
        (lambda: ph.encoders.DictEncoder({"a": 3}), "DictEncoder got 3 for 'a'. Expected an Encoder object."),
        (
            lambda: ph.encoders.DictEncoder([3]),
            "DictEncoder got [3]. Expected a dict from names to Encoder objects.",
        ),
    ],
)
def test_what_is_no_encoder_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make()
    assert str(caught.value) == message
