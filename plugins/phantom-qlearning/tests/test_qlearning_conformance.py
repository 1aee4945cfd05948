from phantom_testing import PolicyConformance, TrainerConformance


class TestQLearning(TrainerConformance):
    name = "q-learning"


class TestQTable(PolicyConformance):
    name = "q-table"
