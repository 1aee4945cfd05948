"""What is measured: a `Metric` reads a value from the env after each step and reduces them per episode.

`record_metrics` and `reduce_metrics` are for whoever steps an env without a trainer.
"""

from phantom_core.metrics.metric import Metric as Metric
from phantom_core.metrics.metric import Mode as Mode
from phantom_core.metrics.metric import NotRecorded as NotRecorded
from phantom_core.metrics.metric import not_recorded as not_recorded
from phantom_core.metrics.metric import record_metrics as record_metrics
from phantom_core.metrics.metric import reduce_metrics as reduce_metrics
from phantom_core.metrics.ready_metrics import AggregatedAgentMetric as AggregatedAgentMetric
from phantom_core.metrics.ready_metrics import EvalReduce as EvalReduce
from phantom_core.metrics.ready_metrics import GroupReduce as GroupReduce
from phantom_core.metrics.ready_metrics import LambdaMetric as LambdaMetric
from phantom_core.metrics.ready_metrics import SimpleAgentMetric as SimpleAgentMetric
from phantom_core.metrics.ready_metrics import SimpleEnvMetric as SimpleEnvMetric
from phantom_core.metrics.ready_metrics import TrainReduce as TrainReduce
