from typing import Any

import numpy as np
import pytest

from phantom_nn import FlatAdam, ParameterLayout, RunningMoments, clip_norm, orthogonal, polyak


def test_views_and_vector_are_the_same_memory() -> None:
    layout = ParameterLayout({"a": (2, 2), "b": (), "c": (0,)})
    flat = np.arange(5.0)
    views = layout.views(flat)
    views["a"][1, 1] = 10.0
    views["b"][...] = 20.0
    assert flat.tolist() == [0.0, 1.0, 2.0, 10.0, 20.0]
    assert views["c"].shape == (0,)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 1)])
def test_orthogonal_matrices_are_orthogonal_and_have_their_gain(shape: tuple[int, int]) -> None:
    drawn = orthogonal(np.random.default_rng(1), *shape, gain=2.0)
    small = drawn.T @ drawn if shape[0] >= shape[1] else drawn @ drawn.T
    assert drawn.shape == shape
    assert small == pytest.approx(4.0 * np.eye(min(shape)), abs=1e-12)


def test_the_first_step_of_adam_goes_the_learning_rate_against_the_sign_of_the_gradient() -> None:
    parameters = np.zeros(3)
    FlatAdam(parameters).step(np.array([2.0, -0.5, 0.0]), 0.1)
    # m = (1−β₁)g and v = (1−β₂)g² are corrected to g and g²: the step is lr · g / (|g| + 1e-5)
    assert parameters == pytest.approx([-0.1 * 2.0 / 2.00001, 0.1 * 0.5 / 0.50001, 0.0])


def test_two_steps_of_adam_are_the_formula() -> None:
    parameters = np.zeros(1)
    adam = FlatAdam(parameters)
    adam.step(np.array([1.0]), 0.1)
    adam.step(np.array([3.0]), 0.1)
    mean, square = (0.9 * 0.1 + 0.1 * 3.0) / (1 - 0.81), (0.999 * 0.001 + 0.001 * 9.0) / (1 - 0.999**2)
    assert parameters == pytest.approx([-0.1 / 1.00001 - 0.1 * mean / (np.sqrt(square) + 1e-5)])


def test_adam_goes_on_bit_for_bit_where_it_was_saved() -> None:
    rng = np.random.default_rng(1)
    first, second = np.ones(5, np.float32), np.ones(5, np.float32)
    adam, other = FlatAdam(first), FlatAdam(second)
    gradients = rng.normal(size=(4, 5)).astype(np.float32)
    for gradient in gradients[:2]:
        adam.step(gradient, 0.01)
    other.load_state_dict(adam.state_dict())
    second[:] = first
    for gradient in gradients[2:]:
        adam.step(gradient, 0.01)
        other.step(gradient, 0.01)
    assert first.tolist() == second.tolist()


def test_a_long_gradient_is_scaled_down_and_a_short_one_left_alone() -> None:
    gradient: Any = np.array([3.0, 4.0])
    assert clip_norm(gradient, 10.0) == 5.0
    assert gradient.tolist() == [3.0, 4.0]
    assert clip_norm(gradient, 0.5) == 5.0
    assert gradient == pytest.approx([0.3, 0.4], rel=1e-6)


def test_running_moments_are_those_of_all_rows_at_once() -> None:
    rows = np.random.default_rng(1).normal(3.0, 2.0, size=(100, 2))
    moments = RunningMoments(2)
    for part in np.split(rows, [1, 10, 10, 60]):
        moments.update(part)
    assert moments.count == 100
    assert moments.mean == pytest.approx(rows.mean(axis=0))
    assert moments.variance == pytest.approx(rows.var(axis=0))
    other = RunningMoments(2)
    other.load_state_dict(moments.state_dict())
    assert other.scale.tolist() == moments.scale.tolist()


def test_moments_that_are_next_to_nothing_become_nothing() -> None:
    parameters = np.ones(2, np.float32)
    adam = FlatAdam(parameters)
    adam.step(np.array([1e-20, 1.0], np.float32), 0.1)
    for _ in range(255):
        adam.step(np.zeros(2, np.float32), 0.1)
    state = adam.state_dict()
    assert state["mean"][0] == state["square"][0] == 0.0
    assert state["mean"][1] > 0.0
    assert state["square"][1] > 0.0


def test_a_target_goes_part_of_the_way() -> None:
    target, source = np.array([0.0, 10.0]), np.array([1.0, 20.0])
    polyak(target, source, 0.1)
    assert target.tolist() == [0.1, 11.0]
    polyak(target, source, 1.0)
    assert target.tolist() == [1.0, 20.0]
