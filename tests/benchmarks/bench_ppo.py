"""How fast `ppo` trains, beside Stable-Baselines3 and a plain script in torch.

    make bench-ppo            # or some of its parts: PARTS="start compare solve agents copies"

Everybody does the same work on CartPole-v1 with one thread, in turn, in several rounds of one process: read
the ratios, which are taken round by round. Seconds are CPU seconds of the process, so that neighbours on the
machine count for little; with one thread and a core to itself they are seconds. Time to solve is given
together with the final evaluation.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "docs" / "examples")]

from multi_agent_envs import SIMPLE_SPREAD, TwoCartPoles  # noqa: E402  beside this file
from ppo_contenders import (  # noqa: E402  beside this file
    SETTINGS,
    contenders,
    has,
    interleaved,
    train_ours,
)
from supply_chain import SupplyChainEnv  # noqa: E402  an example

ROUNDS = 5
SOLVED = 475.0


class SolveClock(ph.Hooks):
    """Evaluates every few iterations, with the clock stopped, until the task is solved."""

    def __init__(self, every: int) -> None:
        self.every, self.evaluating = every, 0.0
        self.started = 0.0
        self.solved_after: float | None = None

    def on_train_start(self, event: ph.TrainStart) -> None:
        """Start the clock."""
        self.started = time.process_time()

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        """Evaluate if it is time to."""
        if self.solved_after is not None or (event.iteration + 1) % self.every:
            return
        before = time.process_time()
        if cartpole_return(event.policies["default"], seed=999) >= SOLVED:
            self.solved_after = before - self.started - self.evaluating
        self.evaluating += time.process_time() - before


def cartpole_return(policy: Any, seed: int, episodes: int = 100) -> float:
    """Return the mean return of a policy's deployed behaviour in CartPole-v1."""
    envs = gym.make_vec("CartPole-v1", episodes, vectorization_mode="vector_entry_point")
    observations, _ = envs.reset(seed=seed)
    is_alive, returns = np.ones(episodes, dtype=bool), np.zeros(episodes)
    while is_alive.any():
        observations, rewards, terminated, truncated, _ = envs.step(policy.compute_actions(observations))
        returns += rewards * is_alive
        is_alive &= ~(terminated | truncated)
    return float(returns.mean())


def compare() -> None:
    """Print steps per second of everybody at each setting, and the ratios to the first."""
    for setting in SETTINGS:
        runs = contenders(setting)
        steps = {name: 40_960 if name.startswith("ppo") else 10_240 for name in runs}
        rates = interleaved(runs, ROUNDS, steps)
        print(f"\nCartPole-v1, {setting.copies} copies, {setting.name}")
        reference = next(iter(rates.values()))
        for name, found in rates.items():
            ratios = found / reference
            print(
                f"  {name:24s} {np.median(found):9,.0f} steps/s   {np.median(ratios):5.2f} times "
                f"[{ratios.min():.2f}, {ratios.max():.2f}]"
            )


def solve(seeds: int = 10) -> None:
    """Print the seconds in which the defaults solve CartPole-v1, and how good they are at the end."""
    seconds, finals = [], []
    for seed in range(1, seeds + 1):
        clock = SolveClock(every=10)
        results = ph.train(
            "ppo",
            env=ph.GymnasiumEnv,
            env_config={"env": "CartPole-v1"},
            total_steps=100_000,
            hooks=[clock],
            seed=seed,
            run_dir=None,
        )
        seconds.append(float("inf") if clock.solved_after is None else clock.solved_after)
        finals.append(cartpole_return(results.policies["default"], seed=seed))
    print(f"\nCartPole-v1 with the defaults, {seeds} seeds, 100,000 steps, evaluated every 2,560")
    print(f"  first evaluation of at least 475 after {np.median(seconds):.2f} s (median), ", end="")
    print(f"{min(seconds):.2f} to {max(seconds):.2f} s; final evaluations from {min(finals):.1f}")


