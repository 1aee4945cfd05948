"""How fast q-learning is beside the same algorithm as a bare loop over lists, and what its defaults reach.

    .venv/bin/python tests/benchmarks/bench_qlearning.py [speed] [defaults]

Both sides step the same env, by the same schedule, and change one value in each step. They run in turn,
several times; the ratio is that of their processor times.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
sys.path.insert(0, str(EXAMPLES))

import pricing_duopoly as duopoly  # noqa: E402
from supply_chain import DiscreteSupplyChainEnv  # noqa: E402

ALPHA, ALPHA_FINAL, GAMMA, EPSILON_FINAL, SHARE = 0.7, 0.01, 0.95, 0.05, 0.9
RATE, DUOPOLY_ALPHA = 4e-6, 0.15
TAXI = max((name for name in gym.registry if name.startswith("Taxi-v")), key=lambda name: int(name[6:]))


class PlainDuopoly:
    """The duopoly without agents or messages: dicts in, dicts out, as a `ph.MultiAgentEnv`."""

    strategic_agent_ids = ("ANN", "BOB")
    agents: Mapping[str, ph.Agent] = {
        "ANN": duopoly.FirmAgent("ANN", "BOB"),
        "BOB": duopoly.FirmAgent("BOB", "ANN"),
    }
    acting_agent_ids = None
    observation_spaces = dict.fromkeys(strategic_agent_ids, duopoly.FirmAgent.observation_space)
    action_spaces = dict.fromkeys(strategic_agent_ids, duopoly.FirmAgent.action_space)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        """Begin with drawn prices."""
        ann, bob = map(int, np.random.default_rng(seed).integers(duopoly.NUM_PRICES, size=2))
        return self._seen(ann, bob), {}

    def step(self, actions: Any) -> ph.StepResult:
        """Let both charge their prices."""
        ann, bob = actions["ANN"], actions["BOB"]
        rewards = {"ANN": duopoly.PROFITS[ann][bob], "BOB": duopoly.PROFITS[bob][ann]}
        flags = {"ANN": False, "BOB": False, "__all__": False}
        return ph.StepResult(self._seen(ann, bob), rewards, flags, dict(flags), {})

    def close(self) -> None:
        """Do nothing."""

    def _seen(self, ann: int, bob: int) -> dict[str, int]:
        size = duopoly.NUM_PRICES
        return {"ANN": size * ann + bob, "BOB": size * bob + ann}


def seconds(play: Callable[[], Any]) -> float:
    """Return the processor time of a call."""
    started = time.process_time()
    play()
    return time.process_time() - started


def loop_in_gymnasium(name: str, steps: int) -> None:
    """Learn by a bare loop over lists."""
    env = gym.make(name)
    size, width = int(env.observation_space.n), int(env.action_space.n)  # type: ignore[attr-defined]
    table = [[0.0] * width for _ in range(size)]
    draws = np.random.default_rng(1).random(steps).tolist()
    seen, _ = env.reset(seed=1)
    for step in range(steps):
        done = min(1.0, step / (SHARE * steps))
        epsilon, alpha = 1.0 + (EPSILON_FINAL - 1.0) * done, ALPHA + (ALPHA_FINAL - ALPHA) * done
        row, draw = table[seen], draws[step]
        action = int(draw / epsilon * width) if draw < epsilon else row.index(max(row))
        after, reward, terminated, truncated, _ = env.step(action)
        target = reward if terminated else reward + GAMMA * max(table[after])
        row[action] += alpha * (target - row[action])
        seen = env.reset()[0] if terminated or truncated else after


def train_in_gymnasium(name: str, steps: int, copies: int = 1) -> None:
    """Learn the same in a run."""
    ph.train(
        "q-learning",
        env=ph.GymnasiumEnv,
        env_config={"env": name},
        trainer_config={
            "decay_steps": int(SHARE * steps),
            "steps_per_iteration": steps // 20,
            "copies": copies,
        },
        total_steps=steps,
        seed=1,
        run_dir=None,
    )


def loop_in_duopoly(steps: int) -> None:
    """Learn two tables by a bare loop over lists."""
    size, profits = duopoly.NUM_PRICES, duopoly.PROFITS
    tables = [[list(duopoly.FIRST_VALUES) for _ in range(size**2)] for _ in range(2)]
    rng = np.random.default_rng(1)
    draws = rng.random((steps, 2)).tolist()
    first, second = map(int, rng.integers(size, size=2))
    seen = (size * first + second, size * second + first)
    for step in range(steps):
        epsilon = math.exp(-RATE * step)
        actions = []
        for table, place, draw in zip(tables, seen, draws[step], strict=True):
            row = table[place]
            actions.append(int(draw / epsilon * size) if draw < epsilon else row.index(max(row)))
        first, second = actions
        after = (size * first + second, size * second + first)
        for n, (table, reward) in enumerate(
            zip(tables, (profits[first][second], profits[second][first]), strict=True)
        ):
            row = table[seen[n]]
            error = reward + GAMMA * max(table[after[n]]) - row[actions[n]]
            row[actions[n]] += DUOPOLY_ALPHA * error
        seen = after


def train_in_duopoly(env: type, steps: int) -> None:
    """Learn the same in a run."""
    ph.train(
        "q-learning",
        env=env,
        policies={
            name: ph.PolicySpec(agents=[name.upper()], policy=duopoly.PriceTable, train=True)
            for name in ("ann", "bob")
        },
        trainer_config={
            "alpha": DUOPOLY_ALPHA,
            "alpha_final": DUOPOLY_ALPHA,
            "gamma": GAMMA,
            "epsilon_final": 0.0,
            "decay_rate": RATE,
            "steps_per_iteration": 10_000,
        },
        total_steps=steps,
        seed=1,
        run_dir=None,
    )


def speed(repeats: int) -> None:
    """Print microseconds per env step, and the ratio to the bare loop."""
    lake, taxi, periods = 100_000, 200_000, 50_000
    rows: list[tuple[str, int, Callable[[], None], Callable[[], None]]] = [
        (
            "FrozenLake, online",
            lake,
            lambda: loop_in_gymnasium("FrozenLake-v1", lake),
            lambda: train_in_gymnasium("FrozenLake-v1", lake),
        ),
        (
            "Taxi, 32 copies",
            taxi,
            lambda: loop_in_gymnasium(TAXI, taxi),
            lambda: train_in_gymnasium(TAXI, taxi, copies=32),
        ),
        (
            "duopoly of agents with messages",
            periods,
            lambda: loop_in_duopoly(periods),
            lambda: train_in_duopoly(duopoly.DuopolyEnv, periods),
        ),
        (
            "duopoly of plain dicts",
            periods,
            lambda: loop_in_duopoly(periods),
            lambda: train_in_duopoly(PlainDuopoly, periods),
        ),
    ]
    print(f"{'':34}{'list loop':>11}{'q-learning':>12}   ratio (lowest, highest of {repeats})")
    for name, steps, loop, train in rows:
        pairs = [(seconds(loop), seconds(train)) for _ in range(repeats)]
        ratios = sorted(one / other for one, other in pairs)
        one, other = (statistics.median(column) / steps * 1e6 for column in zip(*pairs, strict=True))
        print(
            f"{name:34}{one:8.1f} µs{other:9.1f} µs   {statistics.median(ratios):.3f} "
            f"({ratios[0]:.3f}, {ratios[-1]:.3f})",
            flush=True,
        )


def defaults() -> None:
    """Print what the defaults reach in the supply chain, where no policy earns more than 818.02."""
    for seed in (1, 2, 3):
        results = ph.train(
            "q-learning",
            env=DiscreteSupplyChainEnv,
            num_iterations=300,
            evaluation=ph.EvaluationPlan(episodes=100),
            seed=seed,
            run_dir=None,
        )
        assert results.evaluation is not None
        print(f"supply chain, 300,000 steps, seed {seed}: {results.evaluation.mean_return:.1f} of 818.02")


def main() -> None:
    """Run what is asked for, or both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=["speed", "defaults", []], default=[])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if "speed" in options.parts or not options.parts:
        speed(options.repeats)
    if "defaults" in options.parts or not options.parts:
        defaults()


if __name__ == "__main__":
    main()
