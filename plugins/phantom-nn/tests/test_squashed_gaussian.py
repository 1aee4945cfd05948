import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_nn import SquashedDraw, SquashedGaussian

BOX = gym.spaces.Box(np.array([[-2.0], [0.0]], np.float32), np.array([[2.0], [10.0]], np.float32))


def streams(number: int) -> ph.RowStreams:
    return ph.RowStreams([ph.seeding.UniformStream(ph.seeding.make_rng(1, n)) for n in range(number)])


HALF_BOUNDED = gym.spaces.Box(np.array([-2.0, -np.inf], np.float32), np.array([2.0, np.inf], np.float32))


def loss(space: Any, outputs: Any, noise: Any, weights: tuple[Any, Any]) -> float:
    found = SquashedGaussian(space, "sac").draw(outputs, noise)
    return float((weights[0] * found.actions).sum() + weights[1] @ found.log_prob)


@pytest.mark.parametrize("space", [BOX, HALF_BOUNDED], ids=["bounded", "half-bounded"])
def test_gradients_through_actions_and_likelihoods_agree_with_finite_differences(space: Any) -> None:
    rng, distribution = np.random.default_rng(1), SquashedGaussian(space, "sac")
    outputs, noise = rng.normal(size=(8, 4)), rng.normal(size=(8, 2))
    outputs[0, 2], outputs[1, 3] = 2.5, -21.0  # clamped
    weights = rng.normal(size=(8, 2)), rng.normal(size=8)
    draw = distribution.draw(outputs, noise)
    found = distribution.output_gradients(outputs, *draw.gradients(*weights))
    assert found[0, 2] == found[1, 3] == 0.0
    for index in np.ndindex(outputs.shape):
        step = np.zeros_like(outputs)
        step[index] = 1e-6
        slope = (
            loss(space, outputs + step, noise, weights) - loss(space, outputs - step, noise, weights)
        ) / 2e-6
        assert found[index] == pytest.approx(slope, abs=1e-7, rel=1e-6)


def test_the_density_is_that_of_the_normal_over_the_slope_of_tanh() -> None:
    draw = SquashedDraw(np.array([[0.5]]), np.log([[2.0]]), np.array([[0.25]]))  # u = 1
    normal = -0.5 * 0.25**2 - math.log(2.0) - 0.5 * math.log(2.0 * math.pi)
    assert draw.actions.item() == pytest.approx(math.tanh(1.0))
    assert draw.log_prob.item() == pytest.approx(normal - math.log(1.0 - math.tanh(1.0) ** 2))


def test_without_bounds_the_density_is_that_of_the_normal() -> None:
    draw = SquashedDraw(np.array([[0.5]]), np.log([[2.0]]), np.array([[4.0]]), np.array([False]))
    assert draw.actions.item() == 8.5
    assert draw.log_prob.item() == pytest.approx(-8.0 - math.log(2.0) - 0.5 * math.log(2.0 * math.pi))


def test_gradients_of_the_first_rows_are_those_of_a_draw_of_these() -> None:
    rng = np.random.default_rng(1)
    columns = [rng.normal(size=(6, 2)) for _ in range(3)]
    d_actions, d_log_prob = rng.normal(size=(4, 2)), rng.normal(size=4)
    some = SquashedDraw(*columns).gradients(d_actions, d_log_prob)
    alone = SquashedDraw(*(column[:4] for column in columns)).gradients(d_actions, d_log_prob)
    for one, other in zip(some, alone, strict=True):
        assert one.tolist() == other.tolist()


def test_the_log_determinant_does_not_saturate() -> None:
    draw = SquashedDraw(
        np.array([[12.0]], np.float32), np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
    )
    # −log(1 − tanh²u) = 2 (u + softplus(−2u) − log 2), here 22.6
    assert draw.log_prob.item() == pytest.approx(24.0 - 2.0 * math.log(2.0) - 0.5 * math.log(2.0 * math.pi))
    assert draw.log_prob.dtype == np.float32


def test_densities_of_all_actions_add_up_to_one() -> None:
    raw = np.linspace(-12.0, 12.0, 200_001)[:, None]
    means, log_std = np.full_like(raw, 0.3), np.full_like(raw, math.log(0.8))
    draw = SquashedDraw(means, log_std, (raw - means) / 0.8)
    actions, density = draw.actions[:, 0], np.exp(draw.log_prob)
    assert ((density[1:] + density[:-1]) / 2.0) @ np.diff(actions) == pytest.approx(1.0, abs=1e-6)


def test_actions_have_the_shape_the_bounds_and_the_type_of_the_space() -> None:
    distribution = SquashedGaussian(BOX, "sac")
    outputs = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32) * 5.0
    for stored in (distribution.sample(outputs, streams(50)), distribution.mode(outputs)):
        assert stored.dtype == np.float32
        assert np.abs(stored).max() <= 1.0
        assert all(action in BOX for action in distribution.to_env(stored))
    assert distribution.to_env(np.array([[1.0, -1.0]])).tolist() == [[[2.0], [0.0]]]


def test_a_row_draws_by_itself() -> None:
    distribution, outputs = SquashedGaussian(BOX, "sac"), np.zeros((3, 4), np.float32)
    together = distribution.sample(outputs, streams(3))
    assert together[:1].tolist() == distribution.sample(outputs[:1], streams(1)).tolist()


def test_dimensions_without_two_bounds_are_not_scaled() -> None:
    space = gym.spaces.Box(np.array([-np.inf, 0.0]), np.array([np.inf, np.inf]), dtype=np.float64)
    assert SquashedGaussian(space, "sac").to_env(np.array([[0.7, -0.3]])).tolist() == [[0.7, 0.0]]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (gym.spaces.Discrete(2), "sac cannot act in Discrete(2). Use a Box of floats."),
        (
            gym.spaces.Box(0, 1, (0,)),
            (
                "sac cannot act in Box([], [], (0,), float32): its actions hold no number. Give it a policy "
                "that does not learn, such as 'random', or an action."
            ),
        ),
    ],
)
def test_other_spaces_are_refused(space: gym.Space[Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        SquashedGaussian(space, "sac")
    assert str(caught.value) == message
