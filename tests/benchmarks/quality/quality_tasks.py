"""What `make bench-quality` trains: each task with its settings, its budget and the bar it must reach."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph

_EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
sys.path[:0] = [str(_EXAMPLES), str(_EXAMPLES / "plugins"), *map(str, Path(__file__).parents[:2])]


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
        policy_name: the name of its policies; None: those that the trainer makes by itself.
        table: the table that it is a row of; None: that of the algorithm.
        trainer: settings of the trainer that differ from its defaults.
        policy: settings of its policy that differ from its defaults.
        policies: makes the policies, if there are several; each gets the settings of `policy`.
        episodes: episodes of the final evaluation.
        best_every: env steps between two evaluations, over 20 episodes, of which the best one counts, too.
        best_bar: what the best evaluation of each seed must reach.
        is_nightly: whether it is trained only when it is named.
        evaluation_env: makes the env that the finished policy is evaluated in; None: `env`.
        evaluation_config: keyword arguments for it.
    """

    name: str
    env: Callable[[], Any]
    env_config: Mapping[str, Any] = field(default_factory=dict)
    total_steps: int
    seeds: int
    bar: float
    mean_bar: float | None = None
    algorithm: str = "ppo"
    policy_name: str | None = None
    table: str | None = None
    trainer: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    policies: Mapping[str, Any] = field(default_factory=lambda: {"p": lambda _: True})
    episodes: int = 100
    best_every: int | None = None
    best_bar: float | None = None
    is_nightly: bool = False
    evaluation_env: Callable[[], Any] | None = None
    evaluation_config: Mapping[str, Any] = field(default_factory=dict)

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


def cart_pole_without_velocities() -> gym.Env[Any, Any]:
    """Return a CartPole that shows where cart and pole are, not how fast they move."""
    env = gym.make("CartPole-v1")
    bounds: Any = env.observation_space
    space = gym.spaces.Box(bounds.low[[0, 2]], bounds.high[[0, 2]], dtype=np.float32)
    return gym.wrappers.TransformObservation(env, lambda observation: observation[[0, 2]], space)


def memory_game() -> Any:
    """Return the example in which the cue of the first step is asked for in the last."""
    from memory_game import MemoryEnv

    return MemoryEnv


def swift_spread() -> Any:
    """Return simple_spread with copies that are stepped together: what it plays is the same."""
    from swift_spread import SwiftSpread

    return SwiftSpread


def lucky_match() -> Any:
    """Return the game whose rewards hang on what only the state shows."""
    from lucky_match import LuckyMatchEnv

    return LuckyMatchEnv


def plain_match() -> Any:
    """Return the same game without luck: what a pair of policies is worth, 1 at best."""
    from lucky_match import LUCKS, LuckyMatchEnv

    class PlainMatchEnv(LuckyMatchEnv):
        def post_message_resolution(self) -> None:
            self.weather.luck = LUCKS // 2
            super().post_message_resolution()

    return PlainMatchEnv


def two_cart_poles() -> Any:
    """Return the env of two agents with a CartPole each."""
    from multi_agent_envs import TwoCartPoles

    return TwoCartPoles


MEMORY = "ppo with a memory"
"""The table of what `ppo` learns with a policy that remembers, and beside it without one."""

MEMORY_GAME = {
    "copies": 16,
    "steps_per_copy": 40,
    "epochs": 10,
    "minibatch_size": 320,
    "gamma": 0.98,
    "gae_lambda": 0.8,
    "lr": 3e-3,
    "clip_range_final": 0.0,
    "entropy_coefficient": 0.005,
    "normalize_rewards": False,
}
"""Two whole episodes of 20 steps in each copy, so that no sequence begins after its cue."""

NO_VELOCITIES = {
    "copies": 16,
    "steps_per_copy": 64,
    "epochs": 10,
    "minibatch_size": 512,
    "gamma": 0.98,
    "gae_lambda": 0.8,
    "lr": 1e-3,
    "clip_range_final": 0.0,
    "entropy_coefficient": 0.005,
    "normalize_rewards": True,
}
"""Larger minibatches than RL-Zoo's, because a step of the optimiser costs little more with more sequences."""

