"""How well `ppo` learns, on many seeds: trains every task and writes the table into `docs/benchmarks.md`.

    make bench-quality                        # hours
    make bench-quality TASKS="CartPole-v1"    # one task; the rows of the others stay

A row is finished policies in fresh episodes: the worst seed, the interquartile mean with a 95 % bootstrap
interval (Agarwal et al. 2021, arXiv:2108.13264), the mean, and the wall-clock of training.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

sys.path[:0] = [str(Path(__file__).parent)]

from quality_tasks import TASKS, Task  # noqa: E402  beside this file

PAGE = Path(__file__).parents[3] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- quality: begin -->", "<!-- quality: end -->"
HEAD = [
    "| task | env steps | seeds | bar | worst seed | interquartile mean [95 %] | mean | steps/s | settings |",
    "|---|---|---|---|---|---|---|---|---|",
]


def train(task: Task, seed: int) -> tuple[float, float]:
    """Train one seed; return the mean return of the finished policy and the seconds of training."""
    results = ph.train(
        "ppo",
        env=task.env(),
        env_config=task.env_config,
        policies={"p": ph.PolicySpec(agents=lambda _: True, config=dict(task.policy))},
        total_steps=task.total_steps,
        trainer_config=task.trainer,
        evaluation=ph.EvaluationPlan(episodes=task.episodes),
        seed=seed,
        run_dir=None,
    )
    assert results.evaluation is not None
    seconds = sum(row["time/iteration_seconds"] for row in results.history)
    return results.evaluation.mean_return, seconds


def interquartile_mean(values: NDArray[Any]) -> float:
    """Return the mean of the middle half of the values."""
    ordered = np.sort(values)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def interval(values: NDArray[Any]) -> tuple[float, float]:
    """Return a 95 % bootstrap interval of the interquartile mean."""
    rng = np.random.default_rng(1)
    drawn = [interquartile_mean(rng.choice(values, len(values))) for _ in range(2000)]
    return float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


def row(task: Task, returns: Sequence[float], seconds: Sequence[float]) -> str:
    """Return the row of a task."""
    values = np.array(returns)
    low, high = interval(values)
    rate = task.total_steps * len(seconds) / sum(seconds)
    bar = f"{task.bar:g}" if task.mean_bar is None else f"{task.bar:g}, mean {task.mean_bar:g}"
    return (
        f"| {task.name} | {task.total_steps:,} | {task.seeds} | {bar} | {values.min():.1f} | "
        f"{interquartile_mean(values):.1f} [{low:.1f}, {high:.1f}] | {values.mean():.1f} | {rate:,.0f} | "
        f"{task.settings()} |"
    )


def write(rows: dict[str, str]) -> None:
    """Replace these rows of the table on the page, and keep the others."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    table, _, after = rest.partition(END)
    kept = {name: line for line in table.splitlines() if (name := _name(line)) in {t.name for t in TASKS}}
    lines = [line for task in TASKS if (line := {**kept, **rows}.get(task.name))]
    PAGE.write_text("\n".join([before + BEGIN, *HEAD, *lines, END + after]), encoding="utf-8")


def _name(line: str) -> str:
    found = re.match(r"\| (.+?) \|", line)
    return found.group(1) if found else ""


def main(names: Sequence[str]) -> int:
    """Train the tasks of these names, or all; return 1 if one misses its bar."""
    missed = 0
    for task in [task for task in TASKS if not names or task.name in names]:
        results = []
        for seed in range(1, task.seeds + 1):
            started = time.perf_counter()
            results.append(train(task, seed))
            spent = time.perf_counter() - started
            print(f"{task.name}  seed {seed}: {results[-1][0]:.1f}  ({spent:.0f} s)", flush=True)
        returns = [mean_return for mean_return, _ in results]
        is_reached = min(returns) >= task.bar and np.mean(returns) >= (task.mean_bar or task.bar)
        missed += not is_reached
        line = row(task, returns, [seconds for _, seconds in results])
        write({task.name: line})
        print(line, "" if is_reached else "  MISSED", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
