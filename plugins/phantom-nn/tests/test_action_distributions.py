from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_nn import ActionDistribution, make_distribution

SPACES = {
    "discrete": gym.spaces.Discrete(4, start=-1),
    "multi-discrete": gym.spaces.MultiDiscrete([2, 3], start=[5, 0]),
    "multi-binary": gym.spaces.MultiBinary(3),
    "box": gym.spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 10.0], np.float32)),
}


def streams(number: int, seed: int = 1) -> ph.RowStreams:
    stream = ph.seeding.UniformStream(ph.seeding.make_rng(seed))
    return ph.RowStreams([stream] * number)


def make(name: str, rows: int = 5) -> tuple[ActionDistribution, Any, Any, Any]:
    """Return a distribution, outputs and extra in float64, and actions drawn from it."""
    distribution = make_distribution(SPACES[name])
    rng = np.random.default_rng(3)
    outputs = rng.normal(size=(rows, distribution.num_outputs))
    extra = rng.normal(size=distribution.num_extra) * 0.3
    return distribution, outputs, extra, distribution.sample(outputs, extra, streams(rows))


def slope(function: Callable[[Any], float], point: Any) -> Any:
    """Return the derivative of a function by central differences."""
    found = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        step = np.zeros_like(point)
        step[index] = 1e-6
        found[index] = (function(point + step) - function(point - step)) / 2e-6
    return found


@pytest.mark.parametrize("name", SPACES)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    distribution, outputs, extra, actions = make(name)
    weights = np.random.default_rng(4).normal(size=len(outputs))

    def weighted(outputs: Any, extra: Any) -> float:
        found = distribution.likelihood(outputs, extra, actions)
        return float(weights @ found.log_prob + 0.7 * found.entropy.sum())

    d_outputs, d_extra = distribution.likelihood(outputs, extra, actions).gradients(weights, 0.7)
    assert d_outputs == pytest.approx(slope(lambda o: weighted(o, extra), outputs), abs=1e-7)
    if distribution.num_extra:
        assert d_extra == pytest.approx(slope(lambda e: weighted(outputs, e), extra), abs=1e-7)


@pytest.mark.parametrize("name", ["discrete", "multi-discrete"])
def test_gradients_agree_with_finite_differences_behind_a_mask(name: str) -> None:
    distribution, outputs, extra, _ = make(name)
    mask = np.tile([True, False, True, True, True][: distribution.mask_width], (len(outputs), 1))
    actions = distribution.sample(outputs, extra, streams(len(outputs)), mask)

    def weighted(outputs: Any) -> float:
        found = distribution.likelihood(outputs, extra, actions, mask)
        return float(found.log_prob.sum() + 0.7 * found.entropy.sum())

    d_outputs, _ = distribution.likelihood(outputs, extra, actions, mask).gradients(np.ones(5), 0.7)
    assert d_outputs == pytest.approx(slope(weighted, outputs), abs=1e-7)
    assert not d_outputs[~mask].any()


@pytest.mark.parametrize("name", ["discrete", "multi-discrete", "multi-binary"])
def test_probabilities_of_all_actions_add_up_to_one_and_match_what_is_drawn(name: str) -> None:
    distribution, outputs, extra, _ = make(name, rows=1)
    drawn = distribution.sample(np.repeat(outputs, 4000, axis=0), extra, streams(4000))
    actions, counts = np.unique(drawn.reshape(4000, -1), axis=0, return_counts=True)
    actions = actions.reshape(-1, *drawn.shape[1:])
    found = distribution.likelihood(np.repeat(outputs, len(actions), axis=0), extra, actions)
    probabilities = np.exp(found.log_prob)
    assert probabilities.sum() == pytest.approx(1.0, abs=0.01)  # but for what was never drawn
    assert counts / 4000 == pytest.approx(probabilities, abs=0.03)
    assert found.entropy[0] == pytest.approx(-(probabilities @ np.log(probabilities)), abs=0.02)


@pytest.mark.parametrize("name", SPACES)
def test_what_is_drawn_and_what_is_likeliest_is_in_the_space(name: str) -> None:
    distribution, outputs, _, actions = make(name, rows=50)
    for stored in (actions, distribution.mode(outputs)):
        for action in distribution.to_env(stored):
            assert action in SPACES[name]


