"""How fast `dqn` and `sac` train, beside Stable-Baselines3: equal networks, gradient steps and env steps.

    .venv/bin/python tests/benchmarks/bench_off_policy.py dqn     # or sac; a number: so many rounds

`dqn` learns CartPole-v1 with batches of 64, a target network that is copied and no double learning, `sac`
Pendulum-v1 with batches of 256 and an automatic temperature; one thread, no Monitor's file. One turn after
the other, in several rounds of one process: read the ratios, which are taken round by round. Seconds are CPU
seconds of the process, from the first gradient step on, end to end: acting, the env, replay and learning.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

import phantom_core as ph

sys.path[:0] = [str(Path(__file__).parent)]

from ppo_contenders import has  # noqa: E402  beside this file


@dataclass(frozen=True)
class Work:
    """The same work for everybody.

    Attributes:
        width: of both hidden layers.
        steps: env steps between two updates.
        gradient_steps: gradient steps in an update.
        num_steps: env steps in all, after the warm-up.
    """

    width: int
    steps: int
    gradient_steps: int
    num_steps: int


@dataclass(frozen=True)
class Match:
    """An algorithm, as both sides have it.

    Attributes:
        env: what both learn.
        warm_up: env steps before the first gradient step.
        ours: settings of our trainer, beside those of the work.
        theirs: settings of Stable-Baselines3's, likewise.
        works: what is measured.
        variants: other settings of ours that are measured, too, by name.
    """

    env: str
    warm_up: int
    ours: Mapping[str, Any]
    theirs: Mapping[str, Any]
    works: tuple[Work, ...]
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


MATCHES: Final = {
    "dqn": Match(
        env="CartPole-v1",
        warm_up=1024,
        ours={"batch_size": 64, "is_double": False, "target_every": 256, "lr_final": 1e-3},
        theirs={
            "batch_size": 64,
            "target_update_interval": 256,
            "learning_rate": 1e-3,
            "buffer_size": 100_000,
        },
        works=tuple(
            Work(width, steps, gradient_steps, n)
            for width, n in ((64, 2048), (256, 1024))
            for steps, gradient_steps in ((256, 128), (4, 1))
        ),
        variants={"dqn, double": {"is_double": True}},
    ),
    "sac": Match(
        env="Pendulum-v1",
        warm_up=256,
        ours={},
        theirs={},
        works=tuple(
            Work(width, steps, steps, n) for width, n in ((64, 768), (256, 384)) for steps in (1, 32)
        ),
    ),
}


class Clock(ph.Hooks):
    """Notes the CPU time when the first iteration, the warm-up, has ended, and when the last one has."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        """Note the time."""
        self.marks.append(time.process_time())


def train_ours(name: str, work: Work, **config: Any) -> float:
    """Train with our trainer; return CPU seconds per env step after the warm-up."""
    match, clock, sizes = MATCHES[name], Clock(), (work.width, work.width)
    ph.train(
        name,
        env=ph.GymnasiumEnv,
        env_config={"env": match.env},
        policies={"p": ph.PolicySpec(agents=lambda _: True, config={"hidden_sizes": sizes})},
        total_steps=match.warm_up + work.num_steps,
        trainer_config={
            "steps": work.steps,
            "rounds": match.warm_up // work.steps,
            "decisions_per_gradient_step": work.steps // work.gradient_steps,
            "warm_up": match.warm_up,
            **match.ours,
            **config,
        },
        hooks=[clock],
        seed=1,
        run_dir=None,
    )
    return (clock.marks[-1] - clock.marks[0]) / work.num_steps


def train_theirs(name: str, work: Work) -> float:
    """Train with Stable-Baselines3; return CPU seconds per env step after the warm-up."""
    import stable_baselines3
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    torch.set_num_threads(1)
    match, marks = MATCHES[name], []

    class WarmClock(BaseCallback):  # type: ignore[misc]  # it is not installed where types are checked
        def _on_step(self) -> bool:
            if self.num_timesteps == match.warm_up:
                marks.append(time.process_time())
            return True

    model = getattr(stable_baselines3, name.upper())(
        "MlpPolicy",
        match.env,
        learning_starts=match.warm_up,
        train_freq=work.steps,
        gradient_steps=work.gradient_steps,
        policy_kwargs={"net_arch": [work.width, work.width]},
        seed=1,
        device="cpu",
        **match.theirs,
    )
    model.learn(match.warm_up + work.num_steps, callback=WarmClock())
    return (time.process_time() - marks[0]) / work.num_steps


def contenders(name: str) -> dict[str, Callable[[Work], float]]:
    """Return who is there, by name; the first is what the others are compared with."""
    found: dict[str, Callable[[Work], float]] = {}
    if has("stable_baselines3"):
        found["Stable-Baselines3"] = lambda work: train_theirs(name, work)
    if has("torch"):
        found[f"{name}, backend torch"] = lambda work: train_ours(name, work, backend="torch")
    found[name] = lambda work: train_ours(name, work)
    for variant, config in MATCHES[name].variants.items():
        found[variant] = lambda work, config=config: train_ours(name, work, **config)  # type: ignore[misc]
    return found


def main(name: str, rounds: int) -> None:
    """Print microseconds of everybody, and how many times as fast as the first everybody is."""
    runs = contenders(name)
    for work in MATCHES[name].works:
        seconds: dict[str, list[float]] = {contender: [] for contender in runs}
        for _ in range(rounds):
            for contender, run in runs.items():
                seconds[contender].append(run(work))
        each = f"{work.width} x {work.width}, {work.steps} env steps, {work.gradient_steps} gradient steps"
        print(f"\n{MATCHES[name].env}, {each}: CPU microseconds per env step; times the first, by round")
        first = np.array(next(iter(seconds.values())))
        for contender, found in seconds.items():
            ratios = first / np.array(found)
            print(
                f"  {contender:20s}{1e6 * np.median(found):9,.0f}   {np.median(ratios):.2f} "
                f"[{ratios.min():.2f}, {ratios.max():.2f}]",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5)
