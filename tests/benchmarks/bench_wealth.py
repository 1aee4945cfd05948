"""The wealth exchange as objects, as arrays, and beside it AMBER, Mesa and NumPy by hand.

    make bench-wealth        # ROUNDS=2 for a quick look

Each step whoever has a coin gives one to somebody else, who is drawn at random. Everybody begins with one. Of
each version an episode is made and played, by turns, in one process: processor time with one thread, from the
second round on. What comes out is checked each time. Nothing is recorded. AMBER's own threads are then
measured in a process of their own, by the clock.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "docs" / "examples" / "arrays")]
if "--threads" not in sys.argv:
    os.environ["POLARS_MAX_THREADS"] = "1"  # polars reads it when it is imported

import ambr  # noqa: E402  after the number of threads
import mesa  # noqa: E402  likewise
import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
from ambr.performance import HAS_NUMBA  # noqa: E402
from array_exchange import ArrayExchangeEnv  # noqa: E402  an example
from threadpoolctl import threadpool_limits  # noqa: E402
from wealth_models import Exchange  # noqa: E402  beside this file
from wealth_peers import (  # noqa: E402  likewise
    BorrowModel,
    KernelModel,
    MesaAgentSetExchange,
    MesaExchange,
    MesaShuffledExchange,
    MesaTutorialExchange,
    ViewModel,
    other_of,
)

STEPS = 100
SIZES = (100, 1_000, 10_000, 100_000)
LONG = 5.0
"""An episode that takes more seconds is measured once, after the first round."""

Play = Callable[[], Any]
"""Plays an episode, and returns the wealth of all."""


AT_ONCE, IN_TURN = 2 - 2**0.5, 0.54
"""The share of agents with a coin in the long run: if what is given in a step is given on in the next at the
earliest, and if agents act in turn, in random order."""


@dataclass(frozen=True)
class Version:
    """A way of writing the model.

    Attributes:
        name: what it is.
        make: makes an episode of so many agents, with a seed.
        most: the most agents with which an episode takes less than a minute.
        share: of agents with a coin.
    """

    name: str
    make: Callable[[int, int], Play]
    most: int = SIZES[-1]
    share: float = AT_ONCE


def by_hand(num_agents: int, seed: int) -> Play:
    """Write the model in NumPy."""
    wealth, rng = np.ones(num_agents, np.int64), np.random.default_rng(seed)

    def play() -> Any:
        for _ in range(STEPS):
            givers = np.flatnonzero(wealth > 0)
            wealth[givers] -= 1
            wealth[:] += np.bincount(other_of(givers, num_agents, rng), minlength=num_agents)
        return wealth

    return play


def as_arrays(num_agents: int, seed: int) -> Play:
    """Play the world of arrays."""
    env = ArrayExchangeEnv(num_agents, STEPS)
    env.reset(seed=seed)

    def play() -> Any:
        for _ in range(STEPS):
            env.step({})
        return env["traders"].wealth

    return play


def as_objects(num_agents: int, seed: int) -> Play:
    """Play the world of objects."""
    env = Exchange(num_agents, STEPS)
    env.reset(seed=seed)

    def play() -> Any:
        for _ in range(STEPS):
            env.step({})
        return np.array([agent.wealth for agent in env.agents.values()])

    return play


def amber(model_class: type[Any]) -> Callable[[int, int], Play]:
    """Play a model of AMBER."""

    def make(num_agents: int, seed: int) -> Play:
        model = model_class({"n": num_agents, "seed": seed, "show_progress": False})
        if isinstance(model, ambr.Model):
            model.cpu(mode="vectorized").run(steps=0)  # sets the agents up

        def play() -> Any:
            return model.run(steps=STEPS).agents["wealth"].to_numpy()

        return play

    return make


def of_mesa(model_class: type[MesaExchange]) -> Callable[[int, int], Play]:
    """Play a model of Mesa."""

    def make(num_agents: int, seed: int) -> Play:
        model = model_class(num_agents, seed)

        def play() -> Any:
            for _ in range(STEPS):
                model.step()
            return np.array(model.agents.get("wealth"))

        return play

    return make


VERSIONS = [
    Version("NumPy by hand", by_hand),
    Version("array world", as_arrays),
    Version("object world", as_objects, 1_000),
    Version("AMBER, view", amber(ViewModel)),
    Version("AMBER, borrow and commit", amber(BorrowModel)),
    Version("AMBER, array kernel", amber(KernelModel)),
    Version("Mesa, loop", of_mesa(MesaExchange)),
    Version("Mesa, AgentSet", of_mesa(MesaAgentSetExchange)),
    Version("Mesa, shuffle_do", of_mesa(MesaShuffledExchange), share=IN_TURN),
    Version("Mesa, tutorial", of_mesa(MesaTutorialExchange), 1_000, IN_TURN),
]


def seconds(version: Version, num_agents: int, seed: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Return how long it takes to make an episode, and to play it; check what comes out."""
    begin = clock()
    play = version.make(num_agents, seed)
    made = clock()
    wealth = play()
    played = clock()
    assert len(wealth) == wealth.sum() == num_agents, version.name  # no coin is lost
    assert wealth.min() >= 0, version.name
    assert abs((wealth > 0).mean() - version.share) < 0.01 + 2.0 * num_agents**-0.5, version.name
    if version.name.startswith("AMBER"):
        assert (wealth == by_hand(num_agents, seed)()).all(), version.name  # the same draws
    return made - begin, played - made