DQN_CARTPOLE = {
    "steps": 256,
    "rounds": 4,
    "decisions_per_gradient_step": 2,
    "lr": 2.3e-3,
    "target_every": 10,
    "num_steps": 3,
}
"""RL-Zoo's settings of CartPole, but for 3 steps, double learning and a learning rate that falls to 0."""

SPREAD_NAME = "simple_spread_v3 (mpe2), per agent"
SPREAD: dict[str, Any] = {
    "env": swift_spread,
    "evaluation_env": pettingzoo_env,
    "evaluation_config": {"env": "mpe2.simple_spread_v3", "N": 3, "max_cycles": 25},
    "total_steps": 3_000_000,
    "seeds": 3,
    "episodes": 400,
    "policy": {"hidden_sizes": (64, 64), "activation": "relu", "normalize_observations": True},
}
SPREAD_TRAINER = {
    "copies": 128,
    "steps_per_copy": 25,
    "epochs": 10,
    "minibatch_size": 1600,
    "gamma": 0.95,
    "gae_lambda": 0.95,
    "clip_range_final": 0.2,
    "entropy_coefficient": 0.01,
}
"""What `mappo` and `ppo` are compared with; the bar is 0.5 below the assignment of `spread_assignment.py`."""

LUCKY: dict[str, Any] = {
    "env": lucky_match,
    "evaluation_env": plain_match,
    "total_steps": 4096,
    "seeds": 5,
    "trainer": {"gamma": 0.0, "lr": 1e-2, "epochs": 10},
}

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
        name="CartPole-v1 without velocities",
        table=MEMORY,
        policy_name="gru-actor-critic",
        env=gymnasium_env,
        env_config={"env": cart_pole_without_velocities},
        total_steps=200_000,
        seeds=5,
        bar=475.0,
        trainer={"backend": "torch", "sequence_length": 16, **NO_VELOCITIES},
        policy={"normalize_observations": True},
    ),
    Task(
        name="CartPole-v1 without velocities or memory",
        table=MEMORY,
        policy_name="mlp-actor-critic",
        env=gymnasium_env,
        env_config={"env": cart_pole_without_velocities},
        total_steps=200_000,
        seeds=5,
        bar=0.0,
        trainer=NO_VELOCITIES,
        policy={"normalize_observations": True},
    ),
    Task(
        name="memory game of 20 steps",
        table=MEMORY,
        policy_name="gru-actor-critic",
        env=memory_game,
        env_config={"length": 20},
        total_steps=30_000,
        seeds=5,
        bar=0.99,
        trainer={"backend": "torch", **MEMORY_GAME},
    ),
    Task(
        name="memory game of 20 steps, without memory",
        table=MEMORY,
        policy_name="mlp-actor-critic",
        env=memory_game,
        env_config={"length": 20},
        total_steps=30_000,
        seeds=5,
        bar=0.0,
        trainer=MEMORY_GAME,
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
            "num_steps": 3,
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
    Task(name="lucky match", algorithm="mappo", bar=1.0, **LUCKY),
    Task(name="lucky match, ppo", algorithm="ppo", table="mappo", bar=0.0, **LUCKY),
    Task(name=SPREAD_NAME + ", mappo", algorithm="mappo", bar=-9.2, trainer=SPREAD_TRAINER, **SPREAD),
    Task(
        name=SPREAD_NAME + ", ppo",
        algorithm="ppo",
        table="mappo",
        bar=-10.0,
        trainer={**SPREAD_TRAINER, "normalize_rewards": True},
        **SPREAD,
    ),
    Task(
        name="supply chain (Box), es",
        algorithm="es",
        env=supply_chain,
        total_steps=100_000,
        seeds=5,
        bar=806.0,
        episodes=500,
    ),
    Task(
        name="CartPole-v1, es",
        algorithm="es",
        env=gymnasium_env,
        env_config={"env": "CartPole-v1"},
        total_steps=200_000,
        seeds=5,
        bar=500.0,
    ),
]
