"""The tasks that show the defaults of `ppo` beside those of Stable-Baselines3's PPO."""

from __future__ import annotations

import re
from collections.abc import Iterable

from quality_tasks import Task, gymnasium_env, pettingzoo_env, supply_chain

NUM_SEEDS = 5


def _gymnasium(name: str, total_steps: int) -> Task:
    return Task(
        name=name,
        env=gymnasium_env,
        env_config={"env": name},
        total_steps=total_steps,
        seeds=NUM_SEEDS,
        bar=0.0,
    )


DEFAULTS_TASKS = [
    _gymnasium("CartPole-v1", 50_000),
    _gymnasium("Acrobot-v1", 100_000),
    _gymnasium("Pendulum-v1", 100_000),
    _gymnasium("MountainCarContinuous-v0", 50_000),
    _gymnasium("LunarLander-v3", 300_000),
    Task(name="supply chain", env=supply_chain, total_steps=100_000, seeds=NUM_SEEDS, bar=0.0),
    Task(
        name="simple_spread_v3, per agent",
        env=pettingzoo_env,
        env_config={"env": "mpe2.simple_spread_v3", "N": 3, "max_cycles": 25},
        total_steps=300_000,
        seeds=NUM_SEEDS,
        bar=0.0,
    ),
]
"""Nothing is set in them; the bars are not used."""


def chosen_tasks(names: Iterable[str]) -> list[Task]:
    """Return the tasks of these names, or all if there are none."""
    wanted = list(names)
    return [task for task in DEFAULTS_TASKS if task.name in wanted or not wanted]


def line(who: str, task: Task, seed: int, mean_return: float) -> str:
    """Return the line that says what one seed came to."""
    return f"{who} | {task.name} | seed {seed} | {mean_return:.1f}"


def read_lines(text: str) -> dict[tuple[str, str], dict[int, float]]:
    """Return the mean return by seed, for each who and task of the lines in a text."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for who, name, seed, value in re.findall(r"^(\S+) \| (.+?) \| seed (\d+) \| (\S+)$", text, re.MULTILINE):
        found.setdefault((who, name), {})[int(seed)] = float(value)
    return found
