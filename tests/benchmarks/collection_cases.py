"""Cases of collection, timed on demand: `bench_collection.py` runs this file with two versions of the core.

It reads lines `case seconds` and answers each with the env steps per second of processor time.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph


class AlternatingPolicy(ph.Policy):
    """Costs nothing: one action in one step, another in the next."""

    def compute_action(self, observation: Any) -> int:
        """Return the first action."""
        return int(self.action_space.start) if isinstance(self.action_space, gym.spaces.Discrete) else 0

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        """Return the same actions for all."""
        self.step = getattr(self, "step", 0) + 1
        return [self.compute_action(None) + self.step % 2] * len(rng), {}


class IdleEnv:
    """An env that costs nothing: its agents always see and earn the same."""

    acting_agent_ids = None

    def __init__(self, num_agents: int) -> None:
        ids = [f"A{number}" for number in range(num_agents)]
        space = gym.spaces.Discrete(4)
        self.agents = {agent_id: ph.StrategicAgent(agent_id) for agent_id in ids}
        self.strategic_agent_ids = ids
        self.observation_spaces = dict.fromkeys(ids, space)
        self.action_spaces = dict.fromkeys(ids, gym.spaces.Discrete(2))
        self._seen = dict.fromkeys(ids, 1)
        flags = dict.fromkeys([*ids, "__all__"], False)
        self._result = ph.StepResult(self._seen, dict.fromkeys(ids, 1.0), flags, flags, {})

    def reset(self, seed: Any = None, options: Any = None) -> tuple[Any, Any]:
        """Begin."""
        return self._seen, {}

    def step(self, actions: Any) -> Any:
        """Do nothing."""
        return self._result

    def close(self) -> None:
        """Do nothing."""


class Pole(ph.StrategicAgent):
    """Balances a pole of its own, and ends when it falls."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.pole = gym.make("CartPole-v1").unwrapped
        self.observation_space, self.action_space = self.pole.observation_space, self.pole.action_space

    def reset(self) -> None:
        """Put the pole up."""
        self.seen, _ = self.pole.reset(seed=self.random.getrandbits(31))
        self.reward, self.has_fallen = 0.0, False

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        """Push the cart."""
        self.seen, self.reward, self.has_fallen, _, _ = self.pole.step(action)

    def encode_observation(self, ctx: ph.Context) -> Any:
        """Return what the pole shows."""
        return self.seen

    def compute_reward(self, ctx: ph.Context) -> float:
        """Earn 1 for each step."""
        return float(self.reward)

    def is_terminated(self, ctx: ph.Context) -> bool:
        """End when the pole falls."""
        return bool(self.has_fallen)


class TwoPoles(ph.PhantomEnv):
    """Two agents with a pole each; the episode ends when both fell."""

    def __init__(self) -> None:
        super().__init__(num_steps=500, network=ph.Network([Pole("left"), Pole("right")]))


class Mover(ph.StrategicAgent):
    """Observes the number of its moves."""

    observation_space, action_space = gym.spaces.Discrete(100), gym.spaces.Discrete(2)

    def reset(self) -> None:
        """Begin at 0."""
        self.moves = 0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Move."""
        self.moves += 1

    def encode_observation(self, ctx: ph.Context) -> int:
        """Return the number of moves."""
        return self.moves

    def compute_reward(self, ctx: ph.Context) -> float:
        """Earn 1."""
        return 1.0


class Turns(ph.StackelbergEnv):
    """A leader and a follower in turn."""

    def __init__(self) -> None:
        agents = [Mover("LEADER"), Mover("FOLLOWER")]
        super().__init__(100, ph.Network(agents), leader_agents=["LEADER"], follower_agents=["FOLLOWER"])


def supply_chain() -> Any:
    """Return the supply chain of the examples."""
    folder = str(Path(__file__).parents[2] / "docs" / "examples")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import supply_chain as example

    return example.DiscreteSupplyChainEnv()


def simple_spread() -> Any:
    """Return three agents that share their landmarks."""
    import mpe2.simple_spread_v3

    if hasattr(ph, "PettingZooEnv"):  # the core had it once
        env_class: Any = ph.PettingZooEnv
    else:
        import phantom_pettingzoo

        env_class = phantom_pettingzoo.PettingZooEnv
    return env_class(mpe2.simple_spread_v3.parallel_env(N=3, max_cycles=25))


CART_POLE = functools.partial(ph.GymnasiumEnv, "CartPole-v1")
FROZEN_LAKE = functools.partial(ph.GymnasiumEnv, "FrozenLake-v1")
CASES: dict[str, tuple[Callable[[], Any], int, int]] = {  # the env, copies, steps in each collection
    "CartPole x8": (CART_POLE, 8, 4096),
    "CartPole x1": (CART_POLE, 1, 4096),
    "CartPole x256": (CART_POLE, 256, 8192),
    "FrozenLake x1": (FROZEN_LAKE, 1, 4096),
    "no-op, 2 agents": (functools.partial(IdleEnv, 2), 1, 2000),
    "no-op, 10 agents": (functools.partial(IdleEnv, 10), 1, 1000),
    "no-op, 100 agents": (functools.partial(IdleEnv, 100), 1, 200),
    "supply chain x8": (supply_chain, 8, 800),
    "two CartPoles x8": (TwoPoles, 8, 1600),
    "turns x1": (Turns, 1, 1000),
    "turns x8": (Turns, 8, 1600),
    "simple_spread x8": (simple_spread, 8, 800),
    "steps=1: CartPole": (CART_POLE, 1, 1),
    "steps=1: FrozenLake": (FROZEN_LAKE, 1, 1),
    "steps=1: no-op, 2 agents": (functools.partial(IdleEnv, 2), 1, 1),
    "steps=8: CartPole x8": (CART_POLE, 8, 8),
}


@functools.cache
def collecting(name: str) -> Callable[[], int]:
    """Return what collects once; it returns the env steps."""
    make_env, copies, steps = CASES[name]
    envs = ph.make_vector_env(make_env, copies)
    facts = envs.facts(0)
    ids = list(facts.strategic_agent_ids)
    spaces = {(repr(facts.observation_spaces[i]), repr(facts.action_spaces[i])): i for i in ids}
    policy_of = {kind: f"p{number}" for number, kind in enumerate(spaces)}
    mapping = {i: policy_of[repr(facts.observation_spaces[i]), repr(facts.action_spaces[i])] for i in ids}
    policies = {
        policy_of[kind]: AlternatingPolicy(facts.observation_spaces[i], facts.action_spaces[i])
        for kind, i in spaces.items()
    }
    for policy in policies.values():
        policy.seed(np.random.default_rng(1))
    collector = ph.Collector(envs, policies, mapping, seed=1, learning=list(policies))
    plan = ph.CollectPlan(steps=steps, copies=copies)

    def run() -> int:
        before = collector.env_steps
        collector.collect(plan)
        return collector.env_steps - before

    run()
    return run


def main() -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        name, seconds = line.strip().split("|")
        run = collecting(name)
        steps, started = 0, time.process_time()
        while time.process_time() - started < float(seconds):
            steps += run()
        print(steps / (time.process_time() - started), flush=True)


if __name__ == "__main__":
    main()
