from typing import ClassVar

from phantom_testing import PolicyConformance, TrainerConformance


class TestES(TrainerConformance):
    name = "es"
    config: ClassVar = {"episodes": 1}
    learning_iterations = 30


class TestMLPActor(PolicyConformance):
    name = "greedy-actor"
    config: ClassVar = {"hidden_sizes": (8,)}
    idle_settings = ()
