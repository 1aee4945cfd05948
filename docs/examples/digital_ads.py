"""A market for advertisements: a publisher's visitors are auctioned among advertisers with budgets.

Two stages alternate. *arrival*: the publisher offers a visitor, and the exchange passes the offer on.
*auction*: the advertisers bid; the highest bid wins and pays the second highest (Vickrey 1961). The
winner earns the value that a click has to it, if the visitor clicks.

An advertiser's budget, favourite theme and value of a click are its private type, drawn anew in each
episode. Its offer is worth value × probability of a click, and with enough money it would do best to
bid that. Money is short, though: whoever bids less saves it for visitors that come cheap.

    python docs/examples/digital_ads.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

import phantom_core as ph

NUM_VISITORS = 20
CLICK_PROBABILITY = {True: 0.5, False: 0.25}  # of a visitor whose theme is the advertiser's, or is not
VALUES = (4, 8, 12)
MAX_BUDGET = 8
MAX_BID = 6


@ph.msg_payload()
class Offer:
    """A visitor with an interest in this theme, 0 or 1, is there."""

    theme: int


@ph.msg_payload(sender_type="AdvertiserAgent", receiver_type="ExchangeAgent")
class Bid:
    """The most that the advertiser pays for this visitor."""

    price: int


@ph.msg_payload(sender_type="ExchangeAgent", receiver_type="AdvertiserAgent")
class Sold:
    """The advertiser got the visitor, and pays this."""

    price: int


@ph.msg_payload(sender_type="AdvertiserAgent", receiver_type="PublisherAgent")
class Advertisement:
    """Is to be shown; the visitor clicks with this probability."""

    click_probability: float


@ph.msg_payload(sender_type="PublisherAgent", receiver_type="AdvertiserAgent")
class Click:
    """The visitor clicked."""


class PublisherAgent(ph.Agent):
    """Has a visitor in each round, and shows the winner's advertisement."""

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
        """Offer a visitor; both themes are as likely."""
        return [("EXCHANGE", Offer(self.random.randrange(2)))]

    @ph.msg_handler(Advertisement)
    def show(self, ctx: ph.Context, message: ph.Message[Advertisement]) -> ph.MessageList:
        """Draw whether the visitor clicks."""
        clicks = self.random.random() < message.payload.click_probability
        return [(message.sender_id, Click())] if clicks else []


class ExchangeAgent(ph.Agent):
    """Holds the auctions; of equal bids the first wins."""

    @ph.msg_handler(Offer)
    def announce(self, ctx: ph.Context, message: ph.Message[Offer]) -> ph.MessageList:
        """Pass the offer on to every advertiser."""
        return [(buyer, message.payload) for buyer in ctx.neighbour_ids if buyer != "PUBLISHER"]

    def handle_batch(self, ctx: ph.Context, batch: Sequence[ph.Message[Any]]) -> ph.MessageList:
        """Sell to the highest bidder, once all bids are there."""
        if not isinstance(batch[0].payload, Bid):
            return super().handle_batch(ctx, batch)
        first, second = sorted(batch, key=lambda bid: -bid.payload.price)[:2]
        return [(first.sender_id, Sold(second.payload.price))] if first.payload.price else []


