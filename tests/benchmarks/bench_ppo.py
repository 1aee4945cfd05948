"""How fast `ppo` trains, beside Stable-Baselines3, PufferLib's trainer and a plain script in torch.

    make bench-ppo            # or some of its parts: PARTS="start compare solve agents copies"

Everybody does the same work on CartPole-v1 with one thread, in turn, in several rounds of one process: read
the ratios, which are taken round by round. Seconds are CPU seconds of the process, so that neighbours on the
machine count for little; with one thread and a core to itself they are seconds. Time to solve is given
together with the final evaluation.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import phantom_core as ph

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "docs" / "examples")]

from env_share import share_of_the_env  # noqa: E402  beside this file
from multi_agent_envs import SIMPLE_SPREAD, TwoCartPoles  # noqa: E402  beside this file
from ppo_contenders import (  # noqa: E402  beside this file
    SETTINGS,
    contenders,
    has,
    interleaved,
    missing_peers,
    train_ours,
)
from ppo_solving import solve  # noqa: E402  beside this file
from ppo_start import start_and_memory  # noqa: E402  beside this file
from supply_chain import SupplyChainEnv  # noqa: E402  an example

ROUNDS = 5


def compare() -> None:
    """Print steps per second of everybody at each setting, and the ratios to two of the peers."""
    for setting in SETTINGS:
        runs = contenders(setting)
        steps = dict.fromkeys(runs, 20_480)  # the same for all: short runs pay more for their start
        rates = interleaved(runs, ROUNDS, steps)
        print(f"\nCartPole-v1, {setting.copies} copies, {setting.name}: env steps per CPU second, median;")
        print(f"times a peer's, round by round, median of {ROUNDS} [lowest, highest]")
        peers = [name for name in ("Stable-Baselines3", "PufferLib") if name in rates]
        print(f"  {'':24s}{'':9s}" + "".join(f"   {name:>24}" for name in peers))
        for name, found in rates.items():
            times = [found / rates[peer] for peer in peers]
            ratios = [f"{np.median(each):.2f} [{each.min():.2f}, {each.max():.2f}]" for each in times]
            print(f"  {name:24s}{np.median(found):9,.0f}" + "".join(f"   {ratio:>24}" for ratio in ratios))


def several_agents() -> None:
    """Print agent steps per second where several agents learn, and env steps of the supply chain."""
    independent = {"left": ph.PolicySpec(agents=["left"]), "right": ph.PolicySpec(agents=["right"])}
    runs: dict[str, tuple[int, Mapping[str, Any]]] = {
        "two-agent CartPole, independent policies": (2, {"env": TwoCartPoles, "policies": independent}),
        "supply chain (Box), object path": (1, {"env": SupplyChainEnv}),
    }
    if has("mpe2"):
        runs["simple_spread_v3, one shared policy"] = (
            3,
            {**SIMPLE_SPREAD, "copies": 4, "steps_per_copy": 100},
        )
    rates = interleaved(
        {name: functools.partial(train_ours, **options) for name, (_, options) in runs.items()},
        ROUNDS,
        20_480,
    )
    print("\nagent steps per CPU second, end to end (one agent: env steps), median [lowest, highest]")
    for name, (agents, _) in runs.items():
        each = agents * rates[name]
        print(f"  {name:42s}{np.median(each):9,.0f} [{each.min():,.0f}, {each.max():,.0f}]")


def main() -> None:
    """Measure everything, or the parts that the command line names."""
    if has("torch"):
        import torch

        torch.set_num_threads(1)
    for sentence in missing_peers():
        print(sentence)
    parts = {
        "start": start_and_memory,
        "compare": compare,
        "solve": solve,
        "agents": several_agents,
        "copies": share_of_the_env,
    }
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
