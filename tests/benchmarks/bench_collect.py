"""Speed of collection: the share of the env-only limit that is left, and when worker processes pay.

    make bench

All versions of a case run in turn, in one process: read the ratios, not the absolute numbers. The rate is
that of each version's fastest round; what runs in one process is timed by its own processor time, which
does not count when others have the processor.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph

ROUNDS = 7
STEPS = 4096

Run = Callable[[], int]


class AlternatingPolicy(ph.Policy):
    """Costs nothing: 0 in one step, 1 in the next."""

    step = 0

    def compute_action(self, observation: Any) -> int:
        """Return 0."""
        return 0

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        """Return the same action for all."""
        self.step += 1
        return [self.step % 2] * len(rng), {}


class SlowAgent(ph.StrategicAgent):
    """Keeps the processor busy for so many microseconds in each step."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (8,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, microseconds: float) -> None:
        super().__init__("SLOW")
        self._seconds = microseconds / 1e6

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Do nothing."""

    def compute_reward(self, ctx: ph.Context) -> float:
        """Return 0."""
        return 0.0

    def encode_observation(self, ctx: ph.Context) -> Any:
        """Return a point, after a while."""
        ready = time.perf_counter() + self._seconds
        while time.perf_counter() < ready:
            pass
        return self.observation_space.low


class SlowEnv(ph.PhantomEnv):
    """An env whose step takes as long as it is told."""

    def __init__(self, microseconds: float) -> None:
        super().__init__(100, ph.Network([SlowAgent(microseconds)]))


def env_only(copies: int, num_steps: int = STEPS) -> Run:
    """Step copies of CartPole, one after the other, without anything around them."""
    envs = [gym.make("CartPole-v1") for _ in range(copies)]
    for number, env in enumerate(envs):
        env.reset(seed=number)

    def run() -> int:
        for step in range(num_steps // copies):
            for env in envs:
                _, _, terminated, truncated, _ = env.step(step % 2)
                if terminated or truncated:
                    env.reset()
        return num_steps // copies * copies

    return run


def collecting(
    envs: ph.VectorEnv, agent_id: str, steps: int, policy_class: type[ph.Policy] = AlternatingPolicy
) -> tuple[Run, ph.Collector]:
    """Collect in these copies; the policy costs nothing, unless another is given."""
    facts = envs.facts(0)
    policy = policy_class(facts.observation_spaces[agent_id], facts.action_spaces[agent_id])
    policy.seed(np.random.default_rng(1))
    collector = ph.Collector(envs, {"p": policy}, {agent_id: "p"}, seed=1, learning=["p"])
    plan = ph.CollectPlan(steps=steps, copies=envs.num_copies)

    def run() -> int:
        before = collector.env_steps
        collector.collect(plan)
        return collector.env_steps - before

    return run, collector


def rates(runs: dict[str, Run], clock: Callable[[], float] = time.process_time) -> dict[str, float]:
    """Return steps per second by version."""
    best = dict.fromkeys(runs, 0.0)
    for run in runs.values():
        run()
    for _ in range(ROUNDS):
        for name, run in runs.items():
            started = clock()
            steps = run()
            best[name] = max(best[name], steps / (clock() - started))
    return best


def show_share_of_limit() -> None:
    """Print what collection leaves of the env's own speed."""
    print("CartPole-v1 (gymnasium.make), env steps per second; collection with a policy that costs nothing")
    print(f"{'copies':>8} {'env only':>12} {'collected':>12} {'share':>7} {'added per step':>16}")
    for copies in (1, 8, 64, 256):
        envs = ph.make_vector_env(functools.partial(ph.GymnasiumEnv, "CartPole-v1"), copies)
        found = rates({"env": env_only(copies), "ours": collecting(envs, "agent", STEPS)[0]})
        added = 1e6 / found["ours"] - 1e6 / found["env"]
        share = found["ours"] / found["env"]
        print(f"{copies:8} {found['env']:12,.0f} {found['ours']:12,.0f} {share:7.0%} {added:13.2f} µs")


def show_workers() -> None:
    """Print how many steps worker processes make, by the time that a step takes."""
    print("\n8 copies, env steps per second with 0 and 2 workers, by what a step of the env takes")
    print(f"{'step':>8} {'0 workers':>12} {'2 workers':>12} {'ratio':>7}")
    for microseconds in (20, 100, 300, 1000):
        make_env = functools.partial(SlowEnv, microseconds)
        steps = max(80, 200_000 // microseconds)
        local = collecting(ph.make_vector_env(make_env, 8), "SLOW", steps)[0]
        remote, collector = collecting(ph.make_vector_env(make_env, 8, workers=2), "SLOW", steps)
        try:
            found = rates({"local": local, "remote": remote}, time.perf_counter)
        finally:
            collector.close()
        ratio = found["remote"] / found["local"]
        print(f"{microseconds:5} µs {found['local']:12,.0f} {found['remote']:12,.0f} {ratio:7.2f}")


if __name__ == "__main__":
    show_share_of_limit()
    show_workers()
