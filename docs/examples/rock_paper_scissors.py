"""Rock, paper, scissors: who can be foreseen loses.

Two players make a move at the same time, ten times in an episode. Each move beats one of the others: who wins
earns 1, who loses -1. Nobody earns anything on average against somebody who makes all three moves equally
often; from everybody else something can be earned.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym

import phantom_core as ph

NUM_ROUNDS = 10
ROCK, PAPER, SCISSORS = 0, 1, 2
EARNED = {0: 0.0, 1: 1.0, 2: -1.0}  # by the own move less the other's, modulo 3


@ph.msg_payload()
class Move:
    """What the sender does in this round."""

    move: int


class PlayerAgent(ph.StrategicAgent):
    """Observes nothing, and chooses a move."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, agent_id: ph.AgentID, other_id: ph.AgentID) -> None:
        super().__init__(agent_id)
        self.other_id = other_id
        self.move = self.other_move = ROCK

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        """Make a move; the other one gets it when both have chosen."""
        self.move = int(action)
        return [(self.other_id, Move(self.move))]

    @ph.msg_handler(Move)
    def see(self, ctx: ph.Context, message: ph.Message[Move]) -> None:
        """Look at the move of the other one."""
        self.other_move = message.payload.move

    def encode_observation(self, ctx: ph.Context) -> int:
        """Return the only observation there is."""
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        """Return who won this round: 1, -1, or 0 for nobody."""
        return EARNED[(self.move - self.other_move) % 3]


class RockPaperScissorsEnv(ph.PhantomEnv):
    """Two players who meet for ten rounds."""

    def __init__(self) -> None:
        network = ph.Network([PlayerAgent("ANN", "BOB"), PlayerAgent("BOB", "ANN")])
        network.add_connection("ANN", "BOB")
        super().__init__(NUM_ROUNDS, network)
