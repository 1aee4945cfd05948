"""How well trainers learn: trains every task on its seeds, and writes tables into `docs/benchmarks.md`.

    make bench-quality                        # hours
    make bench-quality TASKS="CartPole-v1"    # one task; the rows of the others stay

A row is finished policies in fresh episodes: the worst seed, the interquartile mean with a 95 % bootstrap
interval (Agarwal et al. 2021, arXiv:2108.13264), the mean, and the wall-clock of training. The tables of
`dqn`, `sac` and `es` list every seed; the interquartile mean and its interval stand there from 10 seeds on.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

sys.path[:0] = [str(Path(__file__).parent)]

from quality_tasks import MEMORY, TASKS, Task  # noqa: E402  beside this file

PAGE = Path(__file__).parents[3] / "docs" / "benchmarks.md"
HEADS = {
    "ppo": [
        (
            "| task | env steps | seeds | bar | worst seed | interquartile mean [95 %] | mean | steps/s "
            "| settings |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ],
    "dqn": [
        (
            "| task | env steps | bar | last policy, by seed | interquartile mean [95 %] | best evaluated "
            "| steps/s | settings |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ],
}
HEADS["sac"] = HEADS["es"] = HEADS["mappo"] = HEADS["dqn"]
HEADS[MEMORY] = [
    "| task | policy | env steps | bar | last policy, by seed | mean | steps/s | settings |",
    "|---|---|---|---|---|---|---|---|",
]
"""The head of each trainer's table."""


class Evaluations(ph.Hooks):
    """Has the policies evaluated every so many env steps, and keeps the mean returns."""

    def __init__(self, every: int) -> None:
        self.every = self.next = every
        self.returns: list[float] = []

    def should_evaluate(self, event: ph.IterationEnd) -> bool:
        """Ask for one when its time has come."""
        if event.env_steps < self.next:
            return False
        self.next += self.every
        return True

    def on_evaluation_end(self, event: ph.EvaluationEnd) -> None:
        """Note the mean return."""
        self.returns.append(event.mean_return)


@dataclass(frozen=True)
class Result:
    """What one seed came to.

    Attributes:
        mean_return: that of the finished policy.
        best: that of the best evaluation while it was trained; None if there was none.
        seconds: of training.
    """

    mean_return: float
    best: float | None
    seconds: float


def train(task: Task, seed: int) -> Result:
    """Train one seed, and evaluate the finished policy in fresh episodes."""
    config, hooks = dict(task.policy), [] if task.best_every is None else [Evaluations(task.best_every)]
    results = ph.train(
        task.algorithm,
        env=task.env(),
        env_config=task.env_config,
        policies={
            policy_id: ph.PolicySpec(agents=agents, policy=task.policy_name, config=config)
            for policy_id, agents in task.policies.items()
        },
        policies_to_train=list(task.policies),
        total_steps=task.total_steps,
        trainer_config=task.trainer,
        evaluation=ph.EvaluationPlan(episodes=20 if hooks else task.episodes),
        hooks=hooks,
        seed=seed,
        run_dir=None,
    )
    assert results.evaluation is not None
    found = results.evaluation
    if hooks or task.evaluation_env:  # the evaluations in between were short
        env = task.env()(**task.env_config)
        if task.evaluation_env:
            env = task.evaluation_env()(**task.evaluation_config)
        (policy_id,) = results.policies
        mapping = dict.fromkeys(env.strategic_agent_ids, policy_id)
        found = ph.evaluate(
            env,
            results.policies,
            mapping,
            num_episodes=task.episodes,
            seed=ph.seeding.derive_seed(seed, "quality"),
        )
    seconds = sum(row["time/iteration_seconds"] for row in results.history)
    return Result(found.mean_return, max(hooks[0].returns) if hooks else None, seconds)


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


def row(task: Task, results: Sequence[Result]) -> str:
    """Return the row of a task."""
    values = np.array([result.mean_return for result in results])
    low, high = interval(values)
    middle = f"{interquartile_mean(values):.1f} [{low:.1f}, {high:.1f}]"
    is_listed = _table(task) != "ppo"
    rate = task.total_steps * len(results) / sum(result.seconds for result in results)
    bar = f"{task.bar:g}" if task.mean_bar is None else f"{task.bar:g}, mean {task.mean_bar:g}"
    begin = f"| {task.name} | {task.total_steps:,} |"
    if task.table == MEMORY:
        each = ", ".join(f"{value:.4g}" for value in values)
        begin = f"| {task.name} | {task.policy_name} | {task.total_steps:,} |"
        found = f" {bar} | {each} | {values.mean():.4g} |"
    elif not is_listed:
        found = f" {len(results)} | {bar} | {values.min():.1f} | {middle} | {values.mean():.1f} |"
    else:
        bars = [] if task.best_bar is None else [f"best ≥ {task.best_bar:g}"]
        bars += [f"each ≥ {task.bar:g}"] * bool(task.bar)
        each = ", ".join(f"{value:.4g}" for value in values)
        best = ", ".join(f"{result.best:.1f}" for result in results if result.best is not None)
        found = f" {', '.join(bars)} | {each} | {middle if len(values) >= 10 else '–'} | {best or '–'} |"
    return f"{begin}{found} {rate:,.0f} | {task.settings()} |"


def write(title: str, rows: dict[str, str]) -> None:
    """Replace these rows of a trainer's table on the page, and keep the others."""
    begin, end = f"<!-- quality of {title}: begin -->", f"<!-- quality of {title}: end -->"
    tasks = [task for task in TASKS if _table(task) == title]
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(begin)
    table, _, after = rest.partition(end)
    kept = {name: line for line in table.splitlines() if (name := _name(line)) in {t.name for t in tasks}}
    lines = [line for task in tasks if (line := {**kept, **rows}.get(task.name))]
    PAGE.write_text("\n".join([before + begin, *HEADS[title], *lines, end + after]), encoding="utf-8")


def is_reached(task: Task, results: Sequence[Result]) -> bool:
    """Tell whether a task reached all its bars."""
    returns = [result.mean_return for result in results]
    best = [result.best for result in results if result.best is not None]
    has_best = task.best_bar is None or min(best) >= task.best_bar
    return has_best and min(returns) >= task.bar and float(np.mean(returns)) >= (task.mean_bar or task.bar)


def _table(task: Task) -> str:
    return task.table or task.algorithm


def _name(line: str) -> str:
    found = re.match(r"\| (.+?) \|", line)
    return found.group(1) if found else ""


def main(names: Sequence[str]) -> int:
    """Train the tasks of these names, or all; return 1 if one misses its bar."""
    missed = 0
    for task in [task for task in TASKS if task.name in names or not (names or task.is_nightly)]:
        results: list[Result] = []
        for seed in range(1, task.seeds + 1):
            started = time.perf_counter()
            results.append(train(task, seed))
            spent = time.perf_counter() - started
            print(f"{task.name}  seed {seed}: {results[-1]}  ({spent:.0f} s)", flush=True)
            line = row(task, results)
            write(_table(task), {task.name: line})
        reached = is_reached(task, results)
        missed += not reached
        print(line, "" if reached else "  MISSED", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
