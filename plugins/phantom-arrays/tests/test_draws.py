"""What draws are: their algorithm by known answers, their distributions, and what they do not depend on."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import phantom_core as ph
from phantom_arrays import Draws
from phantom_arrays.counter_bits import GOLDEN, episode_key, mix, mixed_int, step_keys

SIGMAS = 4.5
"""No statistic may be further from its mean; all seeds are fixed, so that it never is."""


def draws(
    seeds: Any = (1,),
    size: int = 1000,
    step: int = 0,
    *,
    name: str = "shops",
    path: tuple[Any, ...] = ("act",),
) -> Draws:
    """Return the draws of a population in copies of one size, in a step."""
    found = Draws(name, np.full(len(seeds), size))
    keys = np.array([episode_key(seed) for seed in seeds], np.uint64)
    found.begin_step(step_keys(keys, np.full((1, len(seeds)), step)), 0)
    found.enter(path)
    return found


def chi_square(found: NDArray[np.int64], expected: NDArray[np.float64]) -> float:
    """Return how many standard deviations χ² is above its mean."""
    counts = np.bincount(found, minlength=len(expected))
    statistic = float(((counts - expected) ** 2 / expected).sum())
    degrees = len(expected) - 1
    return (statistic - degrees) / math.sqrt(2 * degrees)


def test_the_bits_are_those_of_splitmix64() -> None:
    known = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]  # of the reference code, seed 0
    states = np.array([GOLDEN * n % 2**64 for n in (1, 2, 3)], np.uint64)
    assert mix(states.copy(), np.empty_like(states)).tolist() == known
    assert [mixed_int(int(state)) for state in states] == known


def test_a_draw_is_what_the_page_says() -> None:
    name = ph.seeding.name_key(("shops", "act", 1))
    found = draws([7], 3, step=4)
    found.bits()
    expected = [
        mixed_int(mixed_int(mixed_int(7 + GOLDEN) + 4 * GOLDEN) + name + (i + 1) * GOLDEN) for i in range(3)
    ]
    assert found.bits().tolist() == expected


def test_uniform_draws_have_53_bits() -> None:
    bits, unit = draws().bits(), draws().uniform()
    assert unit.tolist() == [(int(one) >> 11) * 2.0**-53 for one in bits]
    assert 0.0 <= unit.min() <= unit.max() < 1.0


@pytest.mark.parametrize(("low", "high"), [(0, 7), (-3, 5), (10, 11), (0, 2**32)])
def test_integers_are_scaled_bits(low: int, high: int) -> None:
    bits = draws().bits()
    expected = [low + ((int(one) >> 32) * (high - low) >> 32) for one in bits]
    assert draws().integers(low, high).tolist() == expected
    bounds = np.full(1000, low), np.full(1000, high)
    assert draws().integers(*bounds).tolist() == expected


@pytest.mark.parametrize("cells", [2, 10, 256, 1000])
def test_uniform_draws_are_uniform(cells: int) -> None:
    found = draws(size=200_000).uniform()
    assert abs(chi_square((found * cells).astype(np.int64), np.full(cells, 200_000 / cells))) < SIGMAS


@pytest.mark.parametrize("lag", [1, 2, 3, 100])
def test_neighbours_are_independent(lag: int) -> None:
    found = draws(size=200_000).uniform()
    pairs = (found[:-lag] * 16).astype(np.int64) * 16 + (found[lag:] * 16).astype(np.int64)
    assert abs(chi_square(pairs, np.full(256, len(pairs) / 256))) < SIGMAS
    assert abs(correlation(found[:-lag], found[lag:])) < SIGMAS


def correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the correlation of uniform draws, in standard deviations."""
    centred = (one - 0.5) * (other - 0.5)
    return float(centred.sum()) * 12 / math.sqrt(len(one))


def others() -> dict[str, Draws]:
    """Return draws that are called otherwise in one respect."""
    found = draws(size=100_000)
    found.bits()
    return {
        "seed": draws([2], 100_000),
        "far seed": draws([2**62 + 1], 100_000),
        "step": draws(size=100_000, step=1),
        "population": draws(size=100_000, name="banks"),
        "method": draws(size=100_000, path=("post",)),
        "draw": found,
    }


