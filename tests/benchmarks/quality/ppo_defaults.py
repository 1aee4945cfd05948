"""What `ppo` earns with its defaults, and normalised, on the tasks and budgets of `defaults_tasks.py`.

    python tests/benchmarks/quality/ppo_defaults.py ppo > ours.log            # every task, seeds 1 to 5
    python tests/benchmarks/quality/ppo_defaults.py ppo CartPole-v1 > ours.log
    python tests/benchmarks/quality/ppo_defaults.py ppo+rewards Pendulum-v1 > ours.log
    python tests/benchmarks/quality/ppo_defaults.py ppo+late LunarLander-v3 > ours.log
    python tests/benchmarks/quality/ppo_defaults.py --table ours.log peers.log

The last writes the table into `docs/benchmarks.md`, from what this script and `peer_ppo_defaults.py` printed.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parent)]

from defaults_tasks import DEFAULTS_TASKS, NUM_SEEDS, chosen_tasks, line, read_lines  # noqa: E402  beside this file
from run_quality import PAGE, train  # noqa: E402

BEGIN, END = "<!-- defaults of ppo: begin -->", "<!-- defaults of ppo: end -->"
HEAD = ["| task | env steps | | seeds | by seed | mean |", "|---|---|---|---|---|---|"]
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ppo": ({}, {}),
    "ppo+rewards": ({"normalize_rewards": True}, {}),
    "ppo+late": (
        {
            "gamma": 0.999,
            "gae_lambda": 0.98,
            "copies": 16,
            "steps_per_copy": 256,
            "epochs": 10,
            "minibatch_size": 64,
        },
        {},
    ),
    "ppo+both": ({"normalize_rewards": True}, {"normalize_observations": True}),
}
"""Settings of the trainer and of its policy."""
NAMES = {
    "ppo": "`ppo`",
    "ppo+rewards": "`ppo`, rewards normalised",
    "ppo+late": "`ppo`, set for late rewards",
    "ppo+both": "`ppo`, both normalised",
    "stable-baselines3": "Stable-Baselines3",
}


def write_table(logs: Sequence[str]) -> None:
    """Write the table from the lines in these files."""
    found = read_lines("\n".join(Path(log).read_text(encoding="utf-8") for log in logs))
    rows = []
    for task in DEFAULTS_TASKS:
        for who, name in NAMES.items():
            by_seed = found.get((who, task.name), {})
            seeds = sorted(by_seed)
            if seeds:
                which, values = ", ".join(map(str, seeds)), [by_seed[seed] for seed in seeds]
                each = ", ".join(f"{value:.1f}" for value in values)
                begin = f"| {task.name} | {task.total_steps:,} | {name} | {which} |"
                rows.append(f"{begin} {each} | {np.mean(values):.1f} |")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([before + BEGIN, *HEAD, *rows, END + after]), encoding="utf-8")


def main(who: str, names: Sequence[str]) -> None:
    """Train the tasks of these names, or all, and print what each seed came to."""
    trainer, policy = SETTINGS[who]
    for seed in range(1, NUM_SEEDS + 1):
        for task in chosen_tasks(names):
            result = train(replace(task, trainer=trainer, policy=policy), seed)
            print(line(who, task, seed, result.mean_return), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--table"]:
        write_table(sys.argv[2:])
    else:
        main(sys.argv[1], sys.argv[2:])
