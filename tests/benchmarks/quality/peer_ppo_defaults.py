"""What Stable-Baselines3's PPO earns with its defaults, on the tasks and budgets of `defaults_tasks.py`.

    python tests/benchmarks/quality/peer_ppo_defaults.py                     # every task, seeds 1 to 5
    python tests/benchmarks/quality/peer_ppo_defaults.py CartPole-v1 > log   # some

`PPO("MlpPolicy", env)` with one copy of the env and no setting. Prints the mean return of the last policy,
which takes its likeliest actions, over 100 episodes. It needs stable-baselines3
(`tests/benchmarks/requirements-peers.txt`), torch, and `tests/benchmarks/quality/requirements.txt`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv

import phantom_core as ph

sys.path[:0] = [str(Path(__file__).parent)]

from defaults_tasks import NUM_SEEDS, chosen_tasks, line  # noqa: E402  beside this file
from quality_tasks import Task  # noqa: E402


class AgentsAsCopies(VecEnv):
    """A parallel game of equal agents as one copy of an env for each agent, so that they share a policy."""

    def __init__(self, game: Any) -> None:
        self.game, first = game, game.possible_agents[0]
        super().__init__(len(game.possible_agents), game.observation_space(first), game.action_space(first))

    def reset(self) -> Any:
        observations, _ = self.game.reset(seed=self._seeds[0])
        self._reset_seeds()
        return np.stack(list(observations.values()))

    def step_async(self, actions: Any) -> None:
        self.result = self.game.step(dict(zip(self.game.possible_agents, actions, strict=True)))

    def step_wait(self) -> Any:
        observations, rewards, terminations, truncations, _ = self.result
        seen = np.stack(list(observations.values()))
        is_over = np.array(list(terminations.values())) | np.array(list(truncations.values()))
        infos: list[dict[str, Any]] = [{} for _ in rewards]
        if is_over.all():
            for info, last, is_cut in zip(infos, seen, truncations.values(), strict=True):
                info |= {"terminal_observation": last, "TimeLimit.truncated": is_cut}
            seen = self.reset()
        return seen, np.array(list(rewards.values()), np.float32), is_over, infos

    def close(self) -> None:
        self.game.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self.game, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def make_envs(task: Task, copies: int, seed: int) -> VecEnv:
    """Return copies of a task's env for Stable-Baselines3; of simple_spread one, with a copy for each agent.

    The shop's orders are scaled to [-1, 1], as Stable-Baselines3 asks for.
    """
    envs: VecEnv
    if "simple_spread" in task.name:
        from mpe2 import simple_spread_v3

        envs = AgentsAsCopies(simple_spread_v3.parallel_env(N=3, max_cycles=25))
        envs.seed(seed)
    elif task.name == "supply chain":
        envs = make_vec_env(lambda: scaled_shop(task), copies, seed=seed)
    else:
        envs = make_vec_env(task.env_config["env"], copies, seed=seed)
    return envs


def scaled_shop(task: Task) -> gym.Env[Any, Any]:
    """Return the supply chain as an env of its shop."""
    shop = ph.SingleAgentEnvAdapter(task.env(), "SHOP")
    return gym.wrappers.RescaleAction(shop, np.float32(-1.0), np.float32(1.0))


def mean_return(task: Task, seed: int) -> float:
    """Train a task on a seed, and return what the last policy earns."""
    envs = make_envs(task, 1, seed)
    model = PPO("MlpPolicy", envs, seed=seed, device="cpu")
    model.learn(task.total_steps * envs.num_envs)
    fresh = make_envs(task, 20, 10_000 + seed)
    number = task.episodes * envs.num_envs
    earned, _ = evaluate_policy(model, fresh, n_eval_episodes=number, deterministic=True, warn=False)
    return float(np.mean(earned))


def main(names: Sequence[str]) -> None:
    """Train the tasks of these names, or all, and print what each seed came to."""
    torch.set_num_threads(1)
    for seed in range(1, NUM_SEEDS + 1):
        for task in chosen_tasks(names):
            print(line("stable-baselines3", task, seed, mean_return(task, seed)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
