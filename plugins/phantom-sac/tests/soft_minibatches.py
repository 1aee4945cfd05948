"""Policies, critics and minibatches that tests of both backends share."""

from typing import Any, Final

import gymnasium as gym
import numpy as np

from phantom_sac import MLPSoftActorPolicy
from phantom_sac.actor_networks import GaussianActor, StateDependentActor
from phantom_sac.soft_critic import TwinCritic
from phantom_sac.soft_losses import Minibatch

OBSERVATIONS: Final = gym.spaces.Box(-1.0, 1.0, (3,))
BOUNDED: Final = gym.spaces.Box(-2.0, 2.0, (2,))
HALF_BOUNDED: Final = gym.spaces.Box(
    np.array([-1.0, -np.inf], np.float32), np.array([1.0, np.inf], np.float32)
)
ROWS: Final = 8


def make(exploration: str, space: gym.Space[Any], dtype: Any = np.float64) -> tuple[MLPSoftActorPolicy, Any]:
    """Return a policy and critics with networks of a float type, with random weights."""
    rng = np.random.default_rng(1)
    policy = MLPSoftActorPolicy(
        OBSERVATIONS, space, state_dependent_exploration=exploration == "state-dependent"
    )
    if exploration == "independent":
        policy.network = GaussianActor(3, (6, 5), policy.distribution, dtype=dtype)
    else:
        policy.network = StateDependentActor(3, (6, 5), 2, log_std_init=-1.0, dtype=dtype)
    critic = TwinCritic(3, 2, (7, 6), dtype=dtype)
    for network in (policy.network, critic):
        network.parameters[:] = rng.normal(size=network.parameters.size) * 0.7
    return policy, critic


def minibatch(dtype: Any = np.float64, rows: int = ROWS, seed: int = 2) -> Minibatch:
    """Return random transitions, one of which is terminal."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> Any:
        return rng.normal(size=shape).astype(dtype)

    discounts = np.full(rows, 0.9, dtype)
    discounts[0] = 0.0
    actions = np.tanh(normal(rows, 2))
    return Minibatch(normal(rows, 3), actions, normal(rows), discounts, normal(rows, 3), normal(2 * rows, 2))
