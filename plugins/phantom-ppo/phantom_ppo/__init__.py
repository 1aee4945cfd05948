"""Proximal policy optimisation for phantom_core: trainer `ppo`, policy `mlp-actor-critic`."""

from phantom_ppo.actor_critic import ActorCriticConfig, MLPActorCriticPolicy
from phantom_ppo.advantages import gae
from phantom_ppo.ppo_config import PPOConfig
from phantom_ppo.ppo_trainer import PPOTrainer

__all__ = ["ActorCriticConfig", "MLPActorCriticPolicy", "PPOConfig", "PPOTrainer", "gae"]
