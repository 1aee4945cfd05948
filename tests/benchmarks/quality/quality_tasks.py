"""What `make bench-quality` trains: each task with its settings, its budget and the bar it must reach."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import phantom_core as ph

sys.path[:0] = [str(Path(__file__).parents[3] / "docs" / "examples"), str(Path(__file__).parents[1])]


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
        algorithm: the name of the trainer.
        trainer: settings of the trainer that differ from its defaults.
        policy: settings of its policy that differ from its defaults.
        policies: makes the policies, if there are several; each gets the settings of `policy`.
        episodes: episodes of the final evaluation.
        best_every: env steps between two evaluations, over 20 episodes, of which the best one counts, too.
        best_bar: what the best evaluation of each seed must reach.
        is_nightly: whether it is trained only when it is named.
    """

    name: str
    env: Callable[[], Any]
    env_config: Mapping[str, Any] = field(default_factory=dict)
    total_steps: int
    seeds: int
    bar: float
    mean_bar: float | None = None
    algorithm: str = "ppo"
    trainer: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    policies: Mapping[str, Any] = field(default_factory=lambda: {"p": lambda _: True})
    episodes: int = 100
    best_every: int | None = None
    best_bar: float | None = None
    is_nightly: bool = False

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


def two_cart_poles() -> Any:
    """Return the env of two agents with a CartPole each."""
    from multi_agent_envs import TwoCartPoles

    return TwoCartPoles


DQN_CARTPOLE = {
    "steps": 256,
    "rounds": 4,
    "decisions_per_gradient_step": 2,
    "lr": 2.3e-3,
    "target_every": 10,
    "num_steps": 3,
}
"""RL-Zoo's settings of CartPole, but for 3 steps, double learning and a learning rate that falls to 0."""

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
    Task(
        name="CartPole-v1, dqn",
        algorithm="dqn",
        env=gymnasium_env,
        env_config={"env": "CartPole-v1"},
        total_steps=50_000,
        seeds=10,
        bar=0.0,
        mean_bar=None,
        trainer=DQN_CARTPOLE,
        policy={"hidden_sizes": (256, 256)},
        best_every=5_000,
        best_bar=475.0,
    ),
    Task(
        name="MountainCar-v0, dqn",
        algorithm="dqn",
        env=gymnasium_env,
        env_config={"env": "MountainCar-v0"},
        total_steps=120_000,
        seeds=3,
        bar=-130.0,
        trainer={
            "steps": 16,
            "rounds": 64,
            "decisions_per_gradient_step": 2,
            "batch_size": 128,
            "capacity": 10_000,
            "gamma": 0.98,
            "lr": 4e-3,
            "target_every": 600,
            "epsilon_final": 0.07,
            "exploration_fraction": 0.2,
        },
        policy={"hidden_sizes": (256, 256)},
    ),
    Task(
        name="two-agent CartPole, one shared policy, dqn",
        algorithm="dqn",
        env=two_cart_poles,
        total_steps=30_000,
        seeds=1,
        bar=475.0,
        trainer=DQN_CARTPOLE,
        policy={"hidden_sizes": (64, 64)},
    ),
    Task(
        name="two-agent CartPole, separate policies, dqn",
        algorithm="dqn",
        env=two_cart_poles,
        total_steps=50_000,
        seeds=1,
        bar=475.0,
        trainer=DQN_CARTPOLE,
        policy={"hidden_sizes": (256, 256)},
        policies={"left": ["left"], "right": ["right"]},
    ),
    Task(
        name="Pendulum-v1, sac",
        algorithm="sac",
        env=gymnasium_env,
        env_config={"env": "Pendulum-v1"},
        total_steps=20_000,
        seeds=5,
        bar=-180.0,
        trainer={"lr": 1e-3},
    ),
    Task(
        name="MountainCarContinuous-v0, sac",
        algorithm="sac",
        env=gymnasium_env,
        env_config={"env": "MountainCarContinuous-v0"},
        total_steps=50_000,
        seeds=1,
        bar=90.0,
        trainer={
            "steps": 32,
            "rounds": 64,
            "batch_size": 512,
            "warm_up": 1,
            "capacity": 50_000,
            "gamma": 0.9999,
            "target_rate": 0.01,
            "temperature": 0.1,
        },
        policy={"state_dependent_exploration": True, "log_std_init": -3.67},
    ),
    Task(
        name="supply chain (Box), sac",
        algorithm="sac",
        env=supply_chain,
        total_steps=30_000,
        seeds=3,
        bar=797.0,
        trainer={"steps": 8, "rounds": 125, "decisions_per_gradient_step": 2},
        episodes=500,
    ),
    Task(
        name="LunarLanderContinuous-v3, sac",
        algorithm="sac",
        env=gymnasium_env,
        env_config={"env": "LunarLanderContinuous-v3"},
        total_steps=500_000,
        seeds=1,
        bar=200.0,
        trainer={"warm_up": 10_000, "lr": 7.3e-4, "lr_final": 0.0, "target_rate": 0.01},
        policy={"hidden_sizes": (400, 300)},
        is_nightly=True,
    ),
]
