from typing import ClassVar

from phantom_testing import PolicyConformance, TrainerConformance


class TestMAPPO(TrainerConformance):
    name = "mappo"
    config: ClassVar = {"epochs": 8, "lr": 3e-3}
    learning_iterations = 12


class TestMLPActor(PolicyConformance):
    name = "mlp-actor"