@pytest.mark.parametrize("what", ["seed", "far seed", "step", "population", "method", "draw"])
def test_draws_that_are_called_otherwise_are_independent(what: str) -> None:
    one, two = draws(size=100_000).uniform(), others()[what].uniform()
    assert abs(correlation(one, two)) < SIGMAS
    pairs = (one * 16).astype(np.int64) * 16 + (two * 16).astype(np.int64)
    assert abs(chi_square(pairs, np.full(256, len(pairs) / 256))) < SIGMAS


def test_the_draws_of_one_member_over_seeds_and_steps_are_independent() -> None:
    seeds = draws(range(20_000), 1).uniform()
    keys = np.full(20_000, episode_key(3), np.uint64)
    of_steps = draws(range(20_000), 1)
    of_steps.begin_step(step_keys(keys, np.arange(20_000)[None, :]), 0)
    of_steps.enter(("act",))
    for found in (seeds, of_steps.uniform()):
        assert abs(chi_square((found * 64).astype(np.int64), np.full(64, 20_000 / 64))) < SIGMAS
        assert abs(correlation(found[:-1], found[1:])) < SIGMAS


def test_each_bit_of_a_seed_changes_half_of_the_bits() -> None:
    one = draws([5], 2000).bits()
    for place in range(0, 63, 7):
        other = draws([5 ^ (1 << place)], 2000).bits()
        share = np.unpackbits((one ^ other).view(np.uint8)).mean()
        assert abs(share - 0.5) < SIGMAS * 0.5 / math.sqrt(64 * 2000)


def test_normal_draws_are_normal() -> None:
    found = draws(size=200_000).normal()
    moments = [found.mean(), (found**2).mean() - 1, (found**3).mean(), (found**4).mean() - 3]
    deviations = [1.0, math.sqrt(2), math.sqrt(15), math.sqrt(96)]
    for moment, deviation in zip(moments, deviations, strict=True):
        assert abs(moment) < SIGMAS * deviation / math.sqrt(200_000)
    below = np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in found[:50_000]])
    assert abs(chi_square((below * 50).astype(np.int64), np.full(50, 1000.0))) < SIGMAS
    assert np.array_equal(draws().normal(3.0, 2.0), 3.0 + 2.0 * draws().normal())


def test_exponential_draws_are_exponential() -> None:
    found = draws(size=100_000).exponential(2.0)
    below = 1 - np.exp(-found / 2.0)
    assert abs(chi_square((below * 50).astype(np.int64), np.full(50, 2000.0))) < SIGMAS
    assert found.min() >= 0.0


def test_choices_are_as_likely_as_their_weights() -> None:
    weights = np.array([1.0, 0.0, 3.0, 4.0, 2.0, 0.0])
    found = draws(size=100_000).choice(weights)
    assert set(found.tolist()) == {0, 2, 3, 4}
    kept = np.array([0, -1, 1, 2, 3, -1])[found]
    assert abs(chi_square(kept, np.array([10_000.0, 30_000, 40_000, 20_000]))) < SIGMAS
    by_row = draws(size=100_000).choice(np.tile(weights, (100_000, 1)))
    assert np.array_equal(found, by_row)


def test_permutations_are_equally_likely() -> None:
    found = draws(range(30_000), 3).permutation().reshape(-1, 3)
    assert (np.sort(found, 1) == [0, 1, 2]).all()
    assert abs(chi_square(found[:, 0] * 2 + (found[:, 1] > found[:, 2]), np.full(6, 5000.0))) < SIGMAS


def test_every_other_member_is_equally_likely() -> None:
    found = draws(range(20_000), 4).other_member()
    integers = draws(range(20_000), 4).integers(3)
    members = np.tile(np.arange(4), 20_000)
    assert np.array_equal(found, np.where(integers < members, integers, integers + 1))
    for member in range(4):
        chosen = found[members == member]
        assert member not in chosen
        assert abs(chi_square((chosen - member) % 4 - 1, np.full(3, 20_000 / 3))) < SIGMAS


KINDS = {
    "bits": lambda d: d.bits(),
    "uniform": lambda d: d.uniform(),
    "bounds": lambda d: d.uniform(-2.0, 3.0),
    "integers": lambda d: d.integers(2, 19),
    "normal": lambda d: d.normal(1.0, 2.0),
    "exponential": lambda d: d.exponential(0.3),
    "choice": lambda d: d.choice([1.0, 2.0, 4.0]),
    "permutation": lambda d: d.permutation(),
    "other member": lambda d: d.other_member(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 7, 100, 20_000])
