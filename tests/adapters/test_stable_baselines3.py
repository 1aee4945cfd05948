"""Stable-Baselines3 trains one agent of an env of ours."""

from importlib.util import find_spec
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        find_spec("stable_baselines3") is None,
        reason="stable-baselines3 is not installed: run make check-integrations",
    ),
]


def mean_random_return(env: gym.Env[Any, Any], num_episodes: int) -> float:
    env.action_space.seed(1)
    returns = []
    for seed in range(num_episodes):
        env.reset(seed=seed)
        returns.append(0.0)
        is_over = False
        while not is_over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            returns[-1] += float(reward)
            is_over = terminated or truncated
    return float(np.mean(returns))


def test_its_ppo_improves_much_on_random_orders_in_8000_steps(supply_chain: Any) -> None:
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_checker import check_env
    from stable_baselines3.common.evaluation import evaluate_policy

    def make() -> gym.Env[Any, Any]:
        others = {"SHOP2": "random"}
        env = ph.SingleAgentEnvAdapter(supply_chain.SupplyChainEnv, "SHOP1", others, {"num_shops": 2})
        return gym.wrappers.RescaleAction(env, np.float32(-1), np.float32(1))

    check_env(make())
    torch.set_num_threads(1)  # more of them only wait for each other
    settings = {"n_steps": 200, "batch_size": 100, "learning_rate": 1e-3, "gamma": 0.9}
    model = PPO("MlpPolicy", make(), seed=1, device="cpu", **settings)
    model.learn(8_000)
    mean_return, _ = evaluate_policy(model, make(), n_eval_episodes=20, warn=False)
    assert mean_random_return(make(), 20) < 200  # 118 when this was written
    assert mean_return > 500  # 727; the best possible is 818


def test_it_sees_the_time_limit_as_one(players_env: Any) -> None:
    from stable_baselines3.common.vec_env import DummyVecEnv

    def make() -> gym.Env[Any, Any]:
        others = {"player_1": "random"}
        return ph.SingleAgentEnvAdapter(
            players_env, "player_0", others, {"num_steps": 3, "takes_turns": True}
        )

    envs = DummyVecEnv([make, make])
    envs.reset()
    envs.step(np.array([0, 1]))
    _, _, dones, infos = envs.step(np.array([0, 1]))
    assert dones.tolist() == [True, True]
    assert [info["TimeLimit.truncated"] for info in infos] == [True, True]
    assert [info["terminal_observation"][0] for info in infos] == [1.0, 1.0]
