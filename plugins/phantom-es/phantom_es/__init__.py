"""Evolution strategies for phantom_core: the trainer `es`, for every policy with parameters."""

from phantom_es.cma_search import CMASearch
from phantom_es.es_config import ESConfig
from phantom_es.es_trainer import ESTrainer
from phantom_es.greedy_actor import GreedyActorConfig, GreedyActorPolicy

__all__ = ["CMASearch", "ESConfig", "ESTrainer", "GreedyActorConfig", "GreedyActorPolicy"]
