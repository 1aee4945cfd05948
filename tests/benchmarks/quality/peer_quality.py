"""How well Stable-Baselines3 does on the tasks of `dqn` and `sac`, with RL-Zoo's settings, on given seeds.

    python tests/benchmarks/quality/peer_quality.py CartPole-v1 1 2 3

Prints the mean return of the last policy over 100 episodes. It needs stable-baselines3
(`tests/benchmarks/requirements-peers.txt`) and torch.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Sequence
from typing import Any, Final

import gymnasium as gym

RL_ZOO: Final[dict[str, tuple[str, int, dict[str, Any]]]] = {
    "CartPole-v1": (
        "DQN",
        50_000,
        {
            "learning_rate": 2.3e-3,
            "batch_size": 64,
            "buffer_size": 100_000,
            "learning_starts": 1000,
            "gamma": 0.99,
            "target_update_interval": 10,
            "train_freq": 256,
            "gradient_steps": 128,
            "exploration_fraction": 0.16,
            "exploration_final_eps": 0.04,
            "policy_kwargs": {"net_arch": [256, 256]},
        },
    ),
    "MountainCar-v0": (
        "DQN",
        120_000,
        {
            "learning_rate": 4e-3,
            "batch_size": 128,
            "buffer_size": 10_000,
            "learning_starts": 1000,
            "gamma": 0.98,
            "target_update_interval": 600,
            "train_freq": 16,
            "gradient_steps": 8,
            "exploration_fraction": 0.2,
            "exploration_final_eps": 0.07,
            "policy_kwargs": {"net_arch": [256, 256]},
        },
    ),
    "Pendulum-v1": ("SAC", 20_000, {"learning_rate": 1e-3}),
    "MountainCarContinuous-v0": (
        "SAC",
        50_000,
        {
            "learning_rate": 3e-4,
            "batch_size": 512,
            "buffer_size": 50_000,
            "learning_starts": 0,
            "ent_coef": 0.1,
            "gamma": 0.9999,
            "gradient_steps": 32,
            "tau": 0.01,
            "train_freq": 32,
            "use_sde": True,
            "policy_kwargs": {"log_std_init": -3.67, "net_arch": [64, 64]},
        },
    ),
}
"""By env: the algorithm, the env steps that RL-Zoo trains it for, and the settings."""


def main(name: str, seeds: Sequence[str]) -> None:
    """Train an env on each seed, and print what the last policy earns."""
    import stable_baselines3
    import torch
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor

    torch.set_num_threads(1)
    algorithm, steps, settings = RL_ZOO[name]
    model_class = getattr(stable_baselines3, algorithm)
    for seed in map(int, seeds):
        model = model_class("MlpPolicy", Monitor(gym.make(name)), seed=seed, device="cpu", **settings)
        model.learn(steps)
        env = Monitor(gym.make(name))
        env.reset(seed=10_000 + seed)
        mean_return, _ = evaluate_policy(model, env, n_eval_episodes=100, deterministic=True)
        print(f"{name}  seed {seed}: {mean_return:.1f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
