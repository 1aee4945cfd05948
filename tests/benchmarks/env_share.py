"""What is left of the speed of CartPole alone while experience is collected, and while `ppo` trains on it.

Two kinds of copies: Gymnasium's own vector env, which steps all of them with arithmetic on arrays, and so
many envs of `gymnasium.make` that are stepped one by one. Each is compared with itself, stepped without
anything around it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import gymnasium as gym
import numpy as np
from bench_collect import collecting, env_only
from ppo_contenders import train_ours

import phantom_core as ph
from phantom_ppo import MLPActorCriticPolicy

ROUNDS = 5
COPIES = (8, 64, 256)
STEPS_PER_COPY, FEWEST_STEPS = 128, 8_192

Rate = Callable[[], float]
"""Measures env steps per CPU second once."""


def share_of_the_env() -> None:
    """Print a table of both kinds of copies, by their number."""
    print("\nCartPole-v1, env steps per CPU second, median; and its share of the env alone [lowest, highest]")
    print("  collected: with a policy that costs nothing; acted: with ppo's; trained: 4 epochs of 1,024")
    print(f"  {'copies':>6}  {'kind':<11}{'env alone':>11}", end="")
    print("".join(f"{name:>32}" for name in ("collected", "acted", "trained")))
    for copies in COPIES:
        kinds = {"native": native(copies), "one by one": one_by_one(copies)}
        found: dict[tuple[str, str], list[float]] = {}
        for _ in range(ROUNDS):
            for kind, rates in kinds.items():
                for name, rate in rates.items():
                    found.setdefault((kind, name), []).append(rate())
        for kind, rates in kinds.items():
            alone = np.array(found[kind, "env alone"])
            print(f"  {copies:6}  {kind:<11}{np.median(alone):11,.0f}", end="")
            for name in list(rates)[1:]:
                each = np.array(found[kind, name])
                shares = each / alone
                spread = f"[{shares.min():.1%}, {shares.max():.1%}]"
                print(f"{np.median(each):10,.0f} {np.median(shares):6.1%} {spread:>15}", end="")
            print(flush=True)


def native(copies: int) -> dict[str, Rate]:
    """Return what is measured with Gymnasium's vector CartPole."""
    alone = gym.make_vec("CartPole-v1", copies, vectorization_mode="vector_entry_point")
    alone.reset(seed=1)
    steps = steps_for(copies)
    actions = np.random.default_rng(1).integers(2, size=(steps // copies, copies))

    def run() -> int:
        for row in actions:
            alone.step(row)
        return steps

    return {"env alone": timed(run), **around(copies, "vector_entry_point")}


def one_by_one(copies: int) -> dict[str, Rate]:
    """Return what is measured with so many envs."""
    return {"env alone": timed(env_only(copies, steps_for(copies))), **around(copies, "sync")}


def around(copies: int, vectorization_mode: str) -> dict[str, Rate]:
    """Return collection, with a policy that costs nothing and with that of `ppo`, and training."""
    make_env = functools.partial(ph.GymnasiumEnv, "CartPole-v1")

    def collects(*policy_class: type[ph.Policy]) -> Rate:
        envs = ph.make_vector_env(make_env, copies, vectorization_mode=vectorization_mode)
        return timed(collecting(envs, "agent", steps_for(copies), *policy_class)[0])

    def trained() -> float:
        return train_ours(
            STEPS_PER_COPY * copies + steps_for(copies),  # the first iteration is not timed
            vectorization_mode=vectorization_mode,
            copies=copies,
            steps_per_copy=STEPS_PER_COPY,
            epochs=4,
            minibatch_size=1024,
        )

    return {"collected": collects(), "acted": collects(MLPActorCriticPolicy), "trained": trained}


def steps_for(copies: int) -> int:
    """Return how many env steps to measure."""
    return max(FEWEST_STEPS, STEPS_PER_COPY * copies)


def timed(run: Callable[[], int]) -> Rate:
    """Return what measures the rate of something that makes steps and says how many."""
    run()

    def rate() -> float:
        started = time.process_time()
        steps = run()
        return steps / (time.process_time() - started)

    return rate
