"""Deep Q-networks for phantom_core: trainer `dqn`, policy `mlp-q-network`."""

from phantom_dqn.dqn_config import DQNConfig
from phantom_dqn.dqn_trainer import DQNTrainer
from phantom_dqn.q_policy import MLPQPolicy, QPolicyConfig

__all__ = ["DQNConfig", "DQNTrainer", "MLPQPolicy", "QPolicyConfig"]
