from typing import ClassVar

from phantom_testing import PolicyConformance, TrainerConformance


class TestES(TrainerConformance):
    name = "es"
    config: ClassVar = {"episodes": 2}
    learning_iterations = 35


class TestMLPActor(PolicyConformance):
    name = "mlp-actor"
