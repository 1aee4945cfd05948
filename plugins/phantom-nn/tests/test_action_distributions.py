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
SPACES["dict"] = gym.spaces.Dict({"price": SPACES["box"], "shop": SPACES["discrete"]})
SPACES["tuple"] = gym.spaces.Tuple([SPACES["multi-discrete"], SPACES["dict"], SPACES["multi-binary"]])


def streams(number: int, seed: int = 1) -> ph.RowStreams:
    stream = ph.seeding.UniformStream(ph.seeding.make_rng(seed))
    return ph.RowStreams([stream] * number)


def make(name: str, rows: int = 5) -> tuple[ActionDistribution, Any, Any, Any]:
    """Return a distribution, outputs and extra in float64, and actions drawn from it."""
    distribution = make_distribution(SPACES[name])
    rng = np.random.default_rng(3)
    outputs = rng.normal(size=(rows, distribution.num_outputs))
    extra = rng.normal(size=distribution.num_extra) * 0.3
    return distribution, outputs, extra, draw(distribution, outputs, extra)


def draw(distribution: ActionDistribution, outputs: Any, extra: Any, mask: Any = None) -> Any:
    """Return an action for each row as an array."""
    stored = distribution.sample(outputs, extra, streams(len(outputs)), mask)
    return distribution.as_array(as_batch(stored))


def as_batch(actions: Any) -> Any:
    """Return dicts or tuples as a dict or tuple of batches; others as they are."""
    if isinstance(actions, list) and isinstance(actions[0], dict):
        return {key: as_batch([action[key] for action in actions]) for key in actions[0]}
    if isinstance(actions, list) and isinstance(actions[0], tuple):
        return tuple(as_batch(list(column)) for column in zip(*actions, strict=True))
    return np.asarray(actions)


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


@pytest.mark.parametrize("name", ["discrete", "multi-discrete", "dict"])
def test_gradients_agree_with_finite_differences_behind_a_mask(name: str) -> None:
    distribution, outputs, extra, _ = make(name)
    mask = np.tile([True, False, True, True, True][: distribution.mask_width], (len(outputs), 1))
    actions = draw(distribution, outputs, extra, mask)

    def weighted(outputs: Any) -> float:
        found = distribution.likelihood(outputs, extra, actions, mask)
        return float(found.log_prob.sum() + 0.7 * found.entropy.sum())

    d_outputs, _ = distribution.likelihood(outputs, extra, actions, mask).gradients(np.ones(5), 0.7)
    assert d_outputs == pytest.approx(slope(weighted, outputs), abs=1e-7)
    assert not d_outputs[:, -distribution.mask_width :][~mask].any()


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
    distribution, outputs, extra, _ = make(name, rows=50)
    for stored in (distribution.sample(outputs, extra, streams(50)), distribution.mode(outputs)):
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


def test_parts_are_independent_and_what_is_stored_is_an_element_that_no_box_clipped() -> None:
    joint, outputs, extra, actions = make("tuple")
    assert actions.shape == (5, *joint.shape) == (5, 8)  # 2 choices, 2 numbers and a choice, 3 bits
    found = joint.likelihood(outputs, extra, actions)
    columns = ((0, 5, 0, 2), (5, 7, 2, 4), (7, 11, 4, 5), (11, 14, 5, 8))  # outputs and actions of each part
    log_prob, entropy = np.zeros(5), np.zeros(5)
    for name, (first, end, begin, stop) in zip(
        ("multi-discrete", "box", "discrete", "multi-binary"), columns, strict=True
    ):
        own = make_distribution(SPACES[name])
        chosen = actions[:, begin:stop].reshape(5, *own.shape).astype(float if name == "box" else int)
        part = own.likelihood(outputs[:, first:end], extra[: own.num_extra], chosen)
        log_prob += part.log_prob
        entropy += part.entropy
    assert found.log_prob == pytest.approx(log_prob, rel=1e-12)
    assert found.entropy == pytest.approx(entropy, rel=1e-12)
    wide = joint.sample(np.full((5, 14), 4.0), extra, streams(5))
    assert wide[0][1]["price"].min() > 1.0
    played = joint.to_env(wide)
    assert played[0][1]["price"].tolist() == [2.0, 10.0]
    assert played[0][1]["shop"] == wide[0][1]["shop"]


def test_a_mask_has_an_entry_for_each_choice_of_the_parts_that_choose() -> None:
    space = gym.spaces.Dict(
        {"a": gym.spaces.Discrete(2), "b": gym.spaces.Box(-1, 1), "c": gym.spaces.Discrete(3)}
    )
    joint = make_distribution(space)
    assert joint.mask_width == 5
    mask = np.tile([False, True, True, False, False], (50, 1))
    drawn = joint.sample(np.zeros((50, 6)), np.zeros(1), streams(50), mask)
    assert {(action["a"], action["c"]) for action in drawn} == {(1, 0)}
    assert {(action["a"], action["c"]) for action in joint.mode(np.zeros((50, 6)), mask)} == {(1, 0)}


@pytest.mark.parametrize(
    "space", [gym.spaces.Box(0, 5, (2,), np.int64), gym.spaces.Text(3), gym.spaces.Tuple([])]
)
def test_a_space_without_a_distribution_is_refused(space: gym.Space[Any]) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make_distribution(space)
    assert str(caught.value) == (
        f"A network cannot act in {space}. Use Discrete, MultiDiscrete, MultiBinary or a Box of "
        "floats, or a Dict or Tuple of these."
    )
