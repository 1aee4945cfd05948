"""Speed of array worlds, beside the same models written by hand in NumPy, and beside objects.

    make bench-arrays

All versions of a case run in turn, many short rounds in one process, with one thread. The rate is by CPU
time, which a busy machine disturbs less: read the ratios, not the absolute numbers. Page faults are counted
after a warm-up; peak memory is that of a process of its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "docs" / "examples"
sys.path[:0] = [str(EXAMPLES), str(EXAMPLES / "arrays"), str(HERE)]

from array_duopoly import PROFITS, ArrayDuopolyEnv  # noqa: E402  an example
from array_supply_chain import ArraySupplyChainEnv  # noqa: E402  an example
from bare_arrays import BareArrayDuopoly, BareArraySupplyChain, LoopQ, OnlineQ  # noqa: E402  beside this file
from crowded_shop import CrowdedShopEnv  # noqa: E402  an example
from supply_chain import SupplyChainEnv  # noqa: E402  an example

import phantom_arrays as pa  # noqa: E402  after the path
import phantom_core as ph  # noqa: E402

ROUNDS, ROUND_SECONDS = 30, 0.03

Run = Callable[[int], None]


@dataclass(frozen=True)
class Case:
    """Something to do n times, in several versions; the first is the yardstick."""

    name: str
    versions: dict[str, Run]
    weights: dict[str, int]  # env steps of one time


def stepping_arrays(num_customers: int, copies: int) -> Run:
    """Step copies of the array world, and reset those whose episodes ended."""
    envs = pa.ArrayVectorEnv([ArraySupplyChainEnv(num_customers) for _ in range(copies)])
    envs.reset(range(copies), range(copies))
    actions = np.full((copies, 1), 0.1, np.float32)

    def run(times: int) -> None:
        for _ in range(times):
            for world in envs.worlds:
                is_over = world.step({"SHOP": actions[: world.num_copies]}).is_over
                if is_over is not None:
                    world.reset(is_over, np.flatnonzero(is_over).tolist())

    return run


def stepping_bare(num_customers: int, copies: int) -> Run:
    """Step the model written by hand."""
    world = BareArraySupplyChain(num_customers, copies)
    actions = np.full((copies, 1), 0.1, np.float32)

    def run(times: int) -> None:
        for _ in range(times):
            world.step(actions)

    return run


def stepping_objects(env: ph.PhantomEnv, action: float) -> Run:
    """Step an env whose shop is an object."""
    env.reset(seed=1)
    actions = {"SHOP": np.array([action], np.float32)}

    def run(times: int) -> None:
        for _ in range(times):
            if env.step(actions).truncations["__all__"]:
                env.reset()

    return run


def learning_duopoly(sessions: int) -> Run:
    """Let the firms of many sessions learn online, in the array world."""
    envs = pa.ArrayVectorEnv([ArrayDuopolyEnv() for _ in range(sessions)])
    envs.reset(range(sessions), range(sessions))
    (world,) = envs.worlds
    learner, seen = OnlineQ(2 * sessions), world.observe()["firms"].observations

    def run(times: int) -> None:
        nonlocal seen
        for _ in range(times):
            actions = learner.act(seen, 0.1)
            step = world.step({"firms": actions}).by_population["firms"]
            learner.learn(seen, actions, step.rewards, step.observations)
            seen = step.observations

    return run


def learning_bare(sessions: int) -> Run:
    """The same, written by hand."""
    world = BareArrayDuopoly(sessions, PROFITS)
    learner, seen = OnlineQ(2 * sessions), (15 * world.prices + world.prices[:, ::-1]).reshape(-1)

    def run(times: int) -> None:
        nonlocal seen
        for _ in range(times):
            actions = learner.act(seen, 0.1)
            following, rewards = world.step(actions.reshape(-1, 2))
            learner.learn(seen, actions, rewards.reshape(-1), following.reshape(-1))
            seen = following.reshape(-1)

    return run


def collecting(env_class: Callable[[], Any], copies: int) -> Run:
    """Collect with an untrained ppo policy."""
    envs = ph.make_vector_env(env_class, copies)
    policy, _ = shop_policy(envs)
    collector = ph.Collector(envs, {"shop": policy}, {"SHOP": "shop"}, seed=1, learning=["shop"])

    def run(times: int) -> None:
        collector.collect(ph.CollectPlan(steps=times * copies))

    return run


def learning_loop(sessions: int) -> Run:
    """The same sessions, one after the other in a bare Python loop over lists."""
    learners = [LoopQ(n) for n in range(2 * sessions)]
    profits = PROFITS.tolist()
    prices = BareArrayDuopoly(sessions, PROFITS).prices.tolist()

    def run(times: int) -> None:
        for session in range(sessions):
            first, second = learners[2 * session : 2 * session + 2]
            one, other = prices[session]
            for _ in range(times):
                places = 15 * one + other, 15 * other + one
                one, other = first.act(places[0], 0.1), second.act(places[1], 0.1)
                first.learn(places[0], one, profits[one][other], 15 * one + other)
                second.learn(places[1], other, profits[other][one], 15 * other + one)
            prices[session] = [one, other]

    return run


class BetweenIterations(ph.Hooks):
    """Does something else between the iterations of a run; keeps the CPU time of both, turn by turn."""

    def __init__(self, other: Callable[[], None]) -> None:
        self.other, self._last = other, 0.0
        self.seconds: list[tuple[float, float]] = []

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        """Take the time of the iteration, but of the first, and of the other."""
        own = time.process_time() - self._last
        started = time.process_time()
        self.other()
        if self._last:
            self.seconds.append((time.process_time() - started, own))
        self._last = time.process_time()


def train_sessions(sessions: int, iterations: int = 30, steps: int = 100) -> list[float]:
    """Return how fast `q-learning` learns in sessions of the duopoly beside NumPy by hand, in turns."""
    bare = learning_bare(sessions)
    turns = BetweenIterations(lambda: bare(steps))
    ph.train(
        "q-learning",
        env=ArrayDuopolyEnv,
        policies={"first": [("firms", 0)], "second": [("firms", 1)]},
        trainer_config={
            "sessions": sessions,
            "steps_per_iteration": steps,
            "alpha": 0.15,
            "alpha_final": 0.15,
            "epsilon": 0.1,
            "epsilon_final": 0.1,
        },
        num_iterations=iterations,
        hooks=[turns],
        seed=1,
        run_dir=None,
    )
    return [bare_seconds / own for bare_seconds, own in turns.seconds]


def train_ppo(epochs: int, turns: int = 5) -> list[float]:
    """Return how fast ppo trains in the array world, as a multiple of the world of objects, in turns.

    Both have 256 copies of five customers, the same settings, and the same number of gradient steps.
    """

    def seconds_of(env_class: type[Any], seed: int, **env_config: int) -> float:
        hooks = BetweenIterations(lambda: None)
        ph.train(
            "ppo",
            env=env_class,
            env_config=env_config,
            trainer_config={"copies": 256, "epochs": epochs},
            num_iterations=3,
            hooks=[hooks],
            seed=seed,
            run_dir=None,
        )
        return sum(own for _, own in hooks.seconds)

    return [
        seconds_of(SupplyChainEnv, turn) / seconds_of(ArraySupplyChainEnv, turn, num_customers=5)
        for turn in range(turns)
    ]


def forward_passes() -> Run:
    """Ask the ppo policy of `collecting` for the actions of 256 rows."""
    envs = ph.make_vector_env(lambda: ArraySupplyChainEnv(5), 1)
    policy, space = shop_policy(envs)
    observations = np.random.default_rng(1).random((256, *space.shape)).astype(np.float32)

    def run(times: int) -> None:
        for _ in range(times):
            policy.compute_actions(observations)

    return run


def shop_policy(envs: ph.VectorEnv) -> tuple[Any, Any]:
    """Return an untrained ppo policy for the shop, and its observation space."""
    from phantom_ppo import MLPActorCriticPolicy

    facts = envs.facts(0)
    space = facts.observation_spaces["SHOP"]
    policy = MLPActorCriticPolicy(space, facts.action_spaces["SHOP"])
    policy.seed(np.random.default_rng(1))
    return policy, space


def cases() -> Iterator[Case]:
    """Yield what is measured."""
    for customers, copies in ((500, 1), (500, 256), (10**6, 1)):
        yield Case(
            f"{customers:,} × {copies}, beside NumPy",
            {"NumPy": stepping_bare(customers, copies), "arrays": stepping_arrays(customers, copies)},
            {"NumPy": copies, "arrays": copies},
        )
    for customers, copies in ((500, 1), (5, 256)):
        yield Case(
            f"{customers} × {copies}, beside objects",
            {
                "objects": stepping_objects(SupplyChainEnv(customers), 10.0),
                "arrays": stepping_arrays(customers, copies),
            },
            {"objects": 1, "arrays": copies},
        )
    for customers in (50, 500, 10_000):
        versions = {
            "objects": stepping_objects(SupplyChainEnv(customers), 10.0),
            "one message": stepping_objects(CrowdedShopEnv(customers), 0.1),
            "arrays": stepping_arrays(customers, 1),
        }
        yield Case(f"a population of {customers:,}", versions, dict.fromkeys(versions, 1))
    yield Case(
        "duopoly, 1,000 sessions",
        {"NumPy": learning_bare(1000), "arrays": learning_duopoly(1000), "lists": learning_loop(1000)},
        {"NumPy": 1000, "arrays": 1000, "lists": 1000},
    )
    yield Case(
        "ppo collects, 5 × 256",
        {
            "objects": collecting(lambda: SupplyChainEnv(5), 256),
            "arrays": collecting(lambda: ArraySupplyChainEnv(5), 256),
            "policy": forward_passes(),
        },
        {"objects": 256, "arrays": 256, "policy": 256},
    )


def seconds_for(run: Run, times: int) -> float:
    """Return the CPU time of doing something n times."""
    start = time.process_time()
    run(times)
    return time.process_time() - start


def times_per_round(run: Run) -> int:
    """Return how often something can be done in a round."""
    run(3)
    times = 1
    while (seconds := seconds_for(run, times)) < ROUND_SECONDS / 4:
        times *= 2
    return max(1, int(times * ROUND_SECONDS / seconds))


def faults_per_step(run: Run, times: int = 200) -> float:
    """Return the page faults of a step, after a warm-up."""
    run(times)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run(times)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / times


def measure(case: Case) -> None:
    """Print the rate of each version of a case, and its ratio to the first."""
    times = {name: times_per_round(run) for name, run in case.versions.items()}
    best = dict.fromkeys(case.versions, float("inf"))
    for _ in range(ROUNDS):
        for name, run in case.versions.items():
            best[name] = min(best[name], seconds_for(run, times[name]) / times[name] / case.weights[name])
    first = next(iter(best.values()))
    for name, seconds in best.items():
        rate, ratio = 1 / seconds, first / seconds
        print(f"{case.name:<28}{name:<12}{rate:>14,.0f} env steps/s   ratio {ratio:.2f}", flush=True)


def peak_memory(what: str) -> float:
    """Return the peak memory of a process that makes ten steps with a million customers, in MB."""
    code = f"import bench_arrays as b; b.{what}(10**6, 1)(10)"
    script = f"{code}; print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=HERE, capture_output=True, check=True, text=True
    )
    return int(found.stdout) / 1024


def show(what: str, ratios: list[float]) -> None:
    """Print the median of ratios, and their quartiles."""
    low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
    print(f"{what}: {middle:.2f} [{low:.2f}, {high:.2f}]", flush=True)


def main(parts: list[str]) -> None:
    """Measure everything, or cases whose names begin with one of the parts; with one thread, as in runs."""
    threadpool_limits(1)
    for case in cases():
        if not parts or any(case.name.startswith(part) for part in parts):
            measure(case)
    if not parts or "faults" in parts:
        for customers, copies in ((500, 1), (5, 256), (500, 256)):
            found = faults_per_step(stepping_arrays(customers, copies))
            print(f"page faults of a step, {customers} × {copies}: {found:.1f}", flush=True)
    if not parts or "cost" in parts:
        for customers in (10**2, 10**3, 10**4, 10**5, 10**6):
            run = stepping_arrays(customers, 1)
            times = times_per_round(run)
            best = min(seconds_for(run, times) for _ in range(ROUNDS)) / times
            print(f"a step with {customers:,} customers: {1e6 * best:,.0f} µs", flush=True)
    if not parts or "sessions" in parts:
        show("q-learning trains 1,000 sessions, of NumPy's speed", train_sessions(1000))
    if not parts or "training" in parts:
        show("ppo trains with 4 epochs, of objects' speed", train_ppo(epochs=4))
        show("ppo trains with 20 epochs, of objects' speed", train_ppo(epochs=20))
    if not parts or "memory" in parts:
        for what in ("stepping_bare", "stepping_arrays"):
            print(f"peak memory of a million customers, {what}: {peak_memory(what):,.0f} MB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