def test_a_copy_draws_what_it_draws_alone(kind: str, size: int) -> None:
    if kind == "other member" and size == 1:
        return  # there is none
    seeds = [4, 5, 2**40, 4]
    together = KINDS[kind](draws(seeds, size)).reshape(len(seeds), size)
    for own, seed in zip(together, seeds, strict=True):
        assert own.tobytes() == KINDS[kind](draws([seed], size)).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_copies_of_several_sizes_draw_what_they_draw_alone(kind: str) -> None:
    sizes, seeds = [3, 2 if kind == "other member" else 1, 200, 17], [8, 9, 10, 11]
    found = Draws("shops", np.array(sizes))
    keys = np.array([episode_key(seed) for seed in seeds], np.uint64)
    found.begin_step(step_keys(keys, np.zeros((1, 4), np.int64)), 0)
    found.enter(("act",))
    parts = np.split(KINDS[kind](found), np.cumsum(sizes)[:-1])
    for part, size, seed in zip(parts, sizes, seeds, strict=True):
        assert part.tobytes() == KINDS[kind](draws([seed], size)).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_draws_made_ahead_are_those_of_their_steps(kind: str) -> None:
    keys = np.array([episode_key(seed) for seed in (1, 2)], np.uint64)
    ahead = Draws("shops", np.array([5, 5]))
    block = step_keys(keys, np.arange(4)[:, None])
    for step in range(4):
        ahead.begin_step(block, step)
        ahead.enter(("act",))
        for _ in range(2):  # the second draw of a call is ahead, too
            found = KINDS[kind](ahead)
        one = draws([1, 2], 5, step=step)
        KINDS[kind](one)
        assert found.tobytes() == KINDS[kind](one).tobytes()


def test_a_large_population_is_drawn_in_blocks() -> None:
    assert draws(size=40_000).bits()[:1000].tolist() == draws(size=1000).bits().tolist()


MISTAKES = [
    (
        lambda d: d.integers(0),
        (
            "draw.integers(0) of 'shops': expected integers with low < high, at most 2**32 of them. With one "
            "argument n it draws from 0 to n - 1."
        ),
    ),
    (
        lambda d: d.integers(3, 3.5),
        (
            "draw.integers(3, 3.5) of 'shops': expected integers with low < high, at most 2**32 of them. "
            "With one argument n it draws from 0 to n - 1."
        ),
    ),
    (
        lambda d: d.choice([1.0, -1.0]),
        (
            "draw.choice() of 'shops' got weights of shape (2,): [1.0, -1.0]. Expected K finite numbers "
            "that are not negative, nor all zero, or such numbers for each of the 10 rows."
        ),
    ),
    (
        lambda d: d.choice(np.zeros((3, 2))),
        (
            "draw.choice() of 'shops' got weights of shape (3, 2): array([[0., 0.],\n       [0., 0.],\n     "
            "  [0., 0.]]). Expected K finite numbers that are not negative, nor all zero, or such numbers "
            "for each of the 10 rows."
        ),
    ),
    (
        lambda d: d.normal(np.zeros(3)),
        (
            "A draw of 'shops' got loc of shape (3,). Expected a number, or an array with one for each of "
            "its 10 rows."
        ),
    ),
]


@pytest.mark.parametrize("sizes", [[1], [3, 1]])
def test_a_member_that_is_alone_has_no_other(sizes: list[int]) -> None:
    with pytest.raises(ph.errors.EnvError) as raised:
        Draws("shops", np.array(sizes)).other_member()
    assert str(raised.value) == (
        "draw.other_member() of 'shops': a copy has 1 member. Expected at least 2 members in each copy."
    )


@pytest.mark.parametrize(("draw", "message"), MISTAKES)
def test_what_cannot_be_drawn_is_named(draw: Any, message: str) -> None:
    with pytest.raises(ph.errors.EnvError) as raised:
        draw(draws(size=10))
    assert str(raised.value) == message


def test_draws_outside_of_an_episode_are_refused() -> None:
    with pytest.raises(ph.errors.EnvError) as raised:
        Draws("shops", np.array([3])).uniform()
    assert str(raised.value) == (
        "'shops' draws outside of an episode. Draw in the methods that an env calls while it is reset or "
        "stepped."
    )