def measure(num_agents: int, rounds: int, clock: Callable[[], float], versions: list[Version]) -> None:
    """Print what a step of each version takes, its speed beside NumPy by hand, and what making takes."""
    chosen = [version for version in versions if num_agents <= version.most]
    times: dict[str, dict[int, tuple[float, float]]] = {version.name: {} for version in chosen}
    for number in range(rounds + 1):
        for version in chosen:
            own = times[version.name]
            if number <= 1 or sum(own[number - 1]) < LONG:
                own[number] = seconds(version, num_agents, number + 1, clock)
            else:
                own[number] = own[number - 1]
    base = times[chosen[0].name]
    print(f"\n{num_agents:,} agents, {STEPS} steps; load {os.getloadavg()[0]:.1f}")
    print(f"  {'':<26}{'µs a step':>12}{'speed, by hand = 1':>28}{'making, ms':>13}")
    for name, own in times.items():
        kept = range(1, rounds + 1)  # the first is for the caches, and for numba
        step = 1e6 * statistics.median(own[number][1] for number in kept) / STEPS
        ratios = sorted(base[number][1] / own[number][1] for number in kept)
        spread = f"{statistics.median(ratios):.3f} [{ratios[0]:.3f}, {ratios[-1]:.3f}]"
        made = 1e3 * statistics.median(own[number][0] for number in kept)
        print(f"  {name:<26}{step:>12,.0f}{spread:>28}{made:>13,.1f}", flush=True)


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument(
        "--threads", action="store_true", help="with polars' own number of threads, by the clock"
    )
    options = parser.parse_args()
    threadpool_limits(1)
    print(
        f"AMBER {ambr.__version__} with{'' if HAS_NUMBA else 'out'} numba, polars {pl.__version__} with "
        f"{pl.thread_pool_size()} threads, Mesa {mesa.__version__}, NumPy {np.__version__}; "
        f"{'wall' if options.threads else 'processor'} time, {options.rounds} rounds"
    )
    for num_agents in options.sizes:
        if options.threads:
            own = [version for version in VERSIONS if not version.name.startswith(("Mesa", "object"))]
            measure(num_agents, options.rounds, time.perf_counter, own)
        else:
            measure(num_agents, options.rounds, time.process_time, VERSIONS)
    if not options.threads:
        print(flush=True)
        own_threads = {name: value for name, value in os.environ.items() if name != "POLARS_MAX_THREADS"}
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--threads"], env=own_threads, check=True)


if __name__ == "__main__":
    main()
