"""How long `ppo`, Stable-Baselines3 and the plain torch script take to solve CartPole-v1.

All train 100,000 steps to their end. Every 2,560 steps the clock stands still for an evaluation: the greedy
policy plays 100 episodes, and with a mean of 475 the task is solved. A time counts only together with the
final evaluation, again over 100 episodes, of what the same seed had become at the end of training.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from ppo_contenders import CARTPOLE, RL_ZOO, budget, has, sb3_model

import phantom_core as ph

SOLVED = 475.0
TOTAL_STEPS, EVALUATE_EVERY = 100_000, 2_560

Act = Callable[[Any], Any]
"""What is done in each of a batch of observations."""


@dataclass
class SolveClock:
    """CPU seconds of training until it is solved: evaluates every few steps, and does not count that."""

    seconds: float = float("inf")
    num_steps: int = 0
    evaluating: float = 0.0
    started: float = field(default_factory=time.process_time)

    def updated(self, act: Act) -> None:
        """An update was made: evaluate if it is time to."""
        self.num_steps += RL_ZOO.copies * RL_ZOO.steps_per_copy
        if self.seconds < float("inf") or self.num_steps % EVALUATE_EVERY:
            return
        before = time.process_time()
        if cartpole_return(act, seed=999) >= SOLVED:
            self.seconds = before - self.started - self.evaluating
        self.evaluating += time.process_time() - before


class EvaluateOurs(ph.Hooks):
    """Tells a clock of our updates."""

    def __init__(self) -> None:
        self.clock = SolveClock()

    def on_train_start(self, event: ph.TrainStart) -> None:
        """Start the clock."""
        self.clock = SolveClock()

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        """Pass on what the policy does now."""
        self.clock.updated(event.policies["default"].compute_actions)


def cartpole_return(act: Act, seed: int, episodes: int = 100) -> float:
    """Return the mean return of a policy in CartPole-v1."""
    envs = gym.make_vec("CartPole-v1", episodes, vectorization_mode="vector_entry_point")
    observations, _ = envs.reset(seed=seed)
    is_alive, returns = np.ones(episodes, dtype=bool), np.zeros(episodes)
    while is_alive.any():
        observations, rewards, terminated, truncated, _ = envs.step(act(observations))
        returns += rewards * is_alive
        is_alive &= ~(terminated | truncated)
    return float(returns.mean())


def solve_ours(seed: int, **config: Any) -> tuple[float, Act]:
    """Train with `ppo`; return the seconds until it was solved, and what was learned."""
    hook = EvaluateOurs()
    results = ph.train(
        "ppo",
        env=ph.GymnasiumEnv,
        env_config=CARTPOLE,
        total_steps=TOTAL_STEPS,
        trainer_config=config,
        hooks=[hook],
        seed=seed,
        run_dir=None,
    )
    return hook.clock.seconds, results.policies["default"].compute_actions


def solve_sb3(seed: int) -> tuple[float, Act]:
    """Train with Stable-Baselines3, likewise."""
    from stable_baselines3 import PPO

    class Clocked(PPO):
        def train(self) -> None:
            super().train()
            clock.updated(act)

    model = sb3_model(RL_ZOO, seed, Clocked)

    def act(observations: Any) -> Any:
        return model.predict(observations, deterministic=True)[0]

    clock = SolveClock()
    model.learn(TOTAL_STEPS)
    return clock.seconds, act


def solve_plain_torch(seed: int) -> tuple[float, Act]:
    """Train with the plain torch script, likewise."""
    import torch
    from plain_torch_ppo import train

    def acting(agent: Any) -> Act:
        return lambda seen: agent.actor(torch.as_tensor(seen)).argmax(1).numpy()

    clock = SolveClock()
    agent = train(
        TOTAL_STEPS, budget(RL_ZOO), seed=seed, after_update=lambda agent: clock.updated(acting(agent))
    )
    return clock.seconds, acting(agent)


def solve(seeds: int = 10, peer_seeds: int = 5) -> None:
    """Print how long everybody takes, in turn, and how good they are at the end."""
    runs: dict[str, Callable[[int], tuple[float, Act]]] = {
        "ppo, defaults": solve_ours,
        "ppo, without entropy bonus": lambda seed: solve_ours(seed, entropy_coefficient=0.0),
    }
    if has("stable_baselines3"):
        runs["Stable-Baselines3"] = solve_sb3
    if has("torch"):
        runs["plain torch script"] = solve_plain_torch
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for seed in range(1, seeds + 1):
        for name, run in runs.items():
            if seed <= (seeds if name.startswith("ppo") else peer_seeds):
                seconds, act = run(seed)
                found[name].append((seconds, cartpole_return(act, seed=seed)))
    print(f"\nCartPole-v1 with RL-Zoo's settings, {TOTAL_STEPS:,} steps; evaluated every {EVALUATE_EVERY:,}")
    print(f"  CPU seconds to the first evaluation of {SOLVED:g}; final evaluation; both over 100 episodes")
    for name, each in found.items():
        times, finals = np.array(each).T
        print(
            f"  {name:26s} {len(each):2d} seeds: {np.median(times):5.2f} s [{times.min():.2f}, "
            f"{times.max():.2f}]   final {np.median(finals):5.1f} [{finals.min():.1f}, {finals.max():.1f}]"
        )
