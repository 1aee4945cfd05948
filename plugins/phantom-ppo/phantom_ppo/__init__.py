"""PPO for phantom_core: trainers `ppo` and `mappo`, policies `mlp-actor-critic` and `mlp-actor`."""

from phantom_ppo.actor_critic import ActorCriticConfig, MLPActorCriticPolicy
from phantom_ppo.actor_policy import ActorConfig, MLPActorPolicy
from phantom_ppo.advantages import gae
from phantom_ppo.mappo_config import MAPPOConfig
from phantom_ppo.mappo_trainer import MAPPOTrainer
from phantom_ppo.ppo_config import PPOConfig
from phantom_ppo.ppo_trainer import PPOTrainer

__all__ = [
    "ActorConfig",
    "ActorCriticConfig",
    "MAPPOConfig",
    "MAPPOTrainer",
    "MLPActorCriticPolicy",
    "MLPActorPolicy",
    "PPOConfig",
    "PPOTrainer",
    "gae",
]
