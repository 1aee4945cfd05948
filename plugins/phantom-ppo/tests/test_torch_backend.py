"""The NumPy backend against PyTorch's autograd; `make check-integrations` installs torch and runs this."""

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

pytestmark = pytest.mark.integration
torch = pytest.importorskip("torch", reason="run make check-integrations", exc_type=ImportError)

OBSERVATIONS = gym.spaces.Box(-1.0, 1.0, (3,))
ACTIONS = {
    "discrete": gym.spaces.Discrete(4, start=2),
    "multi-discrete": gym.spaces.MultiDiscrete([2, 3], start=[1, 0]),
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


def make(name: str, dtype: type = np.float64, **options: Any) -> tuple[MLPActorCriticPolicy, Samples]:
    """Return a policy with a network of this type, and samples on both sides of the clip."""
    policy = MLPActorCriticPolicy(OBSERVATIONS, ACTIONS[name])
    sizes = policy.distribution.num_outputs, policy.distribution.num_extra
    policy.network = network = TwinMLP(3, (6, 5), *sizes, dtype=dtype, **options)
    rng = np.random.default_rng(1)
    network.parameters[:] = rng.normal(size=network.parameters.size) * 0.5
    features = rng.normal(size=(30, 3)).astype(dtype)
    masks = None
    if policy.distribution.mask_width:
        masks = np.ones((30, policy.distribution.mask_width), dtype=bool)
        masks[:15, 1] = False
    stream = ph.seeding.UniformStream(ph.seeding.make_rng(1))
    draws = ph.RowStreams([stream] * 30)
    actions = policy.distribution.sample(network.policy_outputs(features), network.extra, draws, masks)
    log_probs, values = NumpyBackend(policy).evaluate(features, masks, actions)
    advantages = rng.normal(size=30).astype(dtype)
    samples = Samples(
        features, masks, actions, log_probs, values, advantages, (values + advantages).astype(dtype)
    )
    return policy, samples


def shifted(samples: Samples) -> Samples:
    rng = np.random.default_rng(2)
    log_probs = samples.log_probs + rng.normal(size=len(samples)) * 0.3
    values = samples.values + rng.normal(size=len(samples)) * 0.5
    return replace(samples, log_probs=log_probs, values=values.astype(samples.values.dtype))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("name", ACTIONS)
def test_gradients_agree_with_autograd_in_float64(name: str, activation: str) -> None:
    from phantom_ppo.torch_backend import TorchBackend

    policy, samples = make(name, activation=activation)
    samples = shifted(samples)
    terms = NumpyBackend(policy).loss(samples, SETTINGS)
    assert 0.0 < terms.clip_fraction < 1.0
    by_torch = TorchBackend(policy)
    loss, torch_terms = by_torch.loss(samples, SETTINGS)
    loss.backward()
    expected, found = by_torch.gradient(), policy.network.gradient
    assert np.linalg.norm(found - expected) <= 1e-9 * np.linalg.norm(expected)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-14)
    for field in ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "ratio_error"):
        assert getattr(terms, field) == pytest.approx(getattr(torch_terms, field), rel=1e-9)


@pytest.mark.parametrize("name", ACTIONS)
def test_both_backends_make_the_same_first_steps_from_the_same_weights(name: str) -> None:
    from phantom_ppo.torch_backend import TorchBackend

    after = []
    for backend_class in (NumpyBackend, TorchBackend):
        policy, samples = make(name, np.float32)
        backend = backend_class(policy)
        assert backend.values(samples.features) == pytest.approx(samples.values, abs=1e-6)
        log_probs, values = backend.evaluate(samples.features, samples.masks, samples.actions)
        assert log_probs == pytest.approx(samples.log_probs, abs=1e-5)
        assert values == pytest.approx(samples.values, abs=1e-6)
        for _ in range(3):
            terms, norm = backend.step(samples, replace(SETTINGS, clip_range_value=None))
            assert norm is not None
        state = backend.state_dict()
        moments = state["mean"], state["square"]
        after.append((policy.network.parameters.copy(), terms.policy_loss, norm, *moments))
        assert state["steps"] == 3
    for by_numpy, by_torch in zip(*after, strict=True):
        assert by_torch == pytest.approx(by_numpy, abs=1e-5, rel=1e-4)


def test_the_state_of_one_backend_goes_on_in_the_other() -> None:
    from phantom_ppo.torch_backend import TorchBackend

    after = []
    for classes in ((NumpyBackend, NumpyBackend), (NumpyBackend, TorchBackend), (TorchBackend, NumpyBackend)):
        policy, samples = make("box", np.float32)
        state = None
        for backend_class in classes:
            backend = backend_class(policy)
            if state is not None:
                backend.load_state_dict(state)
            backend.step(samples, SETTINGS)
            state = backend.state_dict()
        after.append(policy.network.parameters.copy())
    for parameters in after[1:]:
        assert parameters == pytest.approx(after[0], abs=1e-6)


def test_a_state_from_before_the_first_step_is_zeros() -> None:
    from phantom_ppo.torch_backend import TorchBackend

    policy, _ = make("discrete", np.float32)
    state = TorchBackend(policy).state_dict()
    assert state["steps"] == 0
    assert not state["mean"].any()
    assert state["mean"].shape == policy.network.parameters.shape
