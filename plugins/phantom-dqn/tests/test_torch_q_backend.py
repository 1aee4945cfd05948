"""The NumPy backend against PyTorch's autograd; `make check-integrations` installs torch and runs this."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_dqn import MLPQPolicy
from phantom_dqn.numpy_q_backend import NumpyQBackend
from phantom_dqn.q_loss import Minibatch
from phantom_dqn.q_network import QNetwork
from phantom_dqn.q_step import StepSettings
from phantom_testing import IdentityEnv

pytestmark = pytest.mark.integration
torch = pytest.importorskip("torch", reason="run make check-integrations", exc_type=ImportError)

sys.path.append(str(Path(__file__).parent))  # for the network, also in a spawned worker

ACTIONS = {"discrete": gym.spaces.Discrete(4), "multi-discrete": gym.spaces.MultiDiscrete([2, 3])}
SETTINGS = StepSettings(learning_rate=1e-3, max_grad_norm=0.5, is_double=True, target_rate=0.1)


def make(name: str, backend_class: Any, dtype: Any, *, is_dueling: bool) -> tuple[Any, Any, Minibatch]:
    """Return a policy, its backend with another target network, and a minibatch behind masks."""
    policy = MLPQPolicy(gym.spaces.Box(-1.0, 1.0, (3,)), ACTIONS[name])
    policy.network = network = QNetwork(3, (6, 5), policy.branches, is_dueling=is_dueling, dtype=dtype)
    rng = np.random.default_rng(1)
    network.parameters[:] = rng.normal(size=network.parameters.size) * 0.6
    backend = backend_class(policy)
    network.parameters[:] += (rng.normal(size=network.parameters.size) * 0.2).astype(dtype)
    mask = np.ones((12, policy.branches.num_options), np.bool_)
    mask[::2, 1] = False
    batch = Minibatch(
        rng.normal(size=(12, 3)).astype(dtype),
        policy.branches.random(rng.random((12, len(policy.branches)))),
        (rng.normal(size=12) * 2.0).astype(dtype),
        np.where(rng.random(12) < 0.3, 0.0, 0.9).astype(dtype),
        rng.normal(size=(12, 3)).astype(dtype),
        mask,
        rng.random(12).astype(dtype),
    )
    return policy, backend, batch


@pytest.mark.parametrize("is_double", [False, True])
@pytest.mark.parametrize("is_dueling", [False, True])
@pytest.mark.parametrize("name", ACTIONS)
def test_gradients_agree_with_autograd_in_float64(name: str, *, is_dueling: bool, is_double: bool) -> None:
    from phantom_dqn.torch_q_backend import TorchQBackend

    settings, found = replace(SETTINGS, is_double=is_double), []
    for backend_class in (NumpyQBackend, TorchQBackend):
        _, backend, batch = make(name, backend_class, np.float64, is_dueling=is_dueling)
        found.append((backend.loss(batch, settings), backend.gradient.copy()))
    (ours, gradient), (theirs, expected) = found
    assert np.linalg.norm(gradient - expected) <= 1e-9 * np.linalg.norm(expected)
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-9)
    assert ours.value == pytest.approx(theirs.value, rel=1e-9)
    assert ours.errors == pytest.approx(theirs.errors, rel=1e-9)


@pytest.mark.parametrize("target_rate", [0.1, None])
@pytest.mark.parametrize("name", ACTIONS)
def test_both_backends_make_the_same_first_steps(name: str, target_rate: float | None) -> None:
    from phantom_dqn.torch_q_backend import TorchQBackend

    after = []
    for backend_class in (NumpyQBackend, TorchQBackend):
        policy, backend, batch = make(name, backend_class, np.float32, is_dueling=True)
        reports = backend.descend([batch] * 3, replace(SETTINGS, target_rate=target_rate))
        state = backend.state_dict()
        numbers = np.array([report[:3] for report in reports])
        optimizer = state["optimizer"]
        after.append(
            (policy.network.parameters, state["target"], optimizer["mean"], optimizer["square"], numbers)
        )
        assert optimizer["steps"] == 3
    for by_numpy, by_torch in zip(*after, strict=True):
        assert by_torch == pytest.approx(by_numpy, abs=1e-5, rel=1e-4)


def test_the_state_of_one_backend_goes_on_in_the_other() -> None:
    from phantom_dqn.torch_q_backend import TorchQBackend

    policy, backend, batch = make("discrete", NumpyQBackend, np.float32, is_dueling=False)
    backend.descend([batch], SETTINGS)
    other = TorchQBackend(policy)
    other.load_state_dict(backend.state_dict())
    start = policy.network.parameters.copy()
    backend.descend([batch], SETTINGS)
    ours = policy.network.parameters.copy()
    policy.network.parameters[:] = start
    other.descend([batch], SETTINGS)
    assert policy.network.parameters == pytest.approx(ours, abs=1e-6)


FAST: dict[str, Any] = {"steps": 32, "rounds": 4, "decisions_per_gradient_step": 2, "warm_up": 64, "lr": 5e-3}


def test_a_network_of_the_users_learns_and_is_saved_by_its_name(tmp_path: Path) -> None:
    spec = ph.PolicySpec(
        agents=lambda _: True,
        policy="torch-q-network",
        config={"network": "flat_q_network:FlatQNetwork"},
        train=True,
    )
    results = ph.train(
        "dqn",
        env=IdentityEnv,
        policies={"p": spec},
        num_iterations=12,
        trainer_config={**FAST, "backend": "torch", "gamma": 0.5},
        seed=1,
        run_dir=tmp_path,
    )
    assert [results.policies["p"].compute_action(number) for number in range(3)] == [0, 1, 2]
    loaded = ph.load_policies(results.run_directory)["p"]
    assert loaded.network.parameters.tolist() == results.policies["p"].network.parameters.tolist()


def test_a_network_of_the_users_needs_the_backend() -> None:
    spec = ph.PolicySpec(
        agents=lambda _: True,
        policy="torch-q-network",
        config={"network": "flat_q_network:FlatQNetwork"},
        train=True,
    )
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train("dqn", env=IdentityEnv, policies={"p": spec}, num_iterations=1, run_dir=None)
    assert str(caught.value) == (
        "A TorchQPolicy computes in torch, but dqn has backend='numpy'. Set backend='torch' for the trainer."
    )
