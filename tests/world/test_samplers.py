"""Distributions over parameters: what they draw, what they refuse, and how they compare."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph

SEEDS = st.integers(0, 2**32 - 1)
SAMPLERS: list[Callable[[], ph.samplers.Sampler[Any]]] = [
    lambda: ph.samplers.UniformFloatSampler(1, 2),
    lambda: ph.samplers.UniformIntSampler(1, 4),
    lambda: ph.samplers.UniformArraySampler(1, 2, (2, 3)),
    lambda: ph.samplers.NormalSampler(1, 2),
    lambda: ph.samplers.NormalArraySampler(1, 2, (2, 3)),
    lambda: ph.samplers.LambdaSampler(lambda rng, low: low + rng.random(), low=1),
]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def message_of(refuse: Callable[[], object], error: type[Exception] = ph.errors.ConfigError) -> str:
    with pytest.raises(error) as caught:
        refuse()
    return str(caught.value)


@pytest.mark.parametrize("make", SAMPLERS)
def test_a_value_follows_from_the_generator_alone(make: Callable[[], ph.samplers.Sampler[Any]]) -> None:
    np.testing.assert_array_equal(make().draw(rng(3)), make().draw(rng(3)))


@pytest.mark.parametrize("make", SAMPLERS)
def test_sampling_keeps_the_value_and_drawing_does_not(make: Callable[[], ph.samplers.Sampler[Any]]) -> None:
    sampler = make()
    sampler.draw(rng())
    assert sampler.value is None
    assert sampler.sample(rng()) is sampler.value


@pytest.mark.parametrize("make", SAMPLERS)
def test_samplers_are_equal_only_to_themselves_and_can_be_keys(
    make: Callable[[], ph.samplers.Sampler[Any]],
) -> None:
    one, other = make(), make()
    assert one == one  # noqa: PLR0124  identity is the rule
    assert one != other
    assert {one: 1, other: 2}[one] == 1


def test_a_sampler_of_ones_own_needs_only_draw_and_may_be_frozen() -> None:
    @dataclass(frozen=True)
    class Die(ph.samplers.Sampler[int]):
        sides: int = 6

        def draw(self, rng: np.random.Generator) -> int:
            return 1 + int(rng.integers(self.sides))

    class Plain(ph.samplers.Sampler[int]):
        def __init__(self) -> None:
            """Call no super."""

        def draw(self, rng: np.random.Generator) -> int:
            return 7

    die, plain = Die(), Plain()
    assert die.sample(rng(1)) == die.value in range(1, 7)
    assert plain.value is None
    assert plain.sample(rng()) == plain.value == 7

    @dataclass(frozen=True)
    class Thrown(ph.Supertype):
        number: int | ph.samplers.Sampler[int] = Die()

    assert Thrown().sample(1).number in range(1, 7)


def test_samplers_can_be_pickled() -> None:
    sampler = ph.samplers.UniformFloatSampler(1.0, 2.0, clip_high=1.5)
    sampler.sample(rng())
    copy = pickle.loads(pickle.dumps(sampler))  # noqa: S301  our own bytes
    assert (repr(copy), copy.value) == (repr(sampler), sampler.value)


@given(SEEDS, st.floats(-10, 10), st.floats(0, 10))
def test_uniform_floats_lie_between_their_bounds(seed: int, low: float, width: float) -> None:
    value = ph.samplers.UniformFloatSampler(low, low + width).draw(rng(seed))
    assert type(value) is float
    assert low <= value <= low + width


def test_uniform_integers_include_both_bounds() -> None:
    generator, sampler = rng(), ph.samplers.UniformIntSampler(1, 4)
    assert {sampler.draw(generator) for _ in range(200)} == {1, 2, 3, 4}
    assert {ph.samplers.UniformIntSampler().draw(generator) for _ in range(50)} == {0, 1}
    assert ph.samplers.UniformIntSampler(3, 3).draw(generator) == 3


def test_clipped_integers_stay_integers() -> None:
    generator, sampler = (
        rng(),
        ph.samplers.UniformIntSampler(np.int64(0), 9, clip_low=4, clip_high=np.int64(6)),
    )
    values = {sampler.draw(generator) for _ in range(200)}
    assert values == {4, 5, 6}
    assert {type(value) for value in values} == {int}


@pytest.mark.parametrize(
    "sampler",
    [ph.samplers.UniformFloatSampler(0, 9, 3, 4), ph.samplers.NormalSampler(0, 9, clip_low=3, clip_high=4)],
)
def test_clipped_floats_stay_floats_within_their_bounds(sampler: ph.samplers.Sampler[float]) -> None:
    generator = rng()
    values = [sampler.draw(generator) for _ in range(200)]
    assert {type(value) for value in values} == {float}
    assert (min(values), max(values)) == (3.0, 4.0)


def test_arrays_have_their_shape_are_clipped_and_new_each_time() -> None:
    for sampler in (
        ph.samplers.UniformArraySampler(0, 9, (2, 3), clip_low=3, clip_high=4),
        ph.samplers.NormalArraySampler(0, 9, (2, 3), clip_low=3, clip_high=4),
    ):
        value = sampler.draw(rng())
        assert (value.shape, value.dtype) == ((2, 3), np.float64)
        assert value.min() >= 3
        assert value.max() <= 4
        assert sampler.draw(rng()) is not value


def test_the_normal_distribution_has_its_mean_and_deviation() -> None:
    values = ph.samplers.NormalArraySampler(5.0, 2.0, (20_000,)).draw(rng())
    assert values.mean() == pytest.approx(5.0, abs=0.05)
    assert values.std() == pytest.approx(2.0, abs=0.05)
    assert ph.samplers.NormalSampler(5.0, 0.0).draw(rng()) == 5.0


def test_a_function_gets_the_generator_and_its_arguments() -> None:
    sampler = ph.samplers.LambdaSampler(
        lambda generator, *args, **kwargs: (generator.random(), args, kwargs), 1, b=2
    )
    assert sampler.draw(rng(7)) == (rng(7).random(), (1,), {"b": 2})


def test_samplers_compare_by_their_newest_value_with_values_and_with_samplers() -> None:
    low, high = ph.samplers.UniformFloatSampler(0, 1), ph.samplers.UniformIntSampler(3, 3)
    low.sample(rng())
    high.sample(rng())
    assert low < high
    assert low <= high
    assert high > low
    assert high >= low
    assert not high < low
    assert low < 1.0 < high
    assert 3 <= high <= 3
    assert rng().random() < high


def test_a_sampler_without_a_value_cannot_be_compared() -> None:
    assert message_of(lambda: ph.samplers.UniformFloatSampler() < 1, ph.errors.EnvError) == (
        "UniformFloatSampler(low=0.0, high=1.0, clip_low=None, clip_high=None) was compared before it was "
        "sampled. Call env.reset() first, or compare its bounds."
    )


@pytest.mark.parametrize(
    "kind",
    [ph.samplers.UniformFloatSampler, ph.samplers.UniformIntSampler, ph.samplers.UniformArraySampler],
    ids=lambda k: k.__name__,
)
def test_bounds_in_the_wrong_order_are_refused(kind: Callable[..., object]) -> None:
    name = kind.__name__
    assert message_of(lambda: kind(2, 1)) == (
        f"{name} got low=2 and high=1. Expected low to be at most high."
    )
    assert message_of(lambda: kind(0, 9, clip_low=2, clip_high=1)) == (
        f"{name} got clip_low=2 and clip_high=1. Expected clip_low to be at most clip_high."
    )


@pytest.mark.parametrize(
    "kind", [ph.samplers.NormalSampler, ph.samplers.NormalArraySampler], ids=lambda k: k.__name__
)
def test_a_negative_deviation_is_refused(kind: Callable[..., object]) -> None:
    assert message_of(lambda: kind(0, -1)) == (
        f"{kind.__name__} got sigma=-1. Expected a standard deviation of 0 or more."
    )


@pytest.mark.parametrize("number", ["a", None, float("inf"), float("nan"), True, [1.0]])
def test_parameters_are_finite_numbers(number: Any) -> None:
    for make, name in (
        (lambda: ph.samplers.UniformFloatSampler(0.0, number), "UniformFloatSampler got high"),
        (lambda: ph.samplers.UniformIntSampler(number, 3), "UniformIntSampler got low"),
        (lambda: ph.samplers.NormalSampler(0.0, number), "NormalSampler got sigma"),
        (lambda: ph.samplers.NormalArraySampler(number, 1.0), "NormalArraySampler got mu"),
    ):
        assert message_of(make) == f"{name}={number!r}. Expected a finite number."


def test_integers_need_integer_bounds() -> None:
    assert message_of(lambda: ph.samplers.UniformIntSampler(0, 2.5)) == (
        "UniformIntSampler got high=2.5. Expected an integer."
    )


def test_nothing_touches_the_global_generator() -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]  # noqa: NPY002
    for make in SAMPLERS:
        make().sample(rng())
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index,union-attr]  # noqa: NPY002
