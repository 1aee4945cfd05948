"""`ppo` with `gru-actor-critic` where no policy is named, in a module that a spawned worker can import."""

from collections.abc import Mapping
from typing import Any

from phantom_ppo import PPOTrainer
from phantom_ppo.gru_actor_critic import GRUActorCriticPolicy


class RecurrentPPOTrainer(PPOTrainer):
    """Trains memories unless it is told otherwise."""

    policy_class = GRUActorCriticPolicy
    conformance: Mapping[str, Any] = {}
