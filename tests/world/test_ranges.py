"""Values of a parameter to go through: which values a range has, and what it refuses."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph


@pytest.mark.parametrize(
    ("values_of", "values"),
    [
        (ph.ranges.UniformRange(0, 3), [0, 1, 2]),
        (ph.ranges.UniformRange(0, 3, 2), [0, 2]),
        (ph.ranges.UniformRange(3, 0, -1), [3, 2, 1]),
        (ph.ranges.UniformRange(0.0, 1.0, 0.25), [0.0, 0.25, 0.5, 0.75]),
        (ph.ranges.UniformRange(1, 1.3, 0.1), [1.0, 1.1, 1.2]),  # rounding does not bring 1.3 back
        (ph.ranges.LinspaceRange(0, 1, 3), [0.0, 0.5, 1.0]),
        (ph.ranges.LinspaceRange(2, 9, 1), [2.0]),
    ],
    ids=str,
)
def test_a_range_has_these_values(values_of: ph.ranges.Range[Any], values: list[float]) -> None:
    assert list(values_of.values()) == pytest.approx(values)


def test_the_type_of_the_values_may_be_chosen() -> None:
    assert np.asarray(ph.ranges.UniformRange(0, 3).values()).dtype.kind == "i"
    assert np.asarray(ph.ranges.UniformRange(0, 3, dtype=np.float32).values()).dtype == np.float32
    assert np.asarray(ph.ranges.LinspaceRange(0, 4, 5, dtype=int).values()).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arrays", "plain"),
    [
        (ph.ranges.UnitArrayUniformRange(0, 3), ph.ranges.UniformRange(0, 3)),
        (ph.ranges.UnitArrayLinspaceRange(0, 1, 3), ph.ranges.LinspaceRange(0, 1, 3)),
    ],
)
def test_unit_array_ranges_have_the_same_values_as_arrays_of_one(
    arrays: ph.ranges.Range[Any], plain: ph.ranges.Range[Any]
) -> None:
    assert [value.shape for value in arrays.values()] == [(1,)] * 3
    assert [value.item() for value in arrays.values()] == list(plain.values())


def test_a_range_says_its_name() -> None:
    assert repr(ph.ranges.UniformRange(0, 3, name="price")) == "<UniformRange name='price'>"
    assert repr(ph.ranges.LinspaceRange(0, 1, 3)) == "<LinspaceRange>"


@given(st.floats(-100, 100), st.integers(1, 50), st.floats(0.01, 10), st.booleans())
def test_a_uniform_range_stops_before_its_end(start: float, count: int, step: float, down: bool) -> None:  # noqa: FBT001  drawn
    step = -step if down else step
    values = np.asarray(ph.ranges.UniformRange(start, start + count * step, step).values())
    assert len(values) == count
    assert values == pytest.approx(start + step * np.arange(count))


@pytest.mark.parametrize(("start", "end", "step"), [(0, 3, 0), (0, 3, -1), (3, 0, 1), (1, 1, 1)])
def test_a_range_without_values_is_refused(start: int, end: int, step: int) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.ranges.UniformRange(start, end, step)
    assert str(caught.value) == (
        f"UniformRange got start={start}, end={end} and step={step}, which gives no value. Expected a step "
        "other than 0 that leads from start to end."
    )


def test_a_linspace_needs_at_least_one_value() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.ranges.LinspaceRange(0, 1, 0)
    assert str(caught.value) == "LinspaceRange got n=0. Expected at least one value."
