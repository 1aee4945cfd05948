from typing import ClassVar

import pytest

from phantom_testing import PolicyConformance, TrainerConformance

pytestmark = pytest.mark.timeout(180)  # learning takes a thousand gradient steps and more


class TestSAC(TrainerConformance):
    name = "sac"
    config: ClassVar = {
        "steps": 5,
        "rounds": 2,
        "warm_up": 10,
        "batch_size": 32,
        "decisions_per_gradient_step": 2,
        "lr": 5e-3,
        "gamma": 0.9,
        "critic_hidden_sizes": (32, 32),
        "capacity": 2000,
    }
    learning_iterations = 110
    idle_settings = ("capacity",)  # nothing is replaced in three iterations


class TestMLPSoftActor(PolicyConformance):
    name = "mlp-soft-actor"


class TestStateDependentExploration(PolicyConformance):
    name = "mlp-soft-actor"
    config: ClassVar = {"state_dependent_exploration": True, "log_std_init": -1.0}
