import numpy as np
import pytest

from phantom_nn import FeatureScaler


def test_numbers_are_scaled_and_what_is_one_hot_is_not() -> None:
    scaler = FeatureScaler(np.array([True, False]), limit=1.5)
    rows = np.array([[1.0, 1.0], [3.0, 0.0]], np.float32)
    assert scaler(rows).tolist() == [[1.0, 1.0], [1.5, 0.0]]  # nothing was seen: clipped only
    scaler.see(rows)  # mean 2, deviation 1
    assert scaler(np.array([[3.0, 1.0], [9.0, 0.0]], np.float32)) == pytest.approx(
        np.array([[1.0, 1.0], [1.5, 0.0]])
    )
    assert scaler(rows).dtype == np.float32


def test_a_scaler_goes_on_where_another_was_saved() -> None:
    rows = np.random.default_rng(1).normal(3.0, 2.0, (20, 3)).astype(np.float32)
    scaler, other = (FeatureScaler(np.ones(3, np.bool_), limit=10.0) for _ in range(2))
    scaler.see(rows[:10])
    other.load_state_dict(scaler.state_dict())
    scaler.see(rows[10:])
    other.see(rows[10:])
    assert scaler(rows).tolist() == other(rows).tolist()
