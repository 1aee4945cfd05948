"""A matrix game for two, whose rewards hang on what neither player sees: what a central critic is for."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph

CARDS, LUCKS = 3, 5


class LuckyPlayer(ph.StrategicAgent):
    """Sees a card, and plays one."""

    observation_space = action_space = gym.spaces.Discrete(CARDS)

    def reset(self) -> None:
        """Draw a card."""
        self.card, self.played, self.reward = self.random.randrange(CARDS), -1, 0.0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Play a card."""
        self.played = action

    def encode_observation(self, ctx: ph.Context) -> int:
        """See the own card."""
        return self.card

    def compute_reward(self, ctx: ph.Context) -> float:
        """Earn what both earn."""
        return self.reward


class Weather(ph.Agent):
    """Draws the luck of the day."""

    def reset(self) -> None:
        """Draw."""
        self.luck = self.random.randrange(LUCKS)


class LuckyMatchEnv(ph.PhantomEnv):
    """Both earn 1 if both play the card that they see, and luck from -20 to 20 whatever they do.

    Best mean return 1, random 1/9. The luck has a standard deviation of 14, so that a critic that sees only
    a card cannot tell a good decision from a good day. The state holds the luck.
    """

    state_space: gym.Space[Any] | None = gym.spaces.MultiDiscrete([CARDS, CARDS, LUCKS])

    def __init__(self) -> None:
        self.players, self.weather = (LuckyPlayer("LEFT"), LuckyPlayer("RIGHT")), Weather("WEATHER")
        super().__init__(1, ph.Network([*self.players, self.weather]))

    def state(self) -> np.ndarray[Any, Any]:
        """Return both cards and the luck."""
        left, right = self.players
        return np.array([left.card, right.card, self.weather.luck])

    def post_message_resolution(self) -> None:
        """Pay both."""
        super().post_message_resolution()
        is_match = all(player.played == player.card for player in self.players)
        for player in self.players:
            player.reward = is_match + 10.0 * (self.weather.luck - LUCKS // 2)

    def is_terminated(self) -> bool:
        """End after one decision each."""
        return True
