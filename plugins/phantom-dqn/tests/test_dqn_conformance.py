from phantom_testing import PolicyConformance, TrainerConformance


class TestDQN(TrainerConformance):
    name = "dqn"


class TestMLPQNetwork(PolicyConformance):
    name = "mlp-q-network"
