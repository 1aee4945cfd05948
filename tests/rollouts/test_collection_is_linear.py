"""The cost of collection grows linearly with agents, copies, policies, steps: calls are counted, not time."""

import sys
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph

SPACE = gym.spaces.Discrete(2)
MOST = 2.3  # times the calls, for twice as much


class Sitter(ph.StrategicAgent):
    """Does nothing, and sees nothing new."""

    observation_space = action_space = SPACE

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Do nothing."""

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


class Room(ph.PhantomEnv):
    """So many sitters; episodes of four steps."""

    def __init__(self, num_agents: int) -> None:
        super().__init__(4, ph.Network([Sitter(f"A{number}") for number in range(num_agents)]))


class StillPolicy(ph.Policy):
    """Always does the same."""

    def compute_action(self, observation: Any) -> int:
        return 0

    def compute_actions(self, observations: Any) -> list[int]:
        return [0] * len(observations)


def calls_of(work: Callable[[], Any]) -> int:
    """Return how many functions of Python and C are called."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def collection(
    *, agents: int = 20, copies: int = 2, policies: int = 1, plans: tuple[ph.CollectPlan, ...]
) -> Callable[[], None]:
    """Return what makes a collector and collects."""

    def work() -> None:
        envs = ph.make_vector_env(lambda: Room(agents), copies)
        mapping = {f"A{number}": f"p{number % policies}" for number in range(agents)}
        made = {f"p{number}": StillPolicy(SPACE, SPACE) for number in range(policies)}
        collector = ph.Collector(envs, made, mapping, seed=1, learning=list(made))
        for plan in plans:
            batches = collector.collect(plan)
            assert all(len(batch.trajectories.rewards) == len(batch) for batch in batches.values())

    return work


def steps(amount: int, copies: int = 2) -> tuple[ph.CollectPlan, ...]:
    return (ph.CollectPlan(steps=amount, copies=copies),)


ONCE_AND_TWICE = {
    "agents": (collection(agents=100, plans=steps(2)), collection(agents=200, plans=steps(2))),
    "copies": (
        collection(copies=10, plans=steps(20, 10)),
        collection(copies=20, plans=steps(40, 20)),
    ),
    "policies": (
        collection(agents=60, policies=15, plans=steps(8)),
        collection(agents=60, policies=30, plans=steps(8)),
    ),
    "steps": (collection(plans=steps(80)), collection(plans=steps(160))),
    "episodes": (
        collection(plans=(ph.CollectPlan(episodes=20, copies=2),)),
        collection(plans=(ph.CollectPlan(episodes=40, copies=2),)),
    ),
    "collections": (collection(plans=20 * steps(2)), collection(plans=40 * steps(2))),
}


@pytest.mark.parametrize("what", ONCE_AND_TWICE)
def test_twice_as_much_costs_about_twice(what: str) -> None:
    once, twice = ONCE_AND_TWICE[what]
    once()  # imports, caches
    assert calls_of(twice) < MOST * calls_of(once)
