"""A supply chain with competing shops: customers buy where it is cheapest, shops differ in their costs.

Two stages alternate. *pricing*: the shops set their prices. *shopping*: each customer orders from the
cheapest shop it knows, which orders from the factory and delivers. What the factory charges a shop is
the shop's private type: it is drawn for each shop in each episode.

Against two rivals who ask 6, the best price for a shop with cost c < 5 is 5: with n customers it earns
n (5 − c) in a day. With a cost of 5 it does best to ask 6 too and to share the customers, for n / 3.

    python docs/examples/competing_shops.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym

import phantom_core as ph

NUM_DAYS = 10
NUM_SHOPS = 3
NUM_CUSTOMERS = 4
MAX_COST = 5
PRICES = range(1, 11)
RIVAL_PRICE = 6


@dataclass(frozen=True)
class PriceTag(ph.AgentView):
    """What customers see of a shop."""

    price: int


@ph.msg_payload(sender_type="CustomerAgent", receiver_type="ShopAgent")
class Order:
    """A customer wants one item."""


@ph.msg_payload(sender_type="ShopAgent", receiver_type="FactoryAgent")
class StockRequest:
    """The shop wants one item for a customer, at the price that the factory asks of this shop."""

    cost: int


@ph.msg_payload(sender_type="FactoryAgent", receiver_type="ShopAgent")
class Invoice:
    """The item was sent to the customer; the shop owes this."""

    amount: int


class FactoryAgent(ph.Agent):
    """Sends whatever is ordered, and counts what it is paid."""

    def reset(self) -> None:
        """Open new books."""
        self.revenue = 0

    @ph.msg_handler(StockRequest)
    def deliver(self, ctx: ph.Context, message: ph.Message[StockRequest]) -> ph.MessageList:
        """Charge the shop's own price."""
        self.revenue += message.payload.cost
        return [(message.sender_id, Invoice(message.payload.cost))]


class CustomerAgent(ph.Agent):
    """Buys one item a day."""

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
        """Order from the cheapest shop; of several, from one at random."""
        prices = {shop: tag.price for shop, tag in ctx.agent_views.items() if isinstance(tag, PriceTag)}
        lowest = min(prices.values())
        return [(self.random.choice([shop for shop, price in prices.items() if price == lowest]), Order())]


class ShopAgent(ph.StrategicAgent):
    """Sets a price each day; observes its cost."""

    @dataclass(frozen=True)
    class Supertype(ph.Supertype):
        """What nobody else knows of a shop."""

        cost: int | ph.samplers.Sampler[int] = ph.samplers.UniformIntSampler(1, MAX_COST)

    observation_space = gym.spaces.Discrete(MAX_COST, start=1)
    action_space = gym.spaces.Discrete(len(PRICES), start=PRICES[0])

    def reset(self) -> None:
        """Begin without sales."""
        self.price = PRICES[-1]
        self.profit = 0

    def view(self, neighbour_id: ph.AgentID | None = None) -> PriceTag:
        """Show the price to everybody."""
        return PriceTag(self.price)

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        """Set the price of the day."""
        self.price = int(action)
        self.profit = 0

    @ph.msg_handler(Order)
    def sell(self, ctx: ph.Context, message: ph.Message[Order]) -> ph.MessageList:
        """Take the money, and have the item sent."""
        self.profit += self.price
        return [("FACTORY", StockRequest(self.type.cost))]

    @ph.msg_handler(Invoice)
    def pay(self, ctx: ph.Context, message: ph.Message[Invoice]) -> None:
        """Pay the factory."""
        self.profit -= message.payload.amount

    def encode_observation(self, ctx: ph.Context) -> int:
        """Return what an item costs the shop."""
        return int(self.type.cost)

    def compute_reward(self, ctx: ph.Context) -> float:
        """Return the profit of the day."""
        return float(self.profit)


class CompetingShopsEnv(ph.FiniteStateMachineEnv):
    """A factory, three shops, and customers who know all of them."""

    def __init__(self, **kwargs: Any) -> None:
        """Build the network; keyword arguments go to the env, such as `agent_supertypes`."""
        shops = [ShopAgent(f"SHOP{number + 1}") for number in range(NUM_SHOPS)]
        customers = [CustomerAgent(f"CUST{number + 1}") for number in range(NUM_CUSTOMERS)]
        network = ph.Network([FactoryAgent("FACTORY"), *shops, *customers])
        for shop in shops:
            network.add_connections_between([shop.id], ["FACTORY", *(customer.id for customer in customers)])
        stages = [
            ph.FSMStage("pricing", ShopAgent, rewarded_agents=[], next_stages=["shopping"]),
            ph.FSMStage("shopping", CustomerAgent, rewarded_agents=ShopAgent, next_stages=["pricing"]),
        ]
        super().__init__(2 * NUM_DAYS, network, "pricing", stages=stages, **kwargs)


def main(iterations: int = 100, seed: int = 1) -> dict[int, int]:
    """Learn to price against two shops that ask 6; return the learned price for each cost."""
    results = ph.train(
        "q-learning",
        env=CompetingShopsEnv,
        policies={
            "learner": ["SHOP1"],
            "rival": (ph.ConstantPolicy, ["SHOP2", "SHOP3"], {"action": RIVAL_PRICE}),
        },
        trainer_config={"gamma": 0.0},  # a price does not change the next day
        num_iterations=iterations,
        seed=seed,
        run_dir=None,
    )
    learned = {cost: results.policies["learner"].compute_action(cost) for cost in range(1, MAX_COST + 1)}
    for cost, price in learned.items():
        print(f"A shop that pays {cost} for an item asks {price}.")
    return learned


if __name__ == "__main__":
    main()
