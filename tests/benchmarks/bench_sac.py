"""How fast `sac` trains, beside Stable-Baselines3, with equal networks, gradient steps and env steps.

    make bench-sac

Both learn Pendulum-v1 with one thread, batches of 256, an automatic temperature and a gradient step for each
env step after a warm-up; one turn after the other, in several rounds of one process: read the ratios, which
are taken round by round. Seconds are CPU seconds of the process, from the first gradient step on, end to
end: acting, the env, replay and learning.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import phantom_core as ph

sys.path[:0] = [str(Path(__file__).parent)]

from ppo_contenders import has  # noqa: E402  beside this file

WARM_UP = 256


@dataclass(frozen=True)
class Work:
    """The same work for everybody.

    Attributes:
        width: of both hidden layers.
        steps: env steps, and gradient steps, in a round.
        num_steps: env steps in all, after the warm-up.
    """

    width: int
    steps: int
    num_steps: int


WORKS = [Work(width, steps, n) for width, n in ((64, 768), (256, 384)) for steps in (1, 32)]


class Clock(ph.Hooks):
    """Notes the CPU time when the first iteration, the warm-up, has ended, and when the last one has."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        """Note the time."""
        self.marks.append(time.process_time())


def train_ours(work: Work, **config: Any) -> float:
    """Train with `sac`; return CPU seconds per env step after the warm-up."""
    clock, sizes = Clock(), (work.width, work.width)
    ph.train(
        "sac",
        env=ph.GymnasiumEnv,
        env_config={"env": "Pendulum-v1"},
        policies={"p": ph.PolicySpec(agents=lambda _: True, config={"hidden_sizes": sizes})},
        total_steps=WARM_UP + work.num_steps,
        trainer_config={
            "steps": work.steps,
            "rounds": WARM_UP // work.steps,
            "warm_up": WARM_UP,
            **config,
        },
        hooks=[clock],
        seed=1,
        run_dir=None,
    )
    return (clock.marks[-1] - clock.marks[0]) / work.num_steps


def train_sb3(work: Work) -> float:
    """Train with Stable-Baselines3; return CPU seconds per env step after the warm-up."""
    import torch
    from stable_baselines3 import SAC
    from stable_baselines3.common.callbacks import BaseCallback

    torch.set_num_threads(1)
    marks = []

    class WarmClock(BaseCallback):  # type: ignore[misc]  # it is not installed where types are checked
        def _on_step(self) -> bool:
            if self.num_timesteps == WARM_UP:
                marks.append(time.process_time())
            return True

    model = SAC(
        "MlpPolicy",
        "Pendulum-v1",
        learning_starts=WARM_UP,
        train_freq=work.steps,
        gradient_steps=work.steps,
        policy_kwargs={"net_arch": [work.width, work.width]},
        seed=1,
        device="cpu",
    )
    model.learn(WARM_UP + work.num_steps, callback=WarmClock())
    return (time.process_time() - marks[0]) / work.num_steps


def contenders() -> dict[str, Callable[[Work], float]]:
    """Return who is there, by name; the first is what the others are compared with."""
    found: dict[str, Callable[[Work], float]] = {}
    if has("stable_baselines3"):
        found["Stable-Baselines3"] = train_sb3
    if has("torch"):
        found["sac, backend torch"] = lambda work: train_ours(work, backend="torch")
    found["sac"] = train_ours
    return found


def main(rounds: int) -> None:
    """Print microseconds of everybody, and how many times as fast as the first everybody is."""
    runs = contenders()
    for work in WORKS:
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                seconds[name].append(run(work))
        each = f"{work.width} x {work.width}, {work.steps} env and gradient steps in a round"
        print(f"\nPendulum-v1, {each}: CPU microseconds per env step; times the first, by round")
        first = np.array(next(iter(seconds.values())))
        for name, found in seconds.items():
            ratios = first / np.array(found)
            print(
                f"  {name:20s}{1e6 * np.median(found):9,.0f}   {np.median(ratios):.2f} "
                f"[{ratios.min():.2f}, {ratios.max():.2f}]",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
