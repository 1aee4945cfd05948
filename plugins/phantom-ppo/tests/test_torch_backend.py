"""The NumPy backend against PyTorch's autograd; `make check-integrations` installs torch and runs this."""

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_ppo import MLPActorCriticPolicy
from phantom_ppo.numpy_backend import NumpyBackend
from phantom_ppo.ppo_loss import LossSettings, Minibatch, Samples
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


def make(
    name: str, dtype: type = np.float64, hidden_sizes: tuple[int, ...] = (6, 5), **options: Any
) -> tuple[MLPActorCriticPolicy, Samples]:
    """Return a policy with a network of this type, and samples on both sides of the clip."""
    policy = MLPActorCriticPolicy(OBSERVATIONS, ACTIONS[name])
    sizes = policy.distribution.num_outputs, policy.distribution.num_extra
    policy.network = network = TwinMLP(3, hidden_sizes, *sizes, dtype=dtype, **options)
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


def all_of(samples: Samples) -> Minibatch:
    return None, samples.advantages


def some_of(samples: Samples, rows: list[int]) -> Minibatch:
    return np.array(rows), samples.advantages[rows]


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("name", ACTIONS)
def test_gradients_agree_with_autograd_in_float64(name: str, activation: str) -> None:
    from phantom_ppo.torch_backend import TorchBackend

    policy, samples = make(name, activation=activation)
    samples = shifted(samples)
    terms = NumpyBackend(policy).loss(samples, SETTINGS)
    assert 0.0 < terms.clip_fraction < 1.0
    by_torch = TorchBackend(policy)
    torch_terms = by_torch.loss(samples, SETTINGS)
    expected, found = by_torch.gradient, policy.network.gradient
    assert np.linalg.norm(found - expected) <= 1e-9 * np.linalg.norm(expected)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-14)
    for field in ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "ratio_error"):
        assert getattr(terms, field) == pytest.approx(getattr(torch_terms, field), rel=1e-9)


@pytest.mark.parametrize("hidden_sizes", [(), (4,), (4, 4, 4)])
def test_networks_of_any_depth_have_the_same_gradients(hidden_sizes: tuple[int, ...]) -> None:
    from phantom_ppo.torch_backend import TorchBackend

    policy, samples = make("discrete", hidden_sizes=hidden_sizes)
    NumpyBackend(policy).loss(samples, SETTINGS)
    by_torch = TorchBackend(policy)
    by_torch.loss(samples, SETTINGS)
    assert policy.network.gradient == pytest.approx(by_torch.gradient, rel=1e-9, abs=1e-14)


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
        minibatches = [all_of(samples), some_of(samples, [3, 1, 20, 7]), all_of(samples)]
        steps = backend.descend(samples, minibatches, replace(SETTINGS, clip_range_value=None))
        assert len(steps) == 3
        terms, norm = steps[-1]
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
            backend.descend(samples, [all_of(samples)], SETTINGS)
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


def test_a_policy_that_moved_too_far_makes_no_step_with_either_backend() -> None:
    from phantom_ppo.torch_backend import TorchBackend

    for backend_class in (NumpyBackend, TorchBackend):
        policy, samples = make("discrete", np.float32)
        backend, eager = backend_class(policy), replace(SETTINGS, learning_rate=0.1, max_kl=1e-3)
        steps = backend.descend(samples, 5 * [all_of(samples)], eager)
        assert [norm is None for _, norm in steps] == [False, True]
        assert steps[0][0].approx_kl < 1e-3 < steps[1][0].approx_kl
        assert backend.state_dict()["steps"] == 1
        after_one = policy.network.parameters.copy()
        assert backend.descend(samples, [all_of(samples)], eager)[0][1] is None
        assert policy.network.parameters.tolist() == after_one.tolist()


def test_flat_adam_makes_the_steps_of_torchs_own() -> None:
    from phantom_nn.torch_flat_adam import TorchFlatAdam, clip_norm

    gradients = torch.randn(20, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours = torch.linspace(-1.0, 1.0, 7, dtype=torch.float64)
    theirs = ours.clone().requires_grad_()
    adam, reference = TorchFlatAdam(ours), torch.optim.Adam([theirs], lr=0.01, eps=1e-5)
    for gradient in gradients:
        theirs.grad = gradient.clone()
        expected = torch.nn.utils.clip_grad_norm_([theirs], 2.0)
        reference.step()
        assert float(clip_norm(gradient, 2.0)) == pytest.approx(float(expected), rel=1e-12)
        adam.step(gradient, 0.01)
    assert ours.tolist() == pytest.approx(theirs.tolist(), rel=1e-12)


def test_on_another_device_samples_go_there_once_and_weights_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from phantom_ppo.torch_backend import TorchBackend

    (policy, samples), (expected, _) = make("box", np.float32), make("box", np.float32)
    beside, moved = TorchBackend(expected), []

    def to_memory_of_its_own(tensor: Any, *_: Any) -> Any:
        moved.append(tuple(tensor.shape))
        return tensor.clone()

    monkeypatch.setattr(torch.Tensor, "to", to_memory_of_its_own)  # as if the CPU was another device
    elsewhere = TorchBackend(policy)
    policy.load_state_dict(expected.state_dict())
    for _ in range(2):
        minibatches = [all_of(samples), some_of(samples, [2, 1]), all_of(samples)]
        moved.clear()
        elsewhere.descend(samples, minibatches, SETTINGS)
        assert moved.count(samples.features.shape) == 1
        monkeypatch.undo()
        beside.descend(samples, minibatches, SETTINGS)
        assert policy.network.parameters.tolist() == expected.network.parameters.tolist()
        monkeypatch.setattr(torch.Tensor, "to", to_memory_of_its_own)
    policy.network.parameters *= 0.5  # as a user does who loads other weights
    assert elsewhere.values(samples.features) == pytest.approx(policy.network.values(samples.features))


def test_a_device_that_is_not_there_is_named() -> None:
    from phantom_ppo.torch_backend import TorchBackend

    with pytest.raises(ph.errors.ConfigError) as caught:
        TorchBackend(make("box")[0], "gpu")
    message = str(caught.value)
    assert message.startswith("ppo got device='gpu', which torch cannot use (Expected one of cpu, cuda")
    assert message.endswith(": gpu). Expected one that it finds on this machine, such as 'cpu'.")