@pytest.mark.parametrize("name", ["discrete", "multi-discrete", "multi-binary"])
def test_the_likeliest_action_has_the_highest_probability(name: str) -> None:
    distribution, outputs, extra, _ = make(name, rows=1)
    best = distribution.likelihood(outputs, extra, distribution.mode(outputs)).log_prob[0]
    drawn = distribution.sample(np.repeat(outputs, 200, axis=0), extra, streams(200))
    every = distribution.likelihood(np.repeat(outputs, 200, axis=0), extra, drawn).log_prob
    assert best == pytest.approx(every.max())


def test_a_masked_action_is_never_drawn_never_likeliest_and_has_probability_0() -> None:
    distribution = make_distribution(gym.spaces.Discrete(3))
    outputs = np.array([[0.0, 50.0, 1.0]], np.float32).repeat(300, axis=0)
    mask = np.array([[True, False, True]]).repeat(300, axis=0)
    drawn = distribution.sample(outputs, np.empty(0), streams(300), mask)
    assert set(drawn.tolist()) == {0, 2}
    assert set(distribution.mode(outputs, mask).tolist()) == {2}
    found = distribution.likelihood(outputs[:2], np.empty(0), np.array([0, 2]), mask[:2])
    p = 1.0 / (1.0 + np.e)
    assert np.exp(found.log_prob) == pytest.approx([p, 1.0 - p])
    assert found.entropy == pytest.approx([-(p * np.log(p) + (1 - p) * np.log(1 - p))] * 2)


def test_gaussian_actions_are_stored_unclipped_and_scaled_to_finite_bounds_for_the_env() -> None:
    distribution = make_distribution(SPACES["box"])
    stored = np.array([[0.0, 0.0], [-1.0, 1.0], [0.5, -3.0]], np.float32)
    assert distribution.to_env(stored).tolist() == [[0.0, 5.0], [-2.0, 10.0], [1.0, 0.0]]
    means = np.full((100, 2), 5.0, np.float32)
    assert distribution.sample(means, np.zeros(2), streams(100)).min() > 1.0


def test_gaussian_actions_without_two_bounds_are_not_scaled() -> None:
    space = gym.spaces.Box(np.array([-np.inf, 0.0]), np.array([np.inf, np.inf]), dtype=np.float64)
    assert make_distribution(space).to_env(np.array([[7.0, -3.0]])).tolist() == [[7.0, 0.0]]


def test_the_density_of_a_gaussian_is_the_formula() -> None:
    distribution = make_distribution(gym.spaces.Box(-np.inf, np.inf, (1,)))
    found = distribution.likelihood(np.array([[1.0]]), np.log([2.0]), np.array([[4.0]]))
    assert found.log_prob[0] == pytest.approx(-0.5 * 1.5**2 - np.log(2.0) - 0.5 * np.log(2.0 * np.pi))
    assert found.entropy[0] == pytest.approx(np.log(2.0) + 0.5 * np.log(2.0 * np.pi * np.e))


def test_a_gaussian_draws_with_its_mean_and_deviation() -> None:
    distribution = make_distribution(gym.spaces.Box(-np.inf, np.inf, (2,)))
    means = np.tile([1.0, -1.0], (20_000, 1))
    drawn = distribution.sample(means, np.log([0.5, 2.0]), streams(20_000))
    assert drawn.mean(axis=0) == pytest.approx([1.0, -1.0], abs=0.05)
    assert drawn.std(axis=0) == pytest.approx([0.5, 2.0], rel=0.03)


def test_arrays_of_choices_and_bits_keep_their_shape() -> None:
    for space in (gym.spaces.MultiDiscrete([[2, 3], [4, 5]]), gym.spaces.MultiBinary([2, 2])):
        distribution = make_distribution(space)
        outputs = np.zeros((3, distribution.num_outputs), np.float32)
        actions = distribution.sample(outputs, np.empty(0), streams(3))
        assert actions.shape == (3, 2, 2)
        assert all(action in space for action in actions)
        assert distribution.likelihood(outputs, np.empty(0), actions).log_prob.shape == (3,)


@pytest.mark.parametrize(
    "space", [gym.spaces.Box(0, 5, (2,), np.int64), gym.spaces.Text(3), gym.spaces.Tuple([])]
)
def test_a_space_without_a_distribution_is_refused(space: gym.Space[Any]) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make_distribution(space)
    assert str(caught.value) == (
        f"An actor-critic cannot act in {space}. Use Discrete, MultiDiscrete, MultiBinary or a Box of floats."
    )
