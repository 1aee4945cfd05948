"""CMA-ES does what its formulas say, and goes on from a saved state as if it had not been saved."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_core as ph
from phantom_es import CMASearch


def search(n: int = 3, seed: int = 1, **options: Any) -> CMASearch:
    return CMASearch(np.zeros(n), 0.5, np.random.default_rng(seed), **options)


def ellipsoid(x: Any) -> float:
    """Earns most at (1, …, 1): there 0. Its longest axis is 100 times the shortest."""
    return -float(np.sum(10.0 ** np.linspace(0.0, 4.0, len(x)) * (x - 1.0) ** 2))


def run(one: CMASearch, generations: int, earned: Any = ellipsoid) -> list[Any]:
    """Search for some generations; return all candidates."""
    asked = []
    for _ in range(generations):
        candidates = one.ask()
        asked.append(np.array(candidates))
        one.tell(candidates, [earned(x) for x in candidates])
    return asked


def test_a_generation_has_4_plus_3_ln_n_candidates_drawn_around_the_mean() -> None:
    one = CMASearch(np.array([5.0, -5.0]), 0.1, np.random.default_rng(1))
    assert len(one.ask()) == 6  # 4 + floor(3 * 0.693)
    many = np.array(CMASearch(np.array([5.0, -5.0]), 0.1, np.random.default_rng(1), population=4000).ask())
    assert many.mean(axis=0) == pytest.approx([5.0, -5.0], abs=0.01)
    assert many.std(axis=0) == pytest.approx([0.1, 0.1], abs=0.005)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_the_mean_moves_to_the_weighted_best_half(covariance: str) -> None:
    one = search(population=6, covariance=covariance)
    candidates = one.ask()
    one.tell(candidates, [1.0, 6.0, 2.0, 5.0, 3.0, 4.0])
    weights = np.log(3.5) - np.log([1.0, 2.0, 3.0])  # w_i ∝ ln((λ + 1) / 2) − ln i
    best = np.array([candidates[1], candidates[3], candidates[5]])
    assert one.mean == pytest.approx(weights @ best / weights.sum())


def test_steps_in_one_direction_grow() -> None:
    one = search()
    run(one, 30, earned=lambda x: float(x[0]))
    assert one.mean[0] > 10.0
    assert one.deviations[0] > 5.0


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_it_finds_the_top_of_a_long_hill(covariance: str) -> None:
    one = search(5, covariance=covariance)
    run(one, 200)
    assert one.mean == pytest.approx(np.ones(5), abs=1e-4)
    assert one.deviations.max() < 1e-4


@given(
    n=st.integers(1, 12),
    seed=st.integers(0, 99),
    covariance=st.sampled_from(["full", "diagonal"]),
    population=st.sampled_from([None, 4, 11]),
    before=st.integers(0, 25),
)
@settings(max_examples=15, deadline=None)
def test_what_was_saved_goes_on_bit_for_bit(
    n: int, seed: int, covariance: str, population: int | None, before: int
) -> None:
    options: dict[str, Any] = {"covariance": covariance, "population": population}
    whole, first, second = search(n, seed, **options), search(n, seed, **options), search(n, 77, **options)
    expected = run(whole, before + 15)
    run(first, before)
    second.load_state_dict(first.state_dict())
    assert np.array_equal(run(second, 15), expected[before:])
    assert np.array_equal(second.mean, whole.mean)


def test_a_generation_in_which_all_earn_the_same_teaches_nothing() -> None:
    one = search()
    run(one, 3)
    before = one.state_dict()
    first, second = run(one, 2, earned=lambda _: 500.0)
    after = one.state_dict()
    for name in ("mean", "sigma", "pc", "sm.C", "countiter"):
        assert after["fields"][name] == pytest.approx(before["fields"][name])
    assert not np.array_equal(first, second)


def test_a_search_that_has_converged_stands_still() -> None:
    one = CMASearch(np.zeros(2), 1e-13, np.random.default_rng(1))
    run(one, 2)
    assert one.mean.tolist() == [0.0, 0.0]


def test_nothing_is_drawn_from_the_generator_of_the_process() -> None:
    before = repr(np.random.get_state())  # noqa: NPY002  what must not change
    run(search(), 3)
    assert repr(np.random.get_state()) == before  # noqa: NPY002  likewise


def test_the_state_of_another_search_is_refused() -> None:
    with pytest.raises(ph.errors.CheckpointError) as caught:
        search(3, covariance="diagonal").load_state_dict(search(2).state_dict())
    assert str(caught.value) == (
        "The saved search has 2 parameters, a full covariance and a population of 6, but this one has 3, "
        "diagonal and 7. Go on with the policy and the settings that it had."
    )
