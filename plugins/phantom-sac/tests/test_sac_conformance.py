from typing import ClassVar

from phantom_testing import PolicyConformance, TrainerConformance


class TestSAC(TrainerConformance):
    name = "sac"
    config: ClassVar = {
        "steps": 5,
        "rounds": 2,
        "warm_up": 10,
        "batch_size": 32,
        "lr": 3e-3,
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
