"""A dealer market that leaks: whoever asks many dealers gets a better price now and a worse one later.

An investor has to buy three lots, one per step. It asks some of three dealers for a quote; each quotes
the market price plus a margin of its own, 0 to 19, and the best quote is taken. The dealers who were
asked in vain know now that somebody buys: they buy ahead, and each moves the market price up by 2.5.

With E(k) the expected lowest of k margins (9.5, 6.175 and 4.5125) and r lots left after this one, asking
k dealers costs E(k) + 2.5 (k − 1) r. So it is best to ask one dealer first, then two, and all three for
the last lot, when nothing is left to be given away: 22.6875 above the first price in all.

    python docs/examples/dealer_market.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

import phantom_core as ph

NUM_LOTS = 3
NUM_DEALERS = 3
NUM_MARGINS = 20
IMPACT = 2.5
MAX_LEAKS = (NUM_LOTS - 1) * (NUM_DEALERS - 1)
DEALERS = [f"DEALER{number + 1}" for number in range(NUM_DEALERS)]


@dataclass(frozen=True)
class Ticker(ph.AgentView):
    """What everybody sees of the market."""

    num_leaks: int

    @property
    def price(self) -> float:
        """The market price, as a difference from the first one."""
        return IMPACT * self.num_leaks


@ph.msg_payload(sender_type="InvestorAgent", receiver_type="DealerAgent")
class QuoteRequest:
    """What would a lot cost?"""


@ph.msg_payload(sender_type="DealerAgent", receiver_type="InvestorAgent")
class Quote:
    """A lot would cost this."""

    price: float


@ph.msg_payload(sender_type="InvestorAgent", receiver_type="DealerAgent")
class Answer:
    """Whether the quote was taken."""

    is_taken: bool


@ph.msg_payload(sender_type="DealerAgent", receiver_type="MarketAgent")
class Purchase:
    """A dealer buys ahead."""


class MarketAgent(ph.Agent):
    """Has a price, which goes up with each purchase."""

    def reset(self) -> None:
        """Begin with the first price."""
        self.num_leaks = 0

    def view(self, neighbour_id: ph.AgentID | None = None) -> Ticker:
        """Show the price."""
        return Ticker(self.num_leaks)

    @ph.msg_handler(Purchase)
    def rise(self, ctx: ph.Context, message: ph.Message[Purchase]) -> None:
        """Move the price up."""
        self.num_leaks += 1


class DealerAgent(ph.Agent):
    """Quotes, and makes use of what it learns from being asked."""

    @ph.msg_handler(QuoteRequest)
    def quote(self, ctx: ph.Context, message: ph.Message[QuoteRequest]) -> ph.MessageList:
        """Add a margin to the market price as it was at the start of the step."""
        ticker = ctx["MARKET"]
        assert isinstance(ticker, Ticker)
        return [(message.sender_id, Quote(ticker.price + self.random.randrange(NUM_MARGINS)))]

    @ph.msg_handler(Answer)
    def use_knowledge(self, ctx: ph.Context, message: ph.Message[Answer]) -> ph.MessageList:
        """Buy ahead of the investor, if another one got the lot."""
        return [] if message.payload.is_taken else [("MARKET", Purchase())]


class InvestorAgent(ph.StrategicAgent):
    """Decides how many dealers to ask; observes the lots to buy and the purchases of others."""

    observation_space = gym.spaces.Discrete((NUM_LOTS + 1) * (MAX_LEAKS + NUM_DEALERS))
    action_space = gym.spaces.Discrete(NUM_DEALERS, start=1)

    def reset(self) -> None:
        """Begin with nothing bought."""
        self.lots_left = NUM_LOTS
        self.paid = 0.0

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        """Ask the first so many dealers."""
        return [(dealer, QuoteRequest()) for dealer in DEALERS[: int(action)]]

    def handle_batch(self, ctx: ph.Context, batch: Sequence[ph.Message[Any]]) -> ph.MessageList:
        """Take the best quote; of several, the first."""
        best = min(batch, key=lambda quote: quote.payload.price)
        self.paid = best.payload.price
        self.lots_left -= 1
        return [(quote.sender_id, Answer(is_taken=quote is best)) for quote in batch]

    def encode_observation(self, ctx: ph.Context) -> int:
        """Return (lots left, purchases of others) as a number."""
        ticker = ctx["MARKET"]
        assert isinstance(ticker, Ticker)
        return self.lots_left * (MAX_LEAKS + NUM_DEALERS) + ticker.num_leaks

    def compute_reward(self, ctx: ph.Context) -> float:
        """Return what the lot cost above the first price, as a loss."""
        return -self.paid

    def is_terminated(self, ctx: ph.Context) -> bool:
        """Tell whether all is bought."""
        return self.lots_left == 0


class DealerMarketEnv(ph.PhantomEnv):
    """An investor, three dealers and the market."""

    def __init__(self) -> None:
        dealers = [DealerAgent(dealer) for dealer in DEALERS]
        network = ph.Network([InvestorAgent("INVESTOR"), *dealers, MarketAgent("MARKET")])
        network.add_connections_between(["INVESTOR", "MARKET"], DEALERS)
        network.add_connection("INVESTOR", "MARKET")
        super().__init__(network=network)


def main(iterations: int = 500, seed: int = 1) -> tuple[list[int], float]:
    """Learn whom to ask; return how many dealers are asked for each lot, and the mean cost of all."""
    results = ph.train(
        "q-learning",
        env=DealerMarketEnv,
        trainer_config={"gamma": 1.0, "epsilon_final": 0.2, "alpha": 0.05, "alpha_final": 0.002},
        num_iterations=iterations,
        seed=seed,
        run_dir=None,
    )
    policy = results.policies["default"]
    env, asked = DealerMarketEnv(), []
    observations, _ = env.reset(seed=seed)
    for _ in range(NUM_LOTS):
        asked.append(policy.compute_action(observations["INVESTOR"]))
        observations = env.step({"INVESTOR": asked[-1]}).observations
    games = ph.evaluate(env, results.policies, {"INVESTOR": "default"}, num_episodes=2000, seed=seed)
    print(f"The learner asks {asked} dealers, and pays {-games.mean_return:.2f} above the first price.")
    return asked, -games.mean_return


if __name__ == "__main__":
    main()
