from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_ppo import MLPActorCriticPolicy
from phantom_ppo.numpy_backend import NumpyBackend
from phantom_ppo.ppo_loss import LossSettings, Samples
from phantom_ppo.twin_mlp import TwinMLP

OBSERVATIONS = gym.spaces.Box(-1.0, 1.0, (3,))
ACTIONS = {
    "discrete": gym.spaces.Discrete(4),
    "multi-discrete": gym.spaces.MultiDiscrete([2, 3]),
    "multi-binary": gym.spaces.MultiBinary(3),
    "box": gym.spaces.Box(-2.0, 2.0, (2,)),
}
SETTINGS = LossSettings(
    learning_rate=1e-3,
    clip_range=0.2,
    entropy_coefficient=0.05,
    value_coefficient=0.5,
    clip_range_value=0.3,
    max_grad_norm=0.5,
    max_kl=None,
)


def make(name: str, activation: str = "tanh", *, masked: bool = False) -> tuple[Any, NumpyBackend, Samples]:
    """Return a float64 network, its backend, and samples whose ratios are on both sides of the clip."""
    policy = MLPActorCriticPolicy(OBSERVATIONS, ACTIONS[name])
    policy.network = network = TwinMLP(
        3,
        (5, 4),
        policy.distribution.num_outputs,
        policy.distribution.num_extra,
        activation=activation,  # type: ignore[arg-type]  # a parameter of the test
        dtype=np.float64,
    )
    rng = np.random.default_rng(1)
    network.parameters[:] = rng.normal(size=network.parameters.size) * 0.5
    features = rng.normal(size=(12, 3))
    mask = np.ones((12, policy.distribution.mask_width), dtype=bool)
    mask[:, 1:2] = not masked
    stream = ph.seeding.UniformStream(ph.seeding.make_rng(1))
    outputs = network.policy_outputs(features)
    actions = policy.distribution.sample(
        outputs, network.extra, ph.RowStreams([stream] * 12), mask if masked else None
    )
    backend = NumpyBackend(policy)
    log_probs, values = backend.evaluate(features, mask if masked else None, actions)
    samples = Samples(
        features,
        mask if masked else None,
        actions,
        log_probs + rng.normal(size=12) * 0.2,
        values + rng.normal(size=12) * 0.4,
        rng.normal(size=12),
        values + rng.normal(size=12),
    )
    return network, backend, samples


def total_loss(backend: NumpyBackend, samples: Samples) -> float:
    terms = backend.loss(samples, SETTINGS)
    return (
        terms.policy_loss
        + SETTINGS.value_coefficient * terms.value_loss
        - SETTINGS.entropy_coefficient * terms.entropy
    )


def assert_gradient_is_slope(network: TwinMLP, backend: NumpyBackend, samples: Samples) -> None:
    backend.loss(samples, SETTINGS)
    gradient, slopes = network.gradient.copy(), np.zeros(network.parameters.size)
    for index in range(network.parameters.size):
        here = network.parameters[index]
        network.parameters[index] = here + 1e-6
        above = total_loss(backend, samples)
        network.parameters[index] = here - 1e-6
        slopes[index] = (above - total_loss(backend, samples)) / 2e-6
        network.parameters[index] = here
    assert gradient == pytest.approx(slopes, abs=2e-8, rel=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("name", ACTIONS)
def test_the_gradient_of_the_whole_loss_agrees_with_finite_differences(name: str, activation: str) -> None:
    assert_gradient_is_slope(*make(name, activation))


def test_the_gradient_agrees_with_finite_differences_behind_a_mask() -> None:
    assert_gradient_is_slope(*make("discrete", masked=True))


def test_the_samples_of_these_tests_are_clipped_and_unclipped() -> None:
    _, backend, samples = make("discrete")
    assert 0.0 < backend.loss(samples, SETTINGS).clip_fraction < 1.0


@pytest.mark.parametrize("hidden_sizes", [(), (7,), (3, 4, 5)])
def test_forward_is_the_formula_and_the_same_as_each_network_alone(hidden_sizes: tuple[int, ...]) -> None:
    network = TwinMLP(3, hidden_sizes, 2, dtype=np.float64)
    network.initialise(np.random.default_rng(1))
    features = np.random.default_rng(2).normal(size=(6, 3))
    named = network.layout.views(network.parameters)
    expected = []
    for tower, head in enumerate(("actor", "critic")):
        hidden = features
        for layer in range(len(hidden_sizes)):
            weights, bias = named[f"hidden{layer}.weights"], named[f"hidden{layer}.bias"]
            hidden = np.tanh(hidden @ weights[tower] + bias[tower])
        expected.append(hidden @ named[f"{head}.weights"] + named[f"{head}.bias"])
    outputs, values = network.forward(features)
    assert outputs == pytest.approx(expected[0])
    assert values == pytest.approx(expected[1])
    assert network.policy_outputs(features) == pytest.approx(outputs)
    assert network.values(features) == pytest.approx(values[:, 0])


def test_networks_begin_with_orthogonal_weights_and_their_gains() -> None:
    network = TwinMLP(8, (64, 64), 4)
    network.initialise(np.random.default_rng(1))
    named = network.layout.views(network.parameters)
    for tower in (0, 1):
        first = named["hidden0.weights"][tower]
        assert first @ first.T == pytest.approx(2.0 * np.eye(8), abs=1e-5)
    actor, critic = named["actor.weights"], named["critic.weights"]
    assert actor.T @ actor == pytest.approx(1e-4 * np.eye(4), abs=1e-9)
    assert critic.T @ critic == pytest.approx(np.eye(1), abs=1e-5)
    assert not named["hidden0.bias"].any()
    assert network.parameters.dtype == np.float32
    assert network.parameters.size == 2 * (8 * 64 + 64 + 64 * 64 + 64) + 64 * 4 + 4 + 64 + 1


def test_a_policy_that_moved_too_far_makes_no_step() -> None:
    network, backend, samples = make("discrete")
    before = network.parameters.copy()
    terms, norm = backend.step(samples, replace(SETTINGS, max_kl=1e-6))
    assert terms.approx_kl > 1e-6
    assert norm is None
    assert network.parameters.tolist() == before.tolist()


def test_a_step_makes_the_loss_smaller() -> None:
    _, backend, samples = make("multi-discrete")
    before = total_loss(backend, samples)
    for _ in range(20):
        _, norm = backend.step(samples, SETTINGS)
        assert norm is not None
    assert total_loss(backend, samples) < before - 0.01


def test_a_smaller_minibatch_after_a_larger_one_has_its_own_gradient() -> None:
    network, backend, samples = make("box")
    backend.loss(samples[:5], SETTINGS)
    alone = network.gradient.copy()
    backend.loss(samples, SETTINGS)
    backend.loss(samples[:5], SETTINGS)
    assert network.gradient.tolist() == alone.tolist()
