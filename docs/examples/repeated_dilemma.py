"""The iterated prisoner's dilemma: is it worth while to be nice to somebody who pays back?

In each round both players choose in secret, cooperate (0) or defect (1), and earn

                     other cooperates   other defects
    I cooperate             3                 0
    I defect                5                 1

Against tit-for-tat, which repeats what the other did, the best reply to a long game is to cooperate:
3 a round, instead of 5 once and 1 ever after. Ten rounds of it are worth 30, always defecting 14.

    python docs/examples/repeated_dilemma.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym

import phantom_core as ph

NUM_ROUNDS = 10
COOPERATE, DEFECT = 0, 1
PAYOFFS = {
    (COOPERATE, COOPERATE): 3.0,
    (COOPERATE, DEFECT): 0.0,
    (DEFECT, COOPERATE): 5.0,
    (DEFECT, DEFECT): 1.0,
}
FIRST_ROUND = 4


@ph.msg_payload()
class Move:
    """What the sender does in this round."""

    move: int


class PlayerAgent(ph.StrategicAgent):
    """Observes what both did in the last round: 2 × own move + the other's move, or 4 in the first."""

    observation_space = gym.spaces.Discrete(5)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, agent_id: ph.AgentID, other_id: ph.AgentID) -> None:
        super().__init__(agent_id)
        self.other_id = other_id
        self.last: tuple[int, int] | None = None
        self.move = self.other_move = COOPERATE

    def reset(self) -> None:
        """Forget the last game."""
        self.last = None

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        """Make a move; the other one gets it when both have chosen."""
        self.move = int(action)
        return [(self.other_id, Move(self.move))]

    @ph.msg_handler(Move)
    def see(self, ctx: ph.Context, message: ph.Message[Move]) -> None:
        """Remember the round."""
        self.last = (self.move, message.payload.move)

    def encode_observation(self, ctx: ph.Context) -> int:
        """Return the number of the last round's moves."""
        return FIRST_ROUND if self.last is None else 2 * self.last[0] + self.last[1]

    def compute_reward(self, ctx: ph.Context) -> float:
        """Return what the moves of this round pay."""
        return 0.0 if self.last is None else PAYOFFS[self.last]


class RepeatedDilemmaEnv(ph.PhantomEnv):
    """Two players who meet ten times."""

    def __init__(self) -> None:
        network = ph.Network([PlayerAgent("ANN", "BOB"), PlayerAgent("BOB", "ANN")])
        network.add_connection("ANN", "BOB")
        super().__init__(NUM_ROUNDS, network)


def tit_for_tat(observation: int) -> int:
    """Cooperate first, then do what the other one did."""
    return COOPERATE if observation == FIRST_ROUND else observation % 2


def play(policies: Mapping[ph.PolicyID, ph.Policy], ann: str, bob: str) -> tuple[float, float]:
    """Return what each player earns in a game, given the policy that each follows."""
    env, policy_by_agent = RepeatedDilemmaEnv(), {"ANN": ann, "BOB": bob}
    returns = ph.evaluate(env, policies, policy_by_agent, num_episodes=1, seed=1).episode_returns
    return returns["ANN"][0], returns["BOB"][0]


def main(iterations: int = 150, seed: int = 1) -> tuple[float, float]:
    """Learn to play against tit-for-tat; return what both earn then."""
    results = ph.train(
        "q-learning",
        env=RepeatedDilemmaEnv,
        policies={
            "learner": ["ANN"],
            "tit-for-tat": (ph.FunctionPolicy, ["BOB"], {"function": tit_for_tat}),
        },
        trainer_config={"gamma": 0.9},
        num_iterations=iterations,
        seed=seed,
        run_dir=None,
    )
    earned = play(results.policies, "learner", "tit-for-tat")
    print(f"Against tit-for-tat, the learner earns {earned[0]:.0f} in ten rounds; a defector would earn 14.")
    return earned


if __name__ == "__main__":
    main()
