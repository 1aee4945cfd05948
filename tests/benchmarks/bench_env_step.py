"""Speed of `PhantomEnv`: steps, resets and construction, beside the same worlds without a framework.

    make bench

All versions of a case run in turn, many short rounds in one process: read the ratios, not the absolute
numbers. The rate is that of each version's fastest round, the ratio that of these rates; on a busy machine
both are steadier than a mean.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2] / "docs" / "examples"), str(Path(__file__).parent)]

import small_worlds as small  # noqa: E402  beside this file
from bare_supply_chain import BareSupplyChain  # noqa: E402  beside this file
from supply_chain import DiscreteSupplyChainEnv, SupplyChainEnv  # noqa: E402  an example

ROUNDS = 30
ROUND_SECONDS = 0.02

Run = Callable[[int], None]


@dataclass(frozen=True)
class Case:
    """Something to do n times, with the framework in one or more versions, and without it."""

    name: str
    bare: Run
    versions: dict[str, Run]


def stepping(env: Any, actions: dict[str, Any]) -> Run:
    """Step an env of ours, resetting it when an episode ends."""
    env.reset(seed=1)

    def run(num_steps: int) -> None:
        for _ in range(num_steps):
            result = env.step(actions)
            if result.truncations["__all__"]:
                env.reset()

    return run


def stepping_turns(env: Any) -> Run:
    """Step an env in which two agents act in turn."""
    env.reset(seed=1)

    def run(num_steps: int) -> None:
        for _ in range(num_steps):
            if env.step({"A": 1, "B": 1}).truncations["__all__"]:
                env.reset()

    return run


def stepping_bare(env: Any, action: Any) -> Run:
    """Step a world without a framework."""
    env.reset()

    def run(num_steps: int) -> None:
        for _ in range(num_steps):
            if env.step(action)[2]:
                env.reset()

    return run


def repeating(function: Callable[[], Any]) -> Run:
    """Call a function again and again."""

    def run(times: int) -> None:
        for _ in range(times):
            function()

    return run


def supply_chain(customers: int, shops: int) -> Case:
    """Step shops with their customers."""
    box, discrete = SupplyChainEnv(customers, shops), DiscreteSupplyChainEnv(customers, shops)
    order = np.array([10.0], np.float32)
    return Case(
        f"{shops} × {customers} customers",
        stepping_bare(BareSupplyChain(customers, shops), 10),
        {
            "discrete": stepping(discrete, dict.fromkeys(discrete.strategic_agent_ids, 10)),
            "box": stepping(box, dict.fromkeys(box.strategic_agent_ids, order)),
        },
    )


def cases() -> Iterator[Case]:
    """Yield what is measured."""
    for customers, shops in ((5, 1), (50, 1), (500, 1), (5, 100)):
        yield supply_chain(customers, shops)
    crowd = small.make_full_graph()
    ones = dict.fromkeys(crowd.strategic_agent_ids, 1)
    yield Case(
        "60 agents, all linked", stepping_bare(small.BareCrowd(), ones), {"step": stepping(crowd, ones)}
    )
    turns = {"A": 1, "B": 1}
    yield Case(
        "two in turn",
        stepping_bare(small.BareTurns(), turns),
        {
            "stages": stepping_turns(small.make_stage_env()),
            "stackelberg": stepping_turns(small.make_stackelberg_env()),
        },
    )
    for customers in (5, 500):
        env, bare = DiscreteSupplyChainEnv(customers), BareSupplyChain(customers)
        yield Case(f"reset, {customers} customers", repeating(bare.reset), {"reset": repeating(env.reset)})
        yield Case(
            f"make, {customers} customers",
            repeating(lambda customers=customers: BareSupplyChain(customers)),
            {"make": repeating(lambda customers=customers: DiscreteSupplyChainEnv(customers))},
        )


def seconds_for(run: Run, times: int) -> float:
    """Return how long it takes to do something n times."""
    start = time.perf_counter()
    run(times)
    return time.perf_counter() - start


def times_per_round(run: Run) -> int:
    """Return how often something can be done in a round."""
    times = 1
    while (seconds := seconds_for(run, times)) < ROUND_SECONDS / 4:
        times *= 2
    return max(1, int(times * ROUND_SECONDS / seconds))


def measure(case: Case) -> None:
    """Print the rate of each version of a case, and its ratio to the one without a framework."""
    versions = {"without a framework": case.bare, **case.versions}
    times = {name: times_per_round(run) for name, run in versions.items()}
    best = dict.fromkeys(versions, float("inf"))
    for _ in range(ROUNDS):
        for name, run in versions.items():
            best[name] = min(best[name], seconds_for(run, times[name]) / times[name])
    for name, seconds in best.items():
        ratio = best["without a framework"] / seconds
        print(f"{case.name:<24}{name:<20}{1 / seconds:>12,.0f} /s   ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    for each in cases():
        measure(each)
