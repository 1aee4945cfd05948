"""What `make bench-quality` trains: each task with its settings, its budget and the bar it must reach."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import phantom_core as ph

sys.path[:0] = [str(Path(__file__).parents[3] / "docs" / "examples")]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One env, one set of settings, several seeds.

    Attributes:
        name: what the row is called.
        env: makes the env.
        env_config: keyword arguments for it.
        total_steps: env steps of training.
        seeds: how many seeds, from 1 on.
        bar: the mean return that the worst seed must reach.
        mean_bar: the mean return that all seeds together must reach.
        trainer: settings of the trainer `ppo` that differ from its defaults.
        policy: settings of the policy `mlp-actor-critic` that differ from its defaults.
        episodes: episodes of the final evaluation.
    """

    name: str
    env: Callable[[], Any]
    env_config: Mapping[str, Any] = field(default_factory=dict)
    total_steps: int
    seeds: int
    bar: float
    mean_bar: float | None = None
    trainer: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    episodes: int = 100

    def settings(self) -> str:
        """Return the settings that differ from the defaults, for people."""
        both = {**self.trainer, **self.policy}
        return ", ".join(f"{name} {value}" for name, value in both.items()) or "defaults"


def supply_chain() -> Any:
    """Return the class of the example."""
    from supply_chain import SupplyChainEnv

    return SupplyChainEnv


def gymnasium_env() -> Any:
    """Return the adapter for single-agent envs."""
    return ph.GymnasiumEnv


def pettingzoo_env() -> Any:
    """Return the adapter for PettingZoo's envs."""
    from phantom_pettingzoo import PettingZooEnv

    return PettingZooEnv


TASKS = [
    Task(
        name="supply chain (Box)",
        env=supply_chain,
        total_steps=300_000,
        seeds=10,
        bar=797.0,
        mean_bar=806.0,
        episodes=500,
    ),
    Task(
        name="CartPole-v1",
        env=gymnasium_env,
        env_config={"env": "CartPole-v1"},
        total_steps=100_000,
        seeds=20,
        bar=475.0,
    ),
    Task(
        name="Acrobot-v1",
        env=gymnasium_env,
        env_config={"env": "Acrobot-v1"},
        total_steps=500_000,
        seeds=5,
        bar=-100.0,
        trainer={
            "copies": 16,
            "steps_per_copy": 256,
            "epochs": 4,
            "minibatch_size": 64,
            "gamma": 0.99,
            "gae_lambda": 0.94,
            "lr": 3e-4,
            "clip_range_final": 0.2,
            "entropy_coefficient": 0.0,
            "normalize_rewards": True,
        },
        policy={"normalize_observations": True},
    ),
    Task(
        name="Pendulum-v1",
        env=gymnasium_env,
        env_config={"env": "Pendulum-v1"},
        total_steps=150_000,
        seeds=5,
        bar=-200.0,
        trainer={
            "copies": 4,
            "steps_per_copy": 512,
            "epochs": 10,
            "minibatch_size": 64,
            "gamma": 0.9,
            "gae_lambda": 0.95,
            "clip_range_final": 0.2,
            "entropy_coefficient": 0.0,
        },
    ),
    Task(
        name="LunarLander-v3",
        env=gymnasium_env,
        env_config={"env": "LunarLander-v3"},
        total_steps=1_000_000,
        seeds=5,
        bar=200.0,
        trainer={
            "copies": 16,
            "steps_per_copy": 256,
            "epochs": 10,
            "gamma": 0.999,
            "gae_lambda": 0.98,
            "clip_range_final": 0.2,
            "entropy_coefficient": 0.01,
        },
    ),
    Task(
        name="simple_spread_v3 (mpe2), per agent",
        env=pettingzoo_env,
        env_config={"env": "mpe2.simple_spread_v3", "N": 3, "max_cycles": 25},
        total_steps=2_000_000,
        seeds=1,
        bar=-10.0,
        trainer={
            "copies": 32,
            "steps_per_copy": 50,
            "epochs": 10,
            "minibatch_size": 800,
            "gamma": 0.95,
            "gae_lambda": 0.95,
            "clip_range_final": 0.2,
            "entropy_coefficient": 0.01,
            "normalize_rewards": True,
        },
        policy={"hidden_sizes": (128, 128), "normalize_observations": True},
        episodes=400,
    ),
]
