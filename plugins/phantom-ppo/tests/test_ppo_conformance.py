from typing import ClassVar

from phantom_testing import PolicyConformance, TrainerConformance


class TestPPO(TrainerConformance):
    name = "ppo"
    config: ClassVar = {"epochs": 8, "lr": 3e-3}
    learning_iterations = 12


class TestMLPActorCritic(PolicyConformance):
    name = "mlp-actor-critic"


class TestGRUActorCritic(PolicyConformance):
    name = "gru-actor-critic"
