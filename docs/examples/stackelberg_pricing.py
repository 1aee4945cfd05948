"""Two shops set prices one after the other: the follower has seen what the leader asks.

A shop that asks p while the other one asks q sells 4 − p + q items (none if that is negative), and
earns p for each. The follower's best answer to q is (4 + q) / 2. Knowing that, the leader does best to
ask 6; the follower then asks 5. The leader earns 18 a round, the follower 25: here it pays to wait.

    python docs/examples/stackelberg_pricing.py
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym

import phantom_core as ph

NUM_ROUNDS = 10
DEMAND = 4
LEADER_PRICES = range(0, 13, 2)
FOLLOWER_PRICES = range(13)


@ph.msg_payload(sender_type="ShopAgent")
class Price:
    """From now on, the shop asks this for an item."""

    price: int


@ph.msg_payload(sender_type="MarketAgent", receiver_type="ShopAgent")
class Sales:
    """The shop has sold this many items."""

    size: int


class ShopAgent(ph.StrategicAgent):
    """Tells its price to the market and to its rival."""

    prices: range

    def __init__(self, agent_id: ph.AgentID, rival_id: ph.AgentID) -> None:
        super().__init__(agent_id)
        self.rival_id = rival_id
        self.action_space = gym.spaces.Discrete(len(self.prices))
        self.price = self.rival_price = self.profit = 0

    def reset(self) -> None:
        """Forget all prices."""
        self.price = self.rival_price = self.profit = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        """Ask the price with this number."""
        self.price = self.prices[int(action)]
        return [("MARKET", Price(self.price)), (self.rival_id, Price(self.price))]

    @ph.msg_handler(Price)
    def see(self, ctx: ph.Context, message: ph.Message[Price]) -> None:
        """Remember what the rival asks."""
        self.rival_price = message.payload.price

    @ph.msg_handler(Sales)
    def earn(self, ctx: ph.Context, message: ph.Message[Sales]) -> None:
        """Earn the price of each item."""
        self.profit = self.price * message.payload.size

    def compute_reward(self, ctx: ph.Context) -> float:
        """Return the profit of the round."""
        return float(self.profit)


class LeaderAgent(ShopAgent):
    """Has nothing to look at: each round is like the others."""

    prices = LEADER_PRICES
    observation_space = gym.spaces.Discrete(1)

    def encode_observation(self, ctx: ph.Context) -> int:
        """Return 0."""
        return 0


class FollowerAgent(ShopAgent):
    """Looks at the leader's price."""

    prices = FOLLOWER_PRICES
    observation_space = gym.spaces.Discrete(len(LEADER_PRICES))

    def encode_observation(self, ctx: ph.Context) -> int:
        """Return the number of the leader's price."""
        return LEADER_PRICES.index(self.rival_price)


class MarketAgent(ph.Agent):
    """Shares the customers out when both prices are known."""

    def reset(self) -> None:
        """Forget all prices."""
        self.prices: dict[ph.AgentID, int] = {}

    @ph.msg_handler(Price)
    def collect(self, ctx: ph.Context, message: ph.Message[Price]) -> ph.MessageList:
        """Sell for both shops when the second has named its price."""
        self.prices[message.sender_id] = message.payload.price
        if len(self.prices) < 2:
            return []
        total = sum(self.prices.values())
        sales = {shop: max(0, DEMAND + total - 2 * price) for shop, price in self.prices.items()}
        self.prices = {}
        return [(shop, Sales(size)) for shop, size in sales.items()]


class StackelbergPricingEnv(ph.StackelbergEnv):
    """A leader, a follower and the market, for ten rounds."""

    def __init__(self) -> None:
        agents = [
            LeaderAgent("LEADER", "FOLLOWER"),
            FollowerAgent("FOLLOWER", "LEADER"),
            MarketAgent("MARKET"),
        ]
        connections = [("LEADER", "FOLLOWER"), ("LEADER", "MARKET"), ("FOLLOWER", "MARKET")]
        network = ph.Network(agents, connections=connections)
        super().__init__(2 * NUM_ROUNDS, network, leader_agents=["LEADER"], follower_agents=["FOLLOWER"])


def main(iterations: int = 200, seed: int = 1) -> tuple[int, int]:
    """Learn both sides at once; return what the leader asks, and what the follower answers to that."""
    results = ph.train(
        "q-learning",
        env=StackelbergPricingEnv,
        policies={"leader": ["LEADER"], "follower": ["FOLLOWER"]},
        trainer_config={"gamma": 0.0},  # a round does not change the next one
        num_iterations=iterations,
        seed=seed,
        run_dir=None,
    )
    leader, follower = (results.policies[name] for name in ("leader", "follower"))
    choice = leader.compute_action(0)
    answer = FOLLOWER_PRICES[follower.compute_action(choice)]
    print(f"The leader asks {LEADER_PRICES[choice]}, and the follower then asks {answer}.")
    return LEADER_PRICES[choice], answer


if __name__ == "__main__":
    main()
