"""Losses, gradients and targets of `dqn`, against answers by hand and finite differences."""

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from phantom_dqn import MLPQPolicy
from phantom_dqn.numpy_q_backend import NumpyQBackend
from phantom_dqn.q_loss import Minibatch, huber, targets
from phantom_dqn.q_network import QNetwork
from phantom_dqn.q_step import StepSettings

OBSERVATIONS = gym.spaces.Box(-1.0, 1.0, (3,))
ACTIONS = {"discrete": gym.spaces.Discrete(4, start=2), "multi-discrete": gym.spaces.MultiDiscrete([2, 3])}
SETTINGS = StepSettings(learning_rate=1e-3, max_grad_norm=10.0, is_double=True, target_rate=0.1)


def make(
    name: str, *, is_dueling: bool = False, is_masked: bool = False, is_weighted: bool = False
) -> tuple[Any, NumpyQBackend, Minibatch]:
    """Return a float64 network, its backend with another target network, and a minibatch."""
    policy = MLPQPolicy(OBSERVATIONS, ACTIONS[name])
    policy.network = network = QNetwork(
        3, (6, 5), policy.branches, is_dueling=is_dueling, activation="tanh", dtype=np.float64
    )
    rng = np.random.default_rng(1)
    network.parameters[:] = rng.normal(size=network.parameters.size) * 0.6
    backend = NumpyQBackend(policy)
    network.parameters[:] += rng.normal(size=network.parameters.size) * 0.2
    mask = None
    if is_masked:
        mask = np.ones((12, policy.branches.num_options), np.bool_)
        mask[::2, 1] = False
    batch = Minibatch(
        rng.normal(size=(12, 3)),
        policy.branches.random(rng.random((12, len(policy.branches)))),
        rng.normal(size=12) * 2.0,
        np.where(rng.random(12) < 0.3, 0.0, 0.9),
        rng.normal(size=(12, 3)),
        mask,
        rng.random(12) if is_weighted else None,
    )
    return network, backend, batch


@pytest.mark.parametrize("is_masked", [False, True])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("is_dueling", [False, True])
@pytest.mark.parametrize("name", ACTIONS)
def test_the_gradient_of_the_loss_agrees_with_finite_differences(
    name: str, *, is_dueling: bool, is_weighted: bool, is_masked: bool
) -> None:
    network, backend, batch = make(name, is_dueling=is_dueling, is_weighted=is_weighted, is_masked=is_masked)
    # with double learning what the network prefers may change with it: far from a tie it does not
    for settings in (replace(SETTINGS, is_double=False), SETTINGS):
        backend.loss(batch, settings)
        gradient, slopes = backend.gradient.copy(), np.zeros(network.parameters.size)
        for index in range(network.parameters.size):
            here = network.parameters[index]
            network.parameters[index] = here + 1e-6
            above = backend.loss(batch, settings).loss
            network.parameters[index] = here - 1e-6
            slopes[index] = (above - backend.loss(batch, settings).loss) / 2e-6
            network.parameters[index] = here
        assert gradient == pytest.approx(slopes, abs=2e-8, rel=1e-6)


def test_targets_by_hand() -> None:
    rewards, discounts = np.array([1.0, 2.0]), np.array([0.5, 0.0])
    assert targets(rewards, discounts, np.array([[10.0], [7.0]])).tolist() == [6.0, 2.0]
    assert targets(rewards, discounts, np.array([[10.0, 20.0], [7.0, 7.0]])).tolist() == [8.5, 2.0]


def test_hubers_loss_by_hand() -> None:
    loss, slope = huber(np.array([[0.5], [-3.0]]))
    assert loss == pytest.approx((0.125 + 2.5) / 2)
    assert slope.tolist() == [[0.25], [-0.5]]
    loss, slope = huber(np.array([[0.5], [-3.0]]), np.array([1.0, 0.1]))
    assert loss == pytest.approx((0.125 + 0.25) / 2)
    assert slope == pytest.approx(np.array([[0.25], [-0.05]]))


