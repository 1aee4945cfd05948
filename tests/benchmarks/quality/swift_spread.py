"""`SwiftSpread`: mpe2's `simple_spread_v3`, whose copies are stepped together in arrays.

    python tests/benchmarks/quality/swift_spread.py     # plays both, and compares

It draws, moves, pays and shows what mpe2's env does with three agents and discrete actions, many times as
fast. Policies are trained in it for millions of env steps, and evaluated in mpe2's own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_pettingzoo import PettingZooEnv

Floats = NDArray[np.float64]

LENGTH: Final = 25
"""Steps of an episode."""
PUSH: Final = np.array([[0.0, 0.0], [-5.0, 0.0], [5.0, 0.0], [0.0, -5.0], [0.0, 5.0]])
"""The force of each action."""
TIME_STEP, KEPT_SPEED, STIFFNESS, SOFTNESS = 0.1, 0.75, 100.0, 1e-3
TOUCH: Final = 0.3
"""Two radii."""
LOCAL_SHARE: Final = 0.5
"""The weight of the own collisions; that of the landmarks' distances is the rest."""
PAIRS: Final = list(combinations(range(3), 2))
OTHERS: Final = [[1, 2], [0, 2], [0, 1]]


class SwiftSpread(PettingZooEnv):
    """mpe2's env; copies of it are stepped together."""

    def __init__(self) -> None:
        super().__init__("mpe2.simple_spread_v3", N=3, max_cycles=LENGTH)

    @classmethod
    def vectorized(cls, envs: Sequence[SwiftSpread]) -> SwiftSpreads:
        """Return the copies as arrays."""
        return SwiftSpreads(envs)


class SwiftSpreads(ph.VectorEnv):
    """n copies: places and speeds of the agents [n, 3, 2], and places of the landmarks [n, 3, 2]."""

    def __init__(self, envs: Sequence[SwiftSpread]) -> None:
        self.num_copies, self.env_name, self._envs = len(envs), "SwiftSpread", envs
        self._ids = tuple(envs[0].strategic_agent_ids)
        self._places, self._speeds, self._landmarks = np.zeros((3, self.num_copies, 3, 2))
        self._ages = np.zeros(self.num_copies, np.int64)
        self._seen = np.zeros((self.num_copies, 3, 18), np.float32)

    def reset(self, numbers: Sequence[int], seeds: Sequence[int]) -> list[Any]:
        """Draw places, as mpe2 does for a seed."""
        for number, seed in zip(numbers, seeds, strict=True):
            rng = np.random.default_rng(ph.seeding.small_seed(seed))
            self._places[number], self._landmarks[number] = rng.uniform(-1.0, 1.0, (2, 3, 2))
        self._speeds[numbers] = 0.0
        self._ages[numbers] = 0
        self._seen[numbers] = self._observed(numbers)
        return [dict(zip(self._ids, self._seen[number].copy(), strict=True)) for number in numbers]

    def step(
        self, numbers: Sequence[int], actions: Sequence[Mapping[ph.AgentID, ph.Action]]
    ) -> list[ph.StepResult]:
        """Play one step in each of these copies."""
        rewards = self._play(numbers, [[given[name] for name in self._ids] for given in actions])
        return [self._result(*one) for one in zip(numbers, rewards.tolist(), strict=True)]

    def step_rows(self, table: Any, actions: Sequence[ph.Action]) -> Any:
        """Play one step, without dicts where nothing ends."""
        if not table.repeats:
            return super().step_rows(table, actions)
        numbers = table.env_indices
        rewards = self._play(numbers, np.asarray(actions).reshape(-1, 3))
        ends = np.flatnonzero(self._ages[numbers] == LENGTH)
        others = [(place, self._result(numbers[place], rewards[place].tolist())) for place in ends]
        rewards[ends] = 0.0
        return table.step(self._seen[numbers].reshape(-1, 18), rewards.ravel().tolist(), others)

    def states(self, numbers: Sequence[int]) -> list[Any]:
        """Return what all agents of each copy observe, side by side."""
        return list(self._seen[numbers].reshape(-1, 54))

    def facts(self, number: int) -> Any:
        """Return the env of mpe2."""
        return self._envs[number]

    def measure(self, metrics: Mapping[str, ph.metrics.Metric], mode: Any) -> None:
        """Have no metrics."""
        assert not metrics

    def take_metrics(self, number: int) -> dict[str, Any]:
        """Have none."""
        return {}

    def policies_for(self, number: int, agent_id: ph.AgentID, specs: Any) -> list[ph.PolicyID]:
        """Let nobody join."""
        return []

    def fingerprint(self, number: int) -> str:
        """Tell where a copy stands."""
        return f"{self._ages[number]} {self._places[number].tolist()}"

    def close(self) -> None:
        """Have nothing to close."""

    def _result(self, number: int, rewards: Sequence[float]) -> ph.StepResult:
        is_over = bool(self._ages[number] == LENGTH)
        names = (*self._ids, ph.tools.ALL)
        return ph.StepResult(
            dict(zip(self._ids, self._seen[number].copy(), strict=True)),
            dict(zip(self._ids, rewards, strict=True)),
            dict.fromkeys(names, False),
            dict.fromkeys(names, is_over),
            {name: {} for name in self._ids},
        )

    def _play(self, numbers: Sequence[int], actions: Any) -> Floats:
        """Play one step; return the rewards [copies, 3]."""
        places, speeds = self._places[numbers], self._speeds[numbers]
        forces = PUSH[np.asarray(actions)]
        for a, b in PAIRS:
            force = _contact(places[:, a] - places[:, b])
            forces[:, a] += force
            forces[:, b] -= force
        places += speeds * TIME_STEP
        speeds *= KEPT_SPEED
        speeds += forces * TIME_STEP
        self._places[numbers], self._speeds[numbers] = places, speeds
        self._ages[numbers] += 1
        self._seen[numbers] = self._observed(numbers)
        return _rewards(places, self._landmarks[numbers])

    def _observed(self, numbers: Sequence[int]) -> Floats:
        """Return speed, place, landmarks, others, and what they say: nothing; [copies, 3, 18]."""
        places, landmarks = self._places[numbers], self._landmarks[numbers]
        seen = np.zeros((len(places), 3, 18))
        seen[..., 0:2], seen[..., 2:4] = self._speeds[numbers], places
        seen[..., 4:10] = (landmarks[:, None] - places[:, :, None]).reshape(-1, 3, 6)
        seen[..., 10:14] = (places[:, OTHERS] - places[:, :, None]).reshape(-1, 3, 4)
        return seen


