"""Means over seeds, standard errors, and quantiles of Student's t, against numbers worked out by hand."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom_experiments.estimates import Estimate, estimate, t_quantile

TABLE = {  # Fisher and Yates' table, to ten digits
    (0.95, 1): 6.3137515147,
    (0.975, 1): 12.7062047362,
    (0.995, 1): 63.6567411629,
    (0.95, 2): 2.9199855804,
    (0.975, 2): 4.3026527297,
    (0.995, 2): 9.9248432009,
    (0.975, 5): 2.5705818356,
    (0.995, 5): 4.0321429836,
    (0.95, 9): 1.8331129327,
    (0.975, 9): 2.2621571628,
    (0.975, 30): 2.0422724563,
    (0.995, 30): 2.7499956536,
    (0.975, 100): 1.9839715185,
    (0.995, 100): 2.6258905214,
    (0.975, 1000): 1.9623390808,
    (0.995, 1000): 2.5807546981,
}


@pytest.mark.parametrize(("probability", "df"), TABLE)
def test_quantiles_of_students_t_are_those_of_the_table(probability: float, df: int) -> None:
    assert t_quantile(probability, df) == pytest.approx(TABLE[probability, df], abs=1e-9)
    assert t_quantile(1 - probability, df) == pytest.approx(-TABLE[probability, df], abs=1e-9)


def test_one_and_two_degrees_of_freedom_have_closed_forms() -> None:
    for probability in (0.51, 0.6, 0.75, 0.9, 0.999, 0.99999):
        cauchy = math.tan(math.pi * (probability - 0.5))
        assert t_quantile(probability, 1) == pytest.approx(cauchy, rel=1e-9)
        two = (2 * probability - 1) * math.sqrt(1 / (2 * probability * (1 - probability)))
        assert t_quantile(probability, 2) == pytest.approx(two, rel=1e-9)


@given(st.floats(0.501, 0.9995), st.integers(1, 400))
def test_a_quantile_grows_with_the_probability_and_shrinks_to_the_normal_one(
    probability: float, df: int
) -> None:
    assert t_quantile(probability, df) > t_quantile(probability, df + 1)
    assert t_quantile(probability, df) > statistics.NormalDist().inv_cdf(probability)
    assert t_quantile(probability, df) < t_quantile(probability + 1e-4, df)


@pytest.mark.parametrize(("probability", "df"), [(0.0, 3), (1.0, 3), (0.5, 0), (math.nan, 3)])
def test_a_quantile_that_is_none_is_refused(probability: float, df: int) -> None:
    with pytest.raises(ValueError, match="There is no quantile") as caught:
        t_quantile(probability, df)
    assert str(caught.value) == (
        f"There is no quantile {probability} of Student's t with {df} degrees of freedom. Expected a "
        "probability between 0 and 1, and at least 1 degree of freedom."
    )


def test_the_standard_error_of_one_point_is_the_deviation_of_the_sample_over_the_root_of_n() -> None:
    values = [3.0, 5.0, 4.0, 8.0]
    found = estimate({0: dict(enumerate(values))})
    assert (found.n, found.mean) == (4, 5.0)
    assert found.se == pytest.approx(statistics.stdev(values) / 2)  # √4
    low, high = found.interval(0.95)
    assert (low, high) == pytest.approx((5 - 3.182446305 * found.se, 5 + 3.182446305 * found.se))


def test_points_that_share_seeds_are_not_pooled_as_if_they_were_independent() -> None:
    shared = {0: {1: 1.0, 2: 3.0, 3: 5.0}, 1: {1: 1.0, 2: 3.0, 3: 5.0}}
    assert estimate(shared).se == pytest.approx(estimate({0: shared[0]}).se)  # not smaller by √2
    opposed = {0: {1: 1.0, 2: 3.0}, 1: {1: 3.0, 2: 1.0}}
    assert estimate(opposed) == Estimate(2, 2.0, 0.0)


@given(
    st.lists(st.lists(st.floats(-100, 100), min_size=3, max_size=3), min_size=1, max_size=4),
)
def test_with_all_seeds_at_all_points_it_is_the_estimate_of_the_averages_over_points(
    rows: list[list[float]],
) -> None:
    found = estimate({point: dict(enumerate(row)) for point, row in enumerate(rows)})
    averages = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    assert found.mean == pytest.approx(statistics.fmean(averages), abs=1e-9)
    assert found.se == pytest.approx(statistics.stdev(averages) / math.sqrt(3), abs=1e-9)


def test_a_point_weighs_the_same_however_many_of_its_seeds_are_missing() -> None:
    found = estimate({0: {1: 0.0, 2: 2.0}, 1: {1: 10.0}})
    assert (found.n, found.mean) == (2, 5.5)
    # z(1) = (0 − 1)/2/2 + 0, z(2) = (2 − 1)/2/2; se² = 2/1 · (1/16 + 1/16)
    assert found.se == pytest.approx(0.5)


def test_one_seed_has_a_mean_but_no_spread_and_none_has_nothing() -> None:
    alone, nothing = estimate({0: {1: 4.0}}), estimate({})
    assert (alone.n, alone.mean, math.isnan(alone.se)) == (1, 4.0, True)
    assert all(map(math.isnan, alone.interval()))
    assert (nothing.n, math.isnan(nothing.mean), math.isnan(nothing.se)) == (0, True, True)
