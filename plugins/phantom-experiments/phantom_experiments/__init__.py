"""Studies of agent-based models: points × treatments × seeds, played and written as tidy tables."""

from phantom_experiments.collecting import Collect, collect, info
from phantom_experiments.designs import Design, latin_hypercube, linspace, points, product, sobol, zipped
from phantom_experiments.executors import Executor, WorkerLostError
from phantom_experiments.figures import Plot
from phantom_experiments.learning_curves import plot_learning
from phantom_experiments.local_executor import LocalExecutor
from phantom_experiments.network_plot import plot_network
from phantom_experiments.over_agents import gini, histogram, mean, quantile, total, vector
from phantom_experiments.results import Results
from phantom_experiments.study import Replay, Study, rollout
from phantom_experiments.tables import Table
from phantom_experiments.task_pickling import pickled_by_value
from phantom_experiments.task_plans import Precision, precision
from phantom_experiments.treatments import Shock, Treatment, at

__all__ = [
    "Collect",
    "Design",
    "Executor",
    "LocalExecutor",
    "Plot",
    "Precision",
    "Replay",
    "Results",
    "Shock",
    "Study",
    "Table",
    "Treatment",
    "WorkerLostError",
    "at",
    "collect",
    "gini",
    "histogram",
    "info",
    "latin_hypercube",
    "linspace",
    "mean",
    "pickled_by_value",
    "plot_learning",
    "plot_network",
    "points",
    "precision",
    "product",
    "quantile",
    "rollout",
    "sobol",
    "total",
    "vector",
    "zipped",
]
