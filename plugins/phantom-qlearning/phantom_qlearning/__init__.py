"""Tabular learning for phantom_core: Q-learning, Sarsa and their kin on the policy `q-table`."""

from phantom_qlearning.q_table_policy import QTablePolicy
from phantom_qlearning.session_tables import SessionTablesPolicy
from phantom_qlearning.tabular_trainer import TabularConfig
from phantom_qlearning.trainers import (
    DoubleQLearningTrainer,
    ExpectedSarsaTrainer,
    QLearningConfig,
    QLearningTrainer,
    SarsaTrainer,
)

__all__ = [
    "DoubleQLearningTrainer",
    "ExpectedSarsaTrainer",
    "QLearningConfig",
    "QLearningTrainer",
    "QTablePolicy",
    "SarsaTrainer",
    "SessionTablesPolicy",
    "TabularConfig",
]
