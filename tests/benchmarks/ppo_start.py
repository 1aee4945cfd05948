"""How soon `ppo` and its peers have made their first iteration, and how much memory training takes."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ppo_contenders import has

ROUNDS = 5
FIRST_ITERATION, LONG = 256, 20_480

OURS = """
from phantom_core.cli.main import main
main(["train", "cartpole.toml", "--iterations", str({steps} // 256)])
"""
RUN_FILE = """
env = "gymnasium"
trainer = "ppo"
[env_config]
env = "CartPole-v1"
"""
STABLE_BASELINES = """
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
torch.set_num_threads(1)
envs = make_vec_env("CartPole-v1", 8)
PPO("MlpPolicy", envs, n_steps=32, batch_size=256, n_epochs=20, device="cpu").learn({steps})
"""
PLAIN_TORCH = """
import torch
from plain_torch_ppo import Budget, train
torch.set_num_threads(1)
train({steps}, Budget(8, 32, 20, 256))
"""
SAY_PEAK = """
import atexit
def say_peak():
    status = open("/proc/self/status").read()
    print("peak", status.split("VmHWM:")[1].split()[0])
atexit.register(say_peak)
"""


def start_and_memory() -> None:
    """Print the time of a cold start to the end of the first iteration, and peak memory of training."""
    programs = {"phantom train": OURS}
    if has("stable_baselines3"):
        programs["Stable-Baselines3"] = STABLE_BASELINES
    if has("torch"):
        programs["plain torch script"] = PLAIN_TORCH
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    for _ in range(ROUNDS):
        for name, program in programs.items():
            wall, cpu, _ = run(program.format(steps=FIRST_ITERATION))
            found[name].append((wall, cpu))
    print("\nCartPole-v1, 8 copies of 32 steps, 20 epochs: cold start to the end of a run of one iteration,")
    print(f"wall clock and CPU, median of {ROUNDS} in turn; peak memory of {LONG:,} steps")
    for name, program in programs.items():
        walls, cpus = np.array(found[name]).T
        _, _, peak = run(program.format(steps=LONG))
        print(
            f"  {name:20s} {np.median(walls):5.2f} s [{walls.min():.2f}, {walls.max():.2f}]   "
            f"CPU {np.median(cpus):5.2f} s [{cpus.min():.2f}, {cpus.max():.2f}]   {peak:4.0f} MB"
        )


def run(program: str) -> tuple[float, float, float]:
    """Run a program in a fresh process; return its seconds by the clock and by CPU, and its peak in MB."""
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "cartpole.toml").write_text(RUN_FILE)
        code = f"import sys; sys.path.append({str(here)!r})\n{SAY_PEAK}{program}"
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True
        )
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall, cpu, int(done.stdout.split("peak ")[1].split()[0]) / 1024
