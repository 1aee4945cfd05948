"""What a recorder costs: the supply chain with and without one, in paired rounds, in CPU time.

    .venv/bin/python tests/benchmarks/bench_recording.py

Off, it costs one `is None` in each reset, step and round of messages; that is measured too.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from timeit import timeit
from types import SimpleNamespace
from typing import Any

import numpy as np

from phantom_recording import Recorder

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "examples"))

from supply_chain import SupplyChainEnv

ROUNDS = 9
CASES = ((5, 1, 4000), (50, 1, 800), (500, 1, 80), (5, 100, 80))


def play(env: Any, actions: dict[str, Any], num_steps: int) -> float:
    """Return microseconds of CPU time per step, resets included."""
    env.reset(seed=1)
    start = time.process_time()
    for _ in range(num_steps):
        if env.step(actions).truncations["__all__"]:
            env.reset()
    return (time.process_time() - start) / num_steps * 1e6


def measure(customers: int, shops: int, num_steps: int, folder: str) -> None:
    """Print what recording adds to a step."""
    without, recorded = SupplyChainEnv(customers, shops), SupplyChainEnv(customers, shops)
    path = Path(folder, f"{customers}-{shops}.jsonl")
    recorded.recorder = Recorder(path)
    actions = dict.fromkeys(without.strategic_agent_ids, np.array([10.0], np.float32))
    pairs = [(play(without, actions, num_steps), play(recorded, actions, num_steps)) for _ in range(ROUNDS)]
    recorded.close()
    base = statistics.median(before for before, _ in pairs)
    added = statistics.median(after - before for before, after in pairs)
    ratio = statistics.median(after / before for before, after in pairs)
    size = path.stat().st_size / (ROUNDS * num_steps)
    print(
        f"{shops:>5} shops × {customers:>3} customers  step {base:>8.1f} µs  recording adds {added:>6.1f} µs "
        f"({100 * (ratio - 1):.0f} %), {size:>7,.0f} bytes"
    )


if __name__ == "__main__":
    owner = SimpleNamespace(recorder=None)
    checks = timeit(lambda: owner.recorder is None) - timeit(lambda: None)
    print(f"off: {1000 * checks:.0f} ns for each check")
    with tempfile.TemporaryDirectory() as place:
        for case in CASES:
            measure(*case, place)
