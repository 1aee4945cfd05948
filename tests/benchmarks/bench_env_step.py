"""Speed of `PhantomEnv.step` on the supply chain, beside the same world without a framework.

    make bench

Both are measured in turn, several times, in one process: read the ratios, not the absolute numbers.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2] / "docs" / "examples"), str(Path(__file__).parent)]

from bare_supply_chain import BareSupplyChain  # noqa: E402  beside this file
from supply_chain import DiscreteSupplyChainEnv, SupplyChainEnv  # noqa: E402  an example

ROUNDS = 7
CASES = ((5, 1, 20_000), (50, 1, 3_000), (500, 1, 300), (5, 100, 250))


def play(env: Any, actions: dict[str, Any], num_steps: int) -> float:
    """Return steps per second, resets included."""
    env.reset(seed=1)
    start = time.perf_counter()
    for _ in range(num_steps):
        if env.step(actions).truncations["__all__"]:
            env.reset()
    return num_steps / (time.perf_counter() - start)


def play_bare(env: BareSupplyChain, num_steps: int) -> float:
    """Return steps per second, resets included."""
    env.reset()
    start = time.perf_counter()
    for _ in range(num_steps):
        if env.step(10)[2]:
            env.reset()
    return num_steps / (time.perf_counter() - start)


def measure(customers: int, shops: int, num_steps: int) -> None:
    """Print the median rate of each version, and the median ratio of paired rounds."""
    box, discrete = SupplyChainEnv(customers, shops), DiscreteSupplyChainEnv(customers, shops)
    bare = BareSupplyChain(customers, shops)
    order = np.array([10.0], np.float32)
    versions: dict[str, Callable[[], float]] = {
        "without a framework": lambda: play_bare(bare, num_steps),
        "discrete": lambda: play(discrete, dict.fromkeys(discrete.strategic_agent_ids, 10), num_steps),
        "box": lambda: play(box, dict.fromkeys(box.strategic_agent_ids, order), num_steps),
    }
    rates: dict[str, list[float]] = {name: [] for name in versions}
    for _ in range(ROUNDS):
        for name, run in versions.items():
            rates[name].append(run())
    for name, found in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(found, rates["without a framework"], strict=True)]
        print(
            f"{shops:>5} shops × {customers:>3} customers  {name:<20}"
            f"{statistics.median(found):>10,.0f} steps/s   ratio {statistics.median(ratios):.2f}"
            f"  [{min(ratios):.2f}, {max(ratios):.2f}]"
        )


if __name__ == "__main__":
    for case in CASES:
        measure(*case)
