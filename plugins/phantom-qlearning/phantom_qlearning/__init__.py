"""Tabular Q-learning for phantom_core: trainer `q-learning`, policy `q-table`."""

from phantom_qlearning.q_table_policy import QTablePolicy
from phantom_qlearning.qlearning_trainer import QLearningConfig, QLearningTrainer

__all__ = ["QLearningConfig", "QLearningTrainer", "QTablePolicy"]
