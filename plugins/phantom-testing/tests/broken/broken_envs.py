"""Envs with one defect each, and one without."""

import random
from typing import Any

import gymnasium as gym

import phantom_core as ph

SPACE = gym.spaces.Discrete(3)


class Player(ph.StrategicAgent):
    observation_space = action_space = SPACE

    def encode_observation(self, ctx: ph.Context) -> Any:
        return self.random.randrange(3)

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        return None

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


class CorrectEnv(ph.PhantomEnv):
    """One agent that sees numbers."""

    player = Player

    def __init__(self) -> None:
        super().__init__(5, ph.Network([self.player("A")]))


class Breaks(CorrectEnv):
    """Raises in the third step."""

    def pre_message_resolution(self) -> None:
        if self.current_step == 3:
            raise ZeroDivisionError("division by zero")


class OutsidePlayer(Player):
    def encode_observation(self, ctx: ph.Context) -> Any:
        return 3


class LeavesItsSpace(CorrectEnv):
    """Shows a number too high."""

    player = OutsidePlayer


class NaNPlayer(Player):
    def compute_reward(self, ctx: ph.Context) -> float:
        return float("nan") if ctx.env_view.current_step == 2 else 1.0


class GlobalPlayer(Player):
    def encode_observation(self, ctx: ph.Context) -> Any:
        return random.randrange(3)  # noqa: S311  this is its defect


class DrawsFromEverybody(CorrectEnv):
    """Draws from the process-wide generator."""

    player = GlobalPlayer


class BlindPlayer(Player):
    def encode_observation(self, ctx: ph.Context) -> Any:
        return None


class SeesNothing(CorrectEnv):
    """Has a second agent that never observes."""

    def __init__(self) -> None:
        ph.PhantomEnv.__init__(self, 5, ph.Network([Player("A"), BlindPlayer("B")]))


class StatesTooMuch(CorrectEnv):
    """Has a global state that leaves its space in the third step."""

    state_space = SPACE

    def state(self) -> int:
        return self.current_step
