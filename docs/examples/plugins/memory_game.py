"""A game of memory: the cue of the first step is asked for in the last one."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

import phantom_core as ph


class MemoryPlayer(ph.StrategicAgent):
    """Sees a cue, -1 or 1, in the first step, then zeros; a second number is 1 when an answer is due."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, agent_id: str, length: int) -> None:
        super().__init__(agent_id)
        self.length = length

    def reset(self) -> None:
        """Draw the cue."""
        self.cue, self.answer = self.random.randrange(2), -1

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Answer."""
        self.answer = action

    def encode_observation(self, ctx: ph.Context) -> np.ndarray:
        """See the cue in the first step, and in the last one that an answer is due."""
        step = ctx.env_view.current_step
        return np.array([(2.0 * self.cue - 1.0) * (step == 0), step == self.length - 1], np.float32)

    def compute_reward(self, ctx: ph.Context) -> float:
        """Earn 1 for the right answer in the last step."""
        return float(ctx.env_view.current_step == self.length and self.answer == self.cue)


class MemoryEnv(ph.PhantomEnv):
    """So many steps. Who answers in the last one with the cue of the first earns 1; without memory, 1/2."""

    def __init__(self, length: int = 10) -> None:
        super().__init__(length, ph.Network([MemoryPlayer("PLAYER", length)]))
