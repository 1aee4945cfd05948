"""Studies of agent-based models: points × treatments × seeds, played and written as tidy tables."""

from phantom_experiments.executors import Executor
from phantom_experiments.local_executor import LocalExecutor
from phantom_experiments.results import Results
from phantom_experiments.tables import Table

__all__ = ["Executor", "LocalExecutor", "Results", "Table"]