def _contact(apart: Floats) -> Floats:
    """Return the force [copies, 2] on the first of two agents that are so far apart [copies, 2]."""
    distance = _lengths(apart)
    depth = np.logaddexp(0.0, -(distance - TOUCH) / SOFTNESS) * SOFTNESS
    force: Floats = STIFFNESS * apart / distance[:, None] * depth[:, None]
    return force


def _rewards(places: Floats, landmarks: Floats) -> Floats:
    nearest = _lengths(places[:, :, None] - landmarks[:, None]).min(axis=1)
    total = -(nearest[:, 0] + nearest[:, 1] + nearest[:, 2])
    hits = np.zeros((len(places), 3))
    for a, b in PAIRS:
        is_hit = _lengths(places[:, a] - places[:, b]) < TOUCH
        hits[:, a] += is_hit
        hits[:, b] += is_hit
    rewards: Floats = total[:, None] * (1.0 - LOCAL_SHARE) - hits * LOCAL_SHARE
    return rewards


def _lengths(vectors: Floats) -> Floats:
    lengths: Floats = np.sqrt(vectors[..., 0] ** 2 + vectors[..., 1] ** 2)
    return lengths


class Dice(ph.Policy):
    """Draws its actions."""

    def compute_action(self, observation: Any) -> int:
        """Do nothing."""
        return 0

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        """Draw an action for each row."""
        return (5 * np.asarray(rng.uniform())).astype(int).tolist(), {}


def played(envs: Any, steps: int) -> tuple[ph.Transitions, float]:
    """Return so many env steps of random play, and how many one CPU second holds."""
    env = SwiftSpread()
    policy = Dice(env.observation_spaces["agent_0"], env.action_spaces["agent_0"])
    mapping = dict.fromkeys(env.strategic_agent_ids, "p")
    collector = ph.Collector(envs, {"p": policy}, mapping, seed=1, learning=["p"], needs=("state",))
    started = time.process_time()
    batch = collector.collect(ph.CollectPlan(steps=steps, copies=32, needs=("state",)))["p"]
    return batch.transitions, steps / (time.process_time() - started)


def main() -> None:
    """Compare 32 copies of each."""
    names = ("observations", "rewards", "next_observations", "states", "next_states", "truncated")
    slow, slow_rate = played([SwiftSpread() for _ in range(32)], 16_000)
    swift, swift_rate = played(SwiftSpreads([SwiftSpread() for _ in range(32)]), 16_000)
    worst = {
        name: float(np.abs(np.asarray(getattr(slow, name), float) - getattr(swift, name)).max())
        for name in names
    }
    sys.stdout.write(f"largest differences {worst}\nmpe2 {slow_rate:,.0f} steps/s, here {swift_rate:,.0f}\n")


if __name__ == "__main__":
    main()
