"""What the executors of studies cost for each task: `python tests/benchmarks/bench_executors.py`.

A task sleeps, so that the processor is free for what hands tasks over: with two processes, n tasks of s
seconds take n s / 2 and what the executor adds. Starting is timed apart. With Ray installed, on a cluster
of this machine.
"""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from typing import Any

import phantom_experiments as px


class Sleep:
    """Sleeps for each task, and returns as much as an episode with a row for each of ten agents does."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, task: int) -> tuple[int, bytes]:
        """Play a task."""
        time.sleep(self.seconds)
        return task, bytes(1500)


def timed(make: Any, seconds: float, num_tasks: int) -> tuple[float, float]:
    """Return the seconds until the first outcome, and those that each later task cost beyond its sleep."""
    executor = make()
    began = time.perf_counter()
    executor.start(Sleep(seconds))
    try:
        outcomes = executor.map(range(num_tasks + 8))
        for _ in range(8):  # until every process has begun
            next(outcomes)
        first = time.perf_counter()
        for _ in outcomes:
            pass
        took = time.perf_counter() - first
    finally:
        executor.close()
    return first - began, took / num_tasks - seconds / 2


def main() -> int:
    """Print a table."""
    makers: dict[str, Any] = {"local": lambda: px.LocalExecutor(2)}
    if find_spec("ray") is not None:
        import ray

        from phantom_ray import RayExecutor

        ray.init(num_cpus=2, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
        makers["ray"] = lambda: RayExecutor(workers=2)
    print(f"{'two processes':<16}{'start':>10}{'per task of 1 ms':>20}{'of 10 ms':>12}")
    for name, make in makers.items():
        start, short = timed(make, 0.001, 2000)
        _, long = timed(make, 0.01, 400)
        print(f"{name:<16}{start:>8.1f} s{short * 1e6:>17.0f} us{long * 1e6:>9.0f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
