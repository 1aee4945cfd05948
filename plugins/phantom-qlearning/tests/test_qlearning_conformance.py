from typing import ClassVar

from phantom_testing import PolicyConformance, TrainerConformance


class TabularConformance(TrainerConformance):
    # the greedy action of so small a world is found in the first iteration, in which all actions are random
    idle_settings = ("update",)


class TestQLearning(TabularConformance):
    name = "q-learning"


class TestQLearningByIteration(TabularConformance):
    name = "q-learning"
    config: ClassVar = {"update": "iteration"}


class TestSarsa(TabularConformance):
    name = "sarsa"


class TestExpectedSarsa(TabularConformance):
    name = "expected-sarsa"


class TestDoubleQLearning(TabularConformance):
    name = "double-q-learning"


class TestQTable(PolicyConformance):
    name = "q-table"