class FixedNetwork(QNetwork):
    """Says what its table says for the one-hot features of 2 states."""


def fixed(own: Any, target: Any) -> tuple[NumpyQBackend, Minibatch]:
    policy = MLPQPolicy(gym.spaces.Discrete(2), gym.spaces.Discrete(2), hidden_sizes=())
    network: Any = policy.network
    views = network.layout.views(network.parameters)
    views["q.weights"][:] = target
    backend = NumpyQBackend(policy)
    views["q.weights"][:] = own
    one = np.ones(1, np.float32)
    batch = Minibatch(
        np.eye(2, dtype=np.float32)[:1],
        np.array([[0]]),
        one,
        0.5 * one,
        np.eye(2, dtype=np.float32)[1:],
        None,
    )
    return backend, batch


@pytest.mark.parametrize(("is_double", "goal"), [(True, 1.0 + 0.5 * 4.0), (False, 1.0 + 0.5 * 8.0)])
def test_double_learning_asks_the_target_network_about_the_others_favourite(
    goal: float, *, is_double: bool
) -> None:
    own = [[2.5, 0.0], [3.0, 1.0]]  # in state 1 it prefers action 0,
    target = [[0.0, 0.0], [4.0, 8.0]]  # of which the target network says 4; itself it prefers action 1
    backend, batch = fixed(own, target)
    report = backend.loss(batch, replace(SETTINGS, is_double=is_double))
    assert report.errors == pytest.approx([abs(2.5 - goal)])


def test_what_the_mask_forbids_is_not_counted_on() -> None:
    backend, batch = fixed([[2.5, 0.0], [3.0, 1.0]], [[0.0, 0.0], [4.0, 8.0]])
    masked = replace(batch, next_masks=np.array([[False, True]]))
    assert backend.loss(masked, SETTINGS).errors == pytest.approx([abs(2.5 - 5.0)])
    nothing = replace(batch, next_masks=np.array([[False, False]]), discounts=np.zeros(1, np.float32))
    assert backend.loss(nothing, SETTINGS).errors == pytest.approx([1.5])  # terminated: nobody acts there


@pytest.mark.parametrize("target_rate", [0.1, None])
def test_targets_of_several_steps_at_once_are_those_of_each(target_rate: float | None) -> None:
    settings, results = replace(SETTINGS, target_rate=target_rate), []
    for together in (True, False):
        network, backend, batch = make("multi-discrete")
        batches = [batch, replace(batch, rewards=batch.rewards + 1.0)]
        for group in [batches] if together else [[one] for one in batches]:
            backend.descend(group, settings)
        results.append(network.parameters.copy())
    assert results[0] == pytest.approx(results[1], abs=1e-12)


def test_the_target_network_follows_slowly_or_is_copied() -> None:
    network, backend, batch = make("discrete")
    before = backend.state_dict()["target"]
    backend.descend([batch], SETTINGS)
    assert backend.state_dict()["target"] == pytest.approx(before + 0.1 * (network.parameters - before))
    backend.descend([batch], replace(SETTINGS, target_rate=None))
    assert (backend.state_dict()["target"] != network.parameters).any()
    backend.copy_to_target()
    assert backend.state_dict()["target"].tolist() == network.parameters.tolist()


@pytest.mark.parametrize("name", ACTIONS)
def test_a_dueling_network_is_value_plus_centred_advantage(name: str) -> None:
    network, _, batch = make(name, is_dueling=True)
    value, advantage = network.infer(batch.features)
    sizes = [4] if name == "discrete" else [2, 3]
    parts = np.split(advantage, np.cumsum(sizes)[:-1], axis=1)
    expected = value + np.concatenate([part - part.mean(axis=1, keepdims=True) for part in parts], axis=1)
    assert network.q_values(batch.features) == pytest.approx(expected)
    assert network.evaluate_q(batch.features) == pytest.approx(expected)
    shapes = network.layout.shapes
    assert (shapes["hidden0.weights"], shapes["hidden1.weights"]) == ((3, 6), (2, 6, 5))
