"""The NumPy backend against PyTorch's autograd; `make check-integrations` installs torch and runs this."""

import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_sac.numpy_soft_backend import NumpySoftBackend
from phantom_sac.soft_losses import StepSettings
from phantom_sac.temperature import Temperature

pytestmark = pytest.mark.integration
torch = pytest.importorskip("torch", reason="run make check-integrations", exc_type=ImportError)

sys.path.append(str(Path(__file__).parent))
from soft_minibatches import BOUNDED, HALF_BOUNDED, make, minibatch  # noqa: E402  beside this file

SETTINGS = StepSettings(learning_rate=1e-3, target_rate=0.1)


def both(exploration: str, space: gym.Space[Any], target: float | None, dtype: Any = np.float64) -> Any:
    """Return both backends with their policies, alike."""
    from phantom_sac.torch_soft_backend import TorchSoftBackend

    one, other = make(exploration, space, dtype), make(exploration, space, dtype)
    numpy = NumpySoftBackend(*one, Temperature(0.3, target))
    return numpy, one[0], TorchSoftBackend(*other, Temperature(0.3, target), "cpu"), other[0]


@pytest.mark.parametrize("exploration", ["independent", "state-dependent"])
@pytest.mark.parametrize("space", [BOUNDED, HALF_BOUNDED], ids=["bounded", "half-bounded"])
@pytest.mark.parametrize("target", [-2.0, None], ids=["automatic", "fixed"])
def test_gradients_and_steps_are_those_of_autograd(
    exploration: str, space: gym.Space[Any], target: float | None
) -> None:
    numpy, policy, by_torch, twin = both(exploration, space, target)
    for seed in range(3):
        batch = minibatch(seed=seed)
        ours, theirs = numpy.descend([batch], SETTINGS), by_torch.descend([batch], SETTINGS)
        np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=1e-9, atol=1e-9)
        for own, other in zip(numpy.gradients, by_torch.gradients, strict=True):
            assert np.abs(own).max() > 1e-3
            np.testing.assert_allclose(own, other, rtol=0.0, atol=1e-9)
        np.testing.assert_allclose(policy.network.parameters, twin.network.parameters, atol=1e-9)


def test_either_backend_goes_on_from_the_state_of_the_other() -> None:
    numpy, _, by_torch, twin = both("independent", BOUNDED, -2.0)
    numpy.descend([minibatch(seed=seed) for seed in range(4)], SETTINGS)
    again, policy, _, _ = both("independent", BOUNDED, -2.0)
    by_torch.load_state_dict(numpy.state_dict())
    again.load_state_dict(by_torch.state_dict())
    for backend in (by_torch, again):
        backend.descend([minibatch(seed=9)], SETTINGS)
    np.testing.assert_allclose(policy.network.parameters, twin.network.parameters, atol=1e-9)
    theirs = by_torch.state_dict()
    for name in ("critic", "target"):
        np.testing.assert_allclose(again.state_dict()[name], theirs[name], atol=1e-9)


def test_a_device_that_is_not_there_is_refused() -> None:
    from phantom_sac.torch_soft_backend import TorchSoftBackend

    with pytest.raises(ph.errors.ConfigError, match="sac got device='nonsense', which torch cannot use"):
        TorchSoftBackend(*make("independent", BOUNDED), Temperature(0.3, None), "nonsense")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_computes_the_same() -> None:
    from phantom_sac.torch_soft_backend import TorchSoftBackend

    numpy, policy, _, _ = both("independent", BOUNDED, -2.0)
    (twin, critic) = make("independent", BOUNDED)
    on_gpu = TorchSoftBackend(twin, critic, Temperature(0.3, -2.0), "cuda")
    batches = [minibatch(seed=seed) for seed in range(3)]
    np.testing.assert_allclose(
        np.array(numpy.descend(batches, SETTINGS)), np.array(on_gpu.descend(batches, SETTINGS)), atol=1e-6
    )
    np.testing.assert_allclose(policy.network.parameters, twin.network.parameters, atol=1e-6)
