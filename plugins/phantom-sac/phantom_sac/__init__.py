"""Soft actor-critic for phantom_core: trainer `sac`, policies `mlp-soft-actor` and `torch-soft-actor`."""

from phantom_sac.sac_config import SACConfig
from phantom_sac.sac_trainer import SACTrainer
from phantom_sac.soft_actor import MLPSoftActorPolicy, SoftActorConfig

__all__ = ["MLPSoftActorPolicy", "SACConfig", "SACTrainer", "SoftActorConfig"]
