"""What a recorder costs: the supply chain with and without one, in paired rounds, in CPU time.

    .venv/bin/python tests/benchmarks/bench_recording.py

Off, it costs one `is None` in each reset, step and round of messages; that is measured too.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from timeit import timeit
from types import SimpleNamespace
from typing import Any

import numpy as np

from phantom_recording import Recorder

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
sys.path[:0] = [str(EXAMPLES), str(EXAMPLES / "arrays")]

from array_supply_chain import ArraySupplyChainEnv  # noqa: E402  an example, as the next two
from crowded_shop import CrowdedShopEnv  # noqa: E402
from supply_chain import SupplyChainEnv  # noqa: E402

ROUNDS = 9
CASES = (
    ("1 shop, 5 customers", lambda: SupplyChainEnv(5), 10.0, 4000),
    ("1 shop, 50 customers", lambda: SupplyChainEnv(50), 10.0, 800),
    ("1 shop, 500 customers", lambda: SupplyChainEnv(500), 10.0, 80),
    ("100 shops, 5 customers each", lambda: SupplyChainEnv(5, 100), 10.0, 80),
    ("1 shop, 10,000 in a population", lambda: CrowdedShopEnv(10_000), 0.1, 200),
    ("10,000 in a world of arrays", lambda: ArraySupplyChainEnv(10_000), 0.1, 400),
)


def play(env: Any, actions: dict[str, Any], num_steps: int) -> float:
    """Return microseconds of CPU time per step, resets included."""
    env.reset(seed=1)
    start = time.process_time()
    for _ in range(num_steps):
        if env.step(actions).truncations["__all__"]:
            env.reset()
    return (time.process_time() - start) / num_steps * 1e6


def measure(name: str, make_env: Callable[[], Any], action: float, num_steps: int, folder: str) -> None:
    """Print what recording adds to a step."""
    without, recorded = make_env(), make_env()
    path = Path(folder, f"{name}.jsonl")
    recorded.recorder = Recorder(path)
    without.reset(seed=1)
    actions = dict.fromkeys(without.strategic_agent_ids, np.array([action], np.float32))
    pairs = [(play(without, actions, num_steps), play(recorded, actions, num_steps)) for _ in range(ROUNDS)]
    recorded.close()
    base = statistics.median(before for before, _ in pairs)
    added = statistics.median(after - before for before, after in pairs)
    ratio = statistics.median(after / before for before, after in pairs)
    size = path.stat().st_size / (ROUNDS * num_steps)
    print(
        f"{name:<32} step {base:>8.1f} µs  recording adds {added:>6.1f} µs "
        f"({100 * (ratio - 1):.0f} %), {size:>7,.0f} bytes"
    )


if __name__ == "__main__":
    owner = SimpleNamespace(recorder=None)
    checks = timeit(lambda: owner.recorder is None) - timeit(lambda: None)
    print(f"off: {1000 * checks:.0f} ns for each check")
    with tempfile.TemporaryDirectory() as place:
        for case in CASES:
            measure(*case, place)