class AdvertiserAgent(ph.StrategicAgent):
    """Observes how much the offer interests it, the value of a click, and its budget, as one number."""

    @dataclass(frozen=True)
    class Supertype(ph.Supertype):
        """What nobody else knows of an advertiser."""

        budget: int | ph.samplers.Sampler[int] = ph.samplers.UniformIntSampler(4, MAX_BUDGET)
        value: int | ph.samplers.Sampler[int] = ph.samplers.LambdaSampler(lambda rng: VALUES[rng.integers(3)])
        theme: int | ph.samplers.Sampler[int] = ph.samplers.UniformIntSampler(0, 1)

    observation_space = gym.spaces.Discrete(2 * len(VALUES) * (MAX_BUDGET + 1))
    action_space = gym.spaces.Discrete(MAX_BID + 1)

    def reset(self) -> None:
        """Begin with the whole budget."""
        self.budget = self.type.budget
        self.is_liked = False
        self.profit = 0.0

    @ph.msg_handler(Offer)
    def consider(self, ctx: ph.Context, message: ph.Message[Offer]) -> None:
        """Compare the visitor's theme with one's own."""
        self.is_liked = message.payload.theme == self.type.theme

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        """Bid as much as the action says, as far as the budget goes."""
        self.profit = 0.0
        return [("EXCHANGE", Bid(min(int(action), self.budget)))]

    @ph.msg_handler(Sold)
    def pay(self, ctx: ph.Context, message: ph.Message[Sold]) -> ph.MessageList:
        """Pay for the visitor and send the advertisement."""
        self.budget -= message.payload.price
        self.profit -= message.payload.price
        return [("PUBLISHER", Advertisement(CLICK_PROBABILITY[self.is_liked]))]

    @ph.msg_handler(Click)
    def earn(self, ctx: ph.Context, message: ph.Message[Click]) -> None:
        """Earn the value of a click."""
        self.profit += self.type.value

    def encode_observation(self, ctx: ph.Context) -> int:
        """Return (interest, value, budget) as a number."""
        interest = 3 * self.is_liked + VALUES.index(self.type.value)
        return interest * (MAX_BUDGET + 1) + self.budget

    def compute_reward(self, ctx: ph.Context) -> float:
        """Return what the auction brought: value of the click minus price."""
        return self.profit


def truthful_bid(observation: int) -> int:
    """Bid what the offer is worth, whatever the budget."""
    is_liked, value = divmod(observation // (MAX_BUDGET + 1), 3)
    return int(VALUES[value] * CLICK_PROBABILITY[bool(is_liked)])


class DigitalAdsEnv(ph.FiniteStateMachineEnv):
    """A publisher, an exchange and three advertisers, for twenty visitors."""

    def __init__(self) -> None:
        advertisers = [AdvertiserAgent(f"ADV{number}") for number in (1, 2, 3)]
        network = ph.Network([PublisherAgent("PUBLISHER"), ExchangeAgent("EXCHANGE"), *advertisers])
        network.add_connection("PUBLISHER", "EXCHANGE")
        network.add_connections_between(["PUBLISHER", "EXCHANGE"], [agent.id for agent in advertisers])
        stages = [
            ph.FSMStage("arrival", acting_agents=["PUBLISHER"], next_stages=["auction"]),
            ph.FSMStage("auction", acting_agents=AdvertiserAgent, next_stages=["arrival"]),
        ]
        super().__init__(2 * NUM_VISITORS, network, "arrival", stages=stages)


RIVALS = (ph.FunctionPolicy, ["ADV2", "ADV3"], {"function": truthful_bid})


def main(iterations: int = 200, seed: int = 1) -> tuple[float, float]:
    """Learn to bid against two truthful rivals; return what the learner earns, and a truthful bidder."""
    results = ph.train(
        "q-learning",
        env=DigitalAdsEnv,
        policies={"learner": ["ADV1"], "truthful": RIVALS},
        trainer_config={"gamma": 1.0, "alpha": 0.2, "alpha_final": 0.005},
        num_iterations=iterations,
        seed=seed,
        run_dir=None,
    )
    earned = []
    for policy_id in ("learner", "truthful"):
        policy_by_agent = {"ADV1": policy_id, "ADV2": "truthful", "ADV3": "truthful"}
        games = ph.evaluate(
            DigitalAdsEnv(), results.policies, policy_by_agent, num_episodes=300, seed=1, agent_ids=["ADV1"]
        )
        earned.append(games.mean_return)
    print(
        f"The learner earns {earned[0]:.1f} an episode; a truthful bidder in its place earns {earned[1]:.1f}."
    )
    return earned[0], earned[1]


if __name__ == "__main__":
    main()
