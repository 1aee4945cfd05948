"""§1.4 to §1.6 of the predecessor: parts of agents, supertypes, samplers and ranges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom as ph
from phantom.decoders import ChainedDecoder, DictDecoder, EmptyDecoder
from phantom.encoders import ChainedEncoder, DictEncoder, EmptyEncoder
from phantom.utils.ranges import LinspaceRange, UnitArrayLinspaceRange, UnitArrayUniformRange
from phantom.utils.samplers import (
    ComparableSampler,
    LambdaSampler,
    NormalArraySampler,
    NormalSampler,
    Sampler,
    UniformArraySampler,
    UniformFloatSampler,
    UniformIntSampler,
)

CTX: Any = None


class Counting(ComparableSampler[int]):
    """Gives the next number; does not call `super().__init__()`, as programs often did not."""

    def __init__(self, value: int) -> None:
        self._value = value

    def sample(self) -> int:
        assert self._value is not None
        self._value += 1
        return self._value


# ---------------------------------------------------------------- samplers


def test_a_sampler_keeps_its_newest_value() -> None:
    sampler = UniformFloatSampler()
    assert sampler.value is None
    value = sampler.sample()
    assert sampler.value == value == sampler._value
    with pytest.raises(AttributeError):
        sampler.value = 3.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("sampler", "draw"),
    [
        (UniformFloatSampler(2.0, 3.0), lambda: np.random.uniform(2.0, 3.0)),
        (UniformIntSampler(2, 9), lambda: np.random.randint(2, 9)),
        (UniformArraySampler(2.0, 3.0, (2,)), lambda: np.random.uniform(2.0, 3.0, (2,))),
        (NormalSampler(2.0, 3.0), lambda: np.random.normal(2.0, 3.0)),
        (NormalArraySampler(2.0, 3.0, (2,)), lambda: np.random.normal(2.0, 3.0, (2,))),
        (LambdaSampler(np.random.uniform, 5.0, high=6.0), lambda: np.random.uniform(5.0, 6.0)),
    ],
)
def test_samplers_draw_from_the_global_generator(sampler: Sampler[Any], draw: Any) -> None:
    np.random.seed(1)
    expected = [draw() for _ in range(3)]
    np.random.seed(1)
    assert np.array_equal([sampler.sample() for _ in range(3)], expected)


def test_the_high_end_of_an_int_sampler_is_left_out() -> None:
    sampler = UniformIntSampler(1, 3)
    assert {sampler.sample() for _ in range(50)} == {1, 2}
    assert UniformIntSampler().sample() == 0


@pytest.mark.parametrize("kind", [UniformFloatSampler, UniformIntSampler, UniformArraySampler])
def test_uniform_bounds_are_in_order(kind: Any) -> None:
    with pytest.raises(AssertionError):
        kind(low=2, high=1)
    kind(low=2, high=2)


def test_values_are_clipped_where_a_bound_is_given() -> None:
    assert UniformFloatSampler(0.0, 1.0, clip_low=2.0).sample() == 2.0
    assert NormalSampler(9.0, 0.1, clip_high=3.0).sample() == 3.0
    clipped = UniformIntSampler(5, 9, clip_low=0, clip_high=2).sample()
    assert (clipped, type(clipped)) == (2, int)
    assert UniformArraySampler(0.0, 1.0, (2,), -1.0, 0.0).sample().tolist() == [0.0, 0.0]
    assert NormalArraySampler(5.0, 0.1, (2,), None, 1.0).sample().tolist() == [1.0, 1.0]


def test_a_sampler_compares_as_its_value() -> None:
    sampler = Counting(5)
    assert sampler == 5
    assert sampler != 4
    assert (sampler < 6, sampler <= 5, sampler > 4, sampler >= 6) == (True, True, True, False)
    assert (4 < sampler, 5 == sampler) == (True, True)  # noqa: SIM300  the other way round


def test_comparing_before_sampling_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="before it was sampled"):
        _ = UniformFloatSampler() < 1.0


def test_two_samplers_are_equal_only_if_they_are_one_and_order_by_value() -> None:
    low, high = Counting(1), Counting(2)
    assert low == low  # noqa: PLR0124  the rule
    assert Counting(1) != low
    assert (low < high, low > high, low <= high) == (True, False, True)
    assert len({low, high, low}) == 2


# ---------------------------------------------------------------- ranges


def test_ranges_list_their_values() -> None:
    assert ph.utils.ranges.UniformRange(0.0, 3.0).values().tolist() == [0.0, 1.0, 2.0]
    assert ph.utils.ranges.UniformRange(0, 4, 2, dtype=int).values().tolist() == [0, 2]
    assert LinspaceRange(0.0, 1.0, 3).values().tolist() == [0.0, 0.5, 1.0]
    for values in (UnitArrayUniformRange(0.0, 2.0).values(), UnitArrayLinspaceRange(0.0, 1.0, 2).values()):
        assert isinstance(values, list)
        assert [v.shape for v in values] == [(1,), (1,)]
        assert [float(v[0]) for v in values] == [0.0, 1.0]


def test_a_range_shows_its_name() -> None:
    assert repr(LinspaceRange(0, 1, 2, name="x")) == "<LinspaceRange name='x'>"
    assert repr(LinspaceRange(0, 1, 2)) == "<LinspaceRange>"
    assert (ph.utils.Range, ph.utils.Sampler) == (ph.utils.ranges.Range, Sampler)


# ---------------------------------------------------------------- supertypes


@dataclass
class Mixed(ph.Supertype):
    a: Any
    b: Any = "text"
    c: Any = field(default_factory=lambda: [1])


def test_sampling_replaces_samplers_in_fields() -> None:
    sampler = Counting(0)
    mixed = Mixed(sampler, b=[sampler])
    drawn = mixed.sample()
    assert type(drawn) is Mixed
    assert drawn.__dict__ == {"a": 1, "b": [sampler], "c": [1]}  # only fields are looked at
    assert mixed.sample().a == 2
    assert mixed.a is sampler


def test_a_managed_supertype_takes_the_values_that_were_drawn() -> None:
    mixed = Mixed(Counting(7))
    mixed._managed = True  # type: ignore[attr-defined]
    assert [mixed.sample().a, mixed.sample().a] == [7, 7]
    assert mixed.sample().__dict__ == {"a": 7, "b": "text", "c": [1]}


def test_a_type_becomes_an_observation_and_a_space() -> None:
    mixed = Mixed(1, {"x": 2.5, "y": (True, np.float32(3.0))}, [np.arange(2.0), np.int64(4)])
    observed = mixed.to_obs_space_compatible_type()
    assert observed["a"].dtype == np.float32
    assert observed["a"].tolist() == [1.0]
    assert observed["b"]["y"][0].tolist() == [1.0]
    assert observed["c"][0].tolist() == [0.0, 1.0]
    space = mixed.to_obs_space(-1.0, 9.0)
    one = gym.spaces.Box(-1.0, 9.0, (1,), np.float32)
    assert space == gym.spaces.Dict(
        {
            "a": one,
            "b": gym.spaces.Dict({"x": one, "y": gym.spaces.Tuple([one, one])}),
            "c": gym.spaces.Tuple([gym.spaces.Box(-1.0, 9.0, (2,), np.float32), one]),
        }
    )


def test_a_text_fits_into_no_space() -> None:
    with pytest.raises(ValueError, match="Field b of a supertype is 'text'"):
        Mixed(1).to_obs_space()
    with pytest.raises(ValueError, match="Field b of a supertype is 'text'"):
        Mixed(1).to_obs_space_compatible_type()


class Trader(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(2)

    @dataclass
    class Supertype(ph.Supertype):
        skill: Any = 0.0

    def encode_observation(self, ctx: ph.Context) -> Any:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return 0.0


class Market(ph.PhantomEnv):
    @dataclass
    class Supertype(ph.Supertype):
        heat: Any = 0

    def __init__(self, **options: Any) -> None:
        super().__init__(5, ph.Network([Trader("A"), Trader("B")]), **options)


def test_an_env_draws_its_samplers_once_when_made_and_once_per_reset() -> None:
    shared, own = Counting(0), Counting(100)
    env = Market(
        env_supertype={"heat": shared}, agent_supertypes={"A": {"skill": shared}, "B": Trader.Supertype(own)}
    )
    assert len(env._samplers) == 2
    assert env.env_type is None
    assert (env["A"].type.skill, env["B"].type.skill) == (1, 101)  # reset once, when the env was made
    env.reset()
    assert isinstance(env.env_type, Market.Supertype)
    assert (env.env_type.heat, env["A"].type.skill, env["B"].type.skill) == (2, 2, 102)
    env.reset()
    assert (env.env_type.heat, env["A"].type.skill, env["B"].type.skill) == (3, 3, 103)


def test_supertypes_that_an_env_was_given_are_marked() -> None:
    given = Trader.Supertype(Counting(0))
    env = Market(agent_supertypes={"A": given})
    assert env["A"].supertype is given
    assert given._managed  # type: ignore[attr-defined]
    assert env.env_supertype is None


def test_an_env_supertype_is_of_the_envs_own_class() -> None:
    with pytest.raises(AssertionError):
        Market(env_supertype=Trader.Supertype())


# ---------------------------------------------------------------- encoders and decoders


class Fixed(ph.Encoder[Any]):
    def __init__(self, value: int) -> None:
        self.value, self.num_resets = value, 0

    @property
    def observation_space(self) -> gym.Space[Any]:
        return gym.spaces.Discrete(self.value + 1)

    def encode(self, ctx: ph.Context) -> int:
        return self.value

    def reset(self) -> None:
        self.num_resets += 1


class Sending(ph.Decoder[Any]):
    def __init__(self, to: str) -> None:
        self.to, self.num_resets = to, 0

    @property
    def action_space(self) -> gym.Space[Any]:
        return gym.spaces.Discrete(5)

    def decode(self, ctx: ph.Context, action: Any) -> Any:
        return [(self.to, action)]

    def reset(self) -> None:
        self.num_resets += 1


def test_constant_encoders_fit_their_spaces() -> None:
    for encoder in (EmptyEncoder(), ph.encoders.Constant((2, 1), 4.0)):
        assert encoder.observation_space.contains(encoder.encode(CTX))
    assert EmptyEncoder().encode(CTX).tolist() == [0.0]
    assert ph.encoders.Constant((1,), 4.0).encode(CTX).tolist() == [4.0]
    assert repr(EmptyEncoder()) == str(EmptyEncoder()) == repr(EmptyEncoder().observation_space)


def test_encoders_in_a_row_make_tuples() -> None:
    one, two, three = Fixed(1), Fixed(2), Fixed(3)
    chained = ChainedEncoder([one, [two, [three]]])
    assert chained.encoders == [one, two, three]
    assert chained.encode(CTX) == (1, 2, 3)
    assert chained.observation_space == gym.spaces.Tuple([gym.spaces.Discrete(n) for n in (2, 3, 4)])
    assert one.chain(two).encode(CTX) == one.chain([two]).encode(CTX) == (1, 2)
    assert one.chain([two]).chain([three]).encode(CTX) == (1, 2, 3)
    assert one.chain([two]).chain(three).encode(CTX) == (1, 2, 3)
    chained.reset()
    assert [e.num_resets for e in (one, two, three)] == [1, 1, 1]


def test_encoders_by_name_make_dicts() -> None:
    one, two = Fixed(1), Fixed(2)
    encoder = DictEncoder({"x": one, "y": two})
    assert encoder.encode(CTX) == {"x": 1, "y": 2}
    assert encoder.observation_space == gym.spaces.Dict(
        {"x": gym.spaces.Discrete(2), "y": gym.spaces.Discrete(3)}
    )
    encoder.reset()
    assert (one.num_resets, two.num_resets) == (1, 1)


def test_decoders_in_a_row_take_tuples() -> None:
    a, b = Sending("A"), Sending("B")
    chained = ChainedDecoder([a, [b]])
    assert chained.decode(CTX, (1, 2)) == [("A", 1), ("B", 2)]
    assert chained.decode(CTX, (1,)) == [("A", 1)]  # what is too much or too little is left out
    assert chained.action_space == gym.spaces.Tuple([gym.spaces.Discrete(5)] * 2)
    assert a.chain(b).decode(CTX, (1, 2)) == a.chain([b]).decode(CTX, (1, 2)) == [("A", 1), ("B", 2)]
    assert a.chain([b]).chain([a]).decode(CTX, (1, 2, 3)) == [("A", 1), ("B", 2), ("A", 3)]
    chained.reset()
    assert (a.num_resets, b.num_resets) == (1, 1)


def test_decoders_by_name_take_dicts_in_their_own_order() -> None:
    decoder = DictDecoder({"y": Sending("B"), "x": Sending("A")})
    assert decoder.decode(CTX, {"x": 1, "y": 2}) == [("B", 2), ("A", 1)]
    assert decoder.action_space["x"] == gym.spaces.Discrete(5)
    assert EmptyDecoder().decode(CTX, np.zeros(0)) == []
    assert EmptyDecoder().action_space.shape == (0,)


def test_parts_are_reset_at_each_episode_even_if_the_agent_overrides_reset() -> None:
    class Own(Trader):
        def reset(self) -> None:
            """Call nothing."""

        encode_observation = ph.StrategicAgent.encode_observation

    class Counted(ph.RewardFunction):
        num_resets = 0

        def reward(self, ctx: ph.Context) -> float:
            return 0.0

        def reset(self) -> None:
            self.num_resets += 1

    parts = (Fixed(1), Sending("A"), Counted())
    env = ph.PhantomEnv(5, ph.Network([Own("A", *parts)]))
    before = [part.num_resets for part in parts]
    env.reset()
    env.reset()
    assert [part.num_resets - n for part, n in zip(parts, before, strict=True)] == [2, 2, 2]
