"""Models that the tests of studies play."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph


class Ar1(ph.Agent):
    """x ← ρ x + ε."""

    def __init__(self, agent_id: ph.AgentID, rho: float) -> None:
        super().__init__(agent_id)
        self.rho = rho

    def reset(self) -> None:
        self.x = 0.0

    def generate_messages(self, ctx: ph.Context) -> None:
        self.x = self.rho * self.x + self.random.gauss(0.0, 1.0)


class Process(ph.PhantomEnv):
    """One AR(1) agent."""

    def __init__(self, rho: float = 0.5, num_steps: int = 12) -> None:
        super().__init__(num_steps=num_steps, network=ph.Network([Ar1("A", rho)]))

    @property
    def x(self) -> float:
        found: float = self.agents["A"].x  # type: ignore[attr-defined]
        return found


class Saver(ph.Agent):
    """Saves a random amount in each step."""

    def reset(self) -> None:
        self.wealth = 0.0

    def generate_messages(self, ctx: ph.Context) -> None:
        self.wealth += self.random.random()


class Savers(ph.PhantomEnv):
    """Some savers; one of them breaks the env at a size of 13."""

    def __init__(self, size: int = 3, num_steps: int = 4, breaks_at: int | None = None) -> None:
        if size == 13:
            raise ValueError("13 is too many")
        super().__init__(num_steps=num_steps, network=ph.Network([Saver(f"S{i}") for i in range(size)]))
        self.breaks_at = breaks_at

    def post_message_resolution(self) -> None:
        super().post_message_resolution()
        if self.current_step == self.breaks_at and self.agents["S0"].wealth > 1:  # type: ignore[attr-defined]
            raise RuntimeError("broken")

    @property
    def wealths(self) -> Any:
        return np.array([agent.wealth for agent in self.agents.values()])  # type: ignore[attr-defined]

    @property
    def mean_wealth(self) -> float:
        return float(self.wealths.mean())


class SlowSavers(Savers):
    """Takes its time, so that it can be killed."""

    def on_reset(self) -> None:
        time.sleep(0.03)


class Player(ph.StrategicAgent):
    """Is rewarded with its action."""

    observation_space = gym.spaces.Discrete(5)
    action_space = gym.spaces.Discrete(4)

    def reset(self) -> None:
        self.action = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.action = int(action)

    def encode_observation(self, ctx: ph.Context) -> int:
        return ctx.env_view.current_step

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.action)


class Game(ph.PhantomEnv):
    """Two players."""

    def __init__(self, num_players: int = 2) -> None:
        players = [Player(f"P{i}") for i in range(num_players)]
        super().__init__(num_steps=4, network=ph.Network(players))


class CountingPolicy(ph.Policy):
    """Counts its calls, so that it differs if a task begins with another policy than it was."""

    def __init__(self, observation_space: Any, action_space: Any) -> None:
        super().__init__(observation_space, action_space)
        self.calls = 0

    def compute_action(self, observation: Any) -> int:
        self.calls += 1
        return self.calls % 4


class KilledOnce(Savers):
    """Kills its process when it is reset the first time, as a mark in a folder says."""

    def __init__(self, folder: str, times: int = 1) -> None:
        super().__init__()
        self.folder, self.times = Path(folder), times

    def on_reset(self) -> None:
        marks = len(list(self.folder.iterdir()))
        if self.episode_seed != SETUP_SEED and marks < self.times:
            (self.folder / str(marks)).touch()
            os.kill(os.getpid(), signal.SIGKILL)


SETUP_SEED = ph.seeding.derive_seed(0, "setup")
