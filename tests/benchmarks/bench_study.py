"""What a study costs beside a bare loop of `reset` and `step`; two processes beside one; Mesa's `batch_run`.

    .venv/bin/python tests/benchmarks/bench_study.py

Each call makes the env once. Paired turns, alternating: of each round the ratio is taken, and its median is
printed. One process is measured in processor time, two in wall time too. Mesa is compared with if it is
installed (`make bench-study` does that).
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import phantom_core as ph
import phantom_experiments as px

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "examples"))

from supply_chain import ShopAgent, SupplyChainEnv
from wealth_models import Exchange, Trader, Walker, WalkingExchange

ROUNDS = 9


class OrderTen(ph.Policy):
    """Orders ten items; costs nothing."""

    def __init__(self, observation_space: Any, action_space: Any) -> None:
        super().__init__(observation_space, action_space)
        self.action = np.array([10.0], np.float32)

    def compute_action(self, observation: Any) -> Any:
        """Return the action."""
        return self.action


def bare(env: ph.MultiAgentEnv, policy: ph.Policy | None, seeds: range) -> None:
    """Play episodes without anything else."""
    for seed in seeds:
        observations, _ = env.reset(seed=seed)
        is_over = False
        while not is_over:
            actions = {} if policy is None else {i: policy.compute_action(o) for i, o in observations.items()}
            result = env.step(actions)
            observations = result.observations
            is_over = result.terminations["__all__"] or result.truncations["__all__"]


def seconds(call: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return how long a call takes."""
    started = clock()
    call()
    return clock() - started


def ratios(
    name: str,
    calls: dict[str, Callable[[], object]],
    clock: Callable[[], float],
    base: str,
    rounds: int = ROUNDS,
) -> None:
    """Measure calls in turn; print the time of the base, and how many times as fast as it the others are."""
    for call in calls.values():
        call()
    times = [{key: seconds(call, clock) for key, call in calls.items()} for _ in range(rounds)]
    base_time = statistics.median(one[base] for one in times)
    print(f"{name}: {base} {base_time * 1000:,.1f} ms")
    for key in calls:
        if key != base:
            found = sorted(one[base] / one[key] for one in times)
            print(f"  {key:<28} {statistics.median(found):.2f} [{found[1]:.2f}, {found[-2]:.2f}]")


def one_process() -> None:
    """Compare with a bare loop, with and without metrics."""
    three = px.collect(
        env={"total": "total", "mean": px.mean(Trader, "wealth"), "gini": px.gini(Trader, "wealth")}
    )
    play = {
        "bare": lambda: bare(Exchange(), None, range(20)),
        "a study": lambda: px.Study(Exchange, seeds=20).simulate(),
        "a study with three metrics": lambda: px.Study(Exchange, seeds=20, collect=three).simulate(),
    }
    ratios("wealth exchange, 100 agents, 20 episodes", play, time.process_time, "bare")
    policies = {"shop": (OrderTen, ShopAgent)}
    shop = SupplyChainEnv()
    policy = OrderTen(ShopAgent.observation_space, ShopAgent.action_space)
    of_shop = px.collect(
        env={
            name: lambda env, name=name: getattr(env.agents["SHOP"], name)
            for name in ("stock", "sales", "missed_sales")
        }
    )
    play = {
        "bare": lambda: bare(SupplyChainEnv(), policy, range(100)),
        "ph.evaluate": lambda: ph.evaluate(
            shop, {"shop": policy}, {"SHOP": "shop"}, num_episodes=100, seed=1
        ),
        "a study": lambda: px.Study(SupplyChainEnv, seeds=100).simulate(policies),
        "a study with three metrics": lambda: px.Study(SupplyChainEnv, seeds=100, collect=of_shop).simulate(
            policies
        ),
    }
    ratios("supply chain, one shop, 100 episodes", play, time.process_time, "bare")


def two_processes() -> None:
    """Compare two processes with one, for episodes of about 25 ms.

    Beside it: how much more of the bare loop two processes get done that know nothing of each other. That is
    what the machine gives; on cores that others use too it is less than 2.
    """
    for episodes in (150, 600):
        study = px.Study(Exchange, seeds=episodes)
        calls = {"one process": study.simulate, "two processes": partial(study.simulate, workers=2)}
        title = f"wealth exchange, 100 agents, {episodes} episodes"
        ratios(title, calls, time.perf_counter, "one process", rounds=5)
    ratios(f"{title}, processor time", calls, processor_time, "one process", rounds=3)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        alone = {
            "one bare loop": lambda: pool.submit(bare_exchange, 300).result(),
            "two bare loops": lambda: list(pool.map(bare_exchange, [150, 150])),
        }
        ratios("what the machine gives", alone, time.perf_counter, "one bare loop", rounds=5)


def bare_exchange(episodes: int) -> None:
    """Play the wealth exchange without anything else."""
    bare(Exchange(), None, range(episodes))


def processor_time() -> float:
    """Return the processor time of this process and of those that ended."""
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def beside_mesa() -> None:
    """Compare with Mesa's own model and `batch_run`."""
    try:
        import mesa
        from mesa.examples.basic.boltzmann_wealth_model.model import BoltzmannWealth
    except ImportError:
        print("Mesa is not installed: pip install -r tests/benchmarks/requirements-studies.txt")
        return
    collect = px.collect(env={"gini": px.gini(Walker, "wealth")}, agents={Walker: ["wealth"]}, reduce="last")
    study = px.Study(WalkingExchange, seeds=12, collect=collect)
    calls = {
        "Mesa": lambda: mesa.batch_run(
            BoltzmannWealth, {"n": [100], "seed": list(range(12))}, max_steps=100, display_progress=False
        ),
        "a study": study.simulate,
    }
    ratios(
        f"Boltzmann wealth on a grid, Mesa {mesa.__version__}, 12 episodes", calls, time.process_time, "Mesa"
    )


if __name__ == "__main__":
    one_process()
    beside_mesa()
    two_processes()
