import copy
import sys
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_testing import IdentityEnv, PolicyConformance, TrainerConformance

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
torch = pytest.importorskip("torch", reason="run make check-integrations", exc_type=ImportError)

sys.path.append(str(Path(__file__).parent))  # for the modules, also in a spawned worker

MODULES = {"network": "soft_modules:Actor", "critic_network": "soft_modules:Critic"}
CONFIG: dict[str, Any] = {
    "backend": "torch",
    "steps": 5,
    "rounds": 2,
    "warm_up": 10,
    "batch_size": 32,
    "decisions_per_gradient_step": 2,
    "lr": 5e-3,
    "gamma": 0.9,
    "capacity": 2000,
}


class TestSACInTorch(TrainerConformance):
    name = "sac"
    config: ClassVar = {**CONFIG, "critic_hidden_sizes": (32, 32)}
    learning_iterations = 110
    idle_settings = ("capacity",)  # nothing is replaced in three iterations


class TestTorchSoftActor(PolicyConformance):
    name = "torch-soft-actor"
    config: ClassVar = MODULES


def train(modules: Any, **config: Any) -> Any:
    return ph.train(
        "sac",
        env=IdentityEnv,
        env_config={"observes": "box", "acts": "box"},
        policies={"p": ph.PolicySpec(agents=["A1"], policy="torch-soft-actor", config=modules, train=True)},
        num_iterations=3,
        trainer_config={**CONFIG, **config},
        run_dir=None,
        seed=1,
    )


@pytest.mark.parametrize("modules", [MODULES, {"network": MODULES["network"]}], ids=["both", "actor"])
def test_modules_of_the_user_are_trained(modules: Any) -> None:
    results = train(modules)
    policy = results.policies["p"]
    fresh = copy.deepcopy(policy)
    fresh.seed(np.random.default_rng(1))
    assert np.isfinite(results.history[-1]["p/critic_loss"])
    assert not np.allclose(policy.network.parameters, fresh.network.parameters)


def test_critics_of_the_user_have_targets_of_their_own() -> None:
    from soft_minibatches import minibatch

    from phantom_sac.soft_losses import StepSettings
    from phantom_sac.temperature import Temperature
    from phantom_sac.torch_soft_actor import TorchSoftActorPolicy
    from phantom_sac.torch_soft_backend import TorchSoftBackend

    policy = TorchSoftActorPolicy(gym.spaces.Box(-1, 1, (3,)), gym.spaces.Box(-1, 1, (2,)), **MODULES)
    policy.seed(np.random.default_rng(1))
    critic = policy.make_critic(None, np.random.default_rng(2))
    backend = TorchSoftBackend(policy, critic, Temperature(0.1, None), "cpu")
    before = backend.state_dict()
    assert before["critic"].tolist() == before["target"].tolist()
    backend.descend([minibatch(np.float32)], StepSettings(learning_rate=1e-2, target_rate=0.25))
    after = backend.state_dict()
    moved = before["target"] + 0.25 * (after["critic"] - before["target"])
    np.testing.assert_allclose(after["target"], moved, atol=1e-6)
    assert not np.allclose(after["critic"], before["critic"])


def test_a_module_needs_torch_as_backend() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(MODULES, backend="numpy")
    assert str(caught.value) == (
        "A TorchSoftActorPolicy computes in torch, but sac has backend='numpy'. Set backend='torch' for the "
        "trainer."
    )
