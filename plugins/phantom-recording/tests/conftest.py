"""A small market to record: turns that alternate, odd ids, Dict observations, messages with arrays."""

from enum import Enum
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class Stage(Enum):
    BID = "bid"
    SELL = "sell"


@ph.msg_payload()
class Bid:
    price: float
    quantity: int


@ph.msg_payload()
class Note:
    numbers: Any
    text: str = "hello"


class Seller(ph.Agent):
    """Answers bids, and keeps a list that it changes in place."""

    def reset(self) -> None:
        self.seen = np.zeros(2)

    @ph.msg_handler(Bid)
    def answer(self, ctx: ph.Context, message: ph.Message[Bid]) -> ph.MessageList:
        self.seen[:] = message.payload.price, message.payload.quantity
        return [(message.sender_id, Note(self.seen))]


class Buyer(ph.StrategicAgent):
    """Bids; its action is a dict, its observation too."""

    observation_space = gym.spaces.Dict(
        {"prices": gym.spaces.Box(-np.inf, np.inf, (2,), np.float32), "turn": gym.spaces.Discrete(100)}
    )
    action_space = gym.spaces.Dict(
        {"price": gym.spaces.Box(0.0, 9.0, (1,), np.float32), "quantity": gym.spaces.Discrete(5)}
    )

    def reset(self) -> None:
        self.prices = np.full(2, self.random.random(), np.float32)
        self.turns = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        self.turns += 1
        return [(i, Bid(float(action["price"][0]), int(action["quantity"]))) for i in ctx.neighbour_ids]

    @ph.msg_handler(Note)
    def read(self, ctx: ph.Context, message: ph.Message[Note]) -> None:
        self.prices[:] = message.payload.numbers
        message.payload.numbers[:] = -1.0  # as nobody should

    def encode_observation(self, ctx: ph.Context) -> Any:
        return {"prices": self.prices, "turn": self.turns}

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.prices[0])

    def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
        return {"mood": None, "luck": float("nan"), "seen": {1, 2}}


class Alternating:
    """Bidding and selling in turn; everybody acts."""

    def __init__(self) -> None:
        self.turns = {stage: ph.Turn(stage) for stage in Stage}

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return self.turns[Stage.BID]

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        return self.turns[Stage.SELL if turn.name is Stage.BID else Stage.BID]


class OddMarket(ph.PhantomEnv):
    """One buyer `("buyer", 1)`, one seller 7."""

    def __init__(self, num_steps: int = 4) -> None:
        network = ph.Network([Buyer(("buyer", 1)), Seller(7)], connections=[(("buyer", 1), 7)])
        super().__init__(num_steps, network, turn_order=Alternating())


BUYER = "('buyer', 1)"


@pytest.fixture
def odd_market() -> type[OddMarket]:
    """A class of envs in which everything is unusual; its buyer is `("buyer", 1)`, its seller 7."""
    return OddMarket


@pytest.fixture
def bid() -> dict[Any, Any]:
    """The actions of a step in an odd market."""
    return {("buyer", 1): {"price": np.array([2.5], np.float32), "quantity": np.int64(3)}}