def several_agents() -> None:
    """Print agent steps per second where several agents learn, and env steps of the supply chain."""
    independent = {"left": ph.PolicySpec(agents=["left"]), "right": ph.PolicySpec(agents=["right"])}
    runs: dict[str, tuple[int, Mapping[str, Any]]] = {
        "two-agent CartPole, independent policies": (2, {"env": TwoCartPoles, "policies": independent}),
        "supply chain (Box), object path": (1, {"env": SupplyChainEnv}),
    }
    if has("mpe2"):
        runs["simple_spread_v3, one shared policy"] = (
            3,
            {**SIMPLE_SPREAD, "copies": 4, "steps_per_copy": 100},
        )
    print("\nagent steps/s, end to end (one agent: env steps)")
    for name, (agents, options) in runs.items():
        best = max(train_ours(20_480, **{"copies": 8, **options}) for _ in range(3))
        print(f"  {name:42s} {agents * best:9,.0f}")


def share_of_the_env() -> None:
    """Print how much of the speed of the env alone is left while training, by the number of copies."""
    print("\nshare of the env-only limit, CartPole-v1, 4 epochs of minibatches of 1,024")
    for copies in (8, 64, 256):
        alone, steps = env_only(copies), 128 * copies * 4
        rate = max(
            train_ours(
                steps,
                vectorization="native",
                copies=copies,
                steps_per_copy=128,
                epochs=4,
                minibatch_size=1024,
            )
            for _ in range(2)
        )
        print(f"  {copies:4d} copies: {rate:9,.0f} of {alone:9,.0f} env steps/s = {rate / alone:.1%}")


def env_only(copies: int, num_steps: int = 300) -> float:
    """Return env steps per second of Gymnasium's own vector CartPole."""
    envs = gym.make_vec("CartPole-v1", copies, vectorization_mode="vector_entry_point")
    envs.reset(seed=1)
    actions = np.random.default_rng(1).integers(2, size=(num_steps, copies))
    started = time.process_time()
    for step in range(num_steps):
        envs.step(actions[step])
    return num_steps * copies / (time.process_time() - started)


def start_and_memory() -> None:
    """Print the time of `phantom train` to its first finished iteration, and peak memory of training."""
    with tempfile.TemporaryDirectory() as folder:
        run_file = Path(folder) / "cartpole.toml"
        run_file.write_text(
            'env = "gymnasium"\ntrainer = "ppo"\niterations = 1\n[env_config]\nenv = "CartPole-v1"\n'
        )
        command = [str(Path(sys.executable).parent / "phantom"), "train", str(run_file), "--run-dir", folder]
        times = [measured(command) for _ in range(5)]
    print(f"\nphantom train, cold start to the end of a run of one iteration: {min(times):.2f} s")
    for name, code in MEMORY.items():
        if name == "ppo" or has("stable_baselines3"):
            script = f"{code}\nprint(open('/proc/self/status').read())"
            command = [sys.executable, "-c", script]
            found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            peak = next(int(line.split()[1]) for line in found.splitlines() if line.startswith("VmHWM"))
            print(f"peak memory of training CartPole-v1, {name}: {peak / 1024:.0f} MB")


def measured(command: list[str]) -> float:
    """Run a command and return the seconds that it took."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


MEMORY = {
    "ppo": (
        "import phantom_core as ph\n"
        "ph.train('ppo', env=ph.GymnasiumEnv, env_config={'env': 'CartPole-v1'}, total_steps=20_000, "
        "seed=1, run_dir=None)"
    ),
    "Stable-Baselines3": (
        "from stable_baselines3 import PPO\n"
        "from stable_baselines3.common.env_util import make_vec_env\n"
        "PPO('MlpPolicy', make_vec_env('CartPole-v1', 8), n_steps=32, device='cpu').learn(20_000)"
    ),
}


def main() -> None:
    """Measure everything."""
    if has("torch"):
        import torch

        torch.set_num_threads(1)
    parts = {
        "start": start_and_memory,
        "compare": compare,
        "solve": solve,
        "agents": several_agents,
        "copies": share_of_the_env,
    }
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
