"""A shop with ten thousand customers: one population among agents that are objects.

It is the supply chain of `../supply_chain.py`, with the action and the reward as shares. The shop and the
factory are objects of a `ph.PhantomEnv`. The customers are arrays, and one agent of the network: what all of
them order in a step is one message, and so is what the shop answers.

    phantom train docs/examples/arrays/crowded_shop.toml
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_arrays as pa
import phantom_core as ph

NUM_STEPS = 100
MAX_DEMAND = 4
STORAGE_COST = 0.1


class Orders(pa.Columns):
    """Customers want to buy so many items each."""

    size: NDArray[np.int64]


class Sales(pa.Columns):
    """The shop sells so many items to each of them."""

    size: NDArray[np.int64]


@ph.msg_payload()
class StockRequest:
    """The shop wants this many items from the factory."""

    size: int


@ph.msg_payload()
class StockResponse:
    """The factory delivers this many items to the shop."""

    size: int


class Factory(ph.Agent):
    """Delivers whatever is ordered."""

    @ph.msg_handler(StockRequest)
    def deliver(self, ctx: ph.Context, message: ph.Message[StockRequest]) -> ph.MessageList:
        """Send as many items as were asked for."""
        return [(message.sender_id, StockResponse(message.payload.size))]


class Customers(pa.Population):
    """Most of them order a few items in a step."""

    bought = pa.state(np.int64)

    def generate_messages(self) -> pa.Messages:
        """Order 0 to 4 items, each number as likely as the others; who wants none sends nothing."""
        sizes = self.draw.integers(MAX_DEMAND + 1)
        return self.send("SHOP", Orders(sizes), where=sizes > 0)

    @pa.handler(Sales)
    def receive(self, sales: pa.Messages) -> None:
        """Take the items home."""
        self.bought += sales.total(sales.payload.size)


class CrowdedShop(ph.StrategicAgent):
    """Decides how much to order; observes its stock, sales and missed sales."""

    observation_space = gym.spaces.Box(0.0, 1.0, (3,), np.float32)
    action_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)

    def __init__(self, agent_id: ph.AgentID, num_customers: int, max_stock: int) -> None:
        super().__init__(agent_id)
        self.num_customers, self.max_stock = num_customers, max_stock
        self.stock = self.sales = self.missed_sales = 0

    def reset(self) -> None:
        """Start with an empty shop."""
        self.stock = self.sales = self.missed_sales = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        """Order a share of the shelf, as far as there is room for it now."""
        self.sales = self.missed_sales = 0
        wanted = round(float(action[0]) * self.max_stock)
        return [("FACTORY", StockRequest(min(wanted, self.max_stock - self.stock)))]

    @ph.msg_handler(Orders)
    def sell(self, ctx: ph.Context, message: ph.Message[Orders]) -> ph.MessageList:
        """Serve the customers one after the other, as far as the stock goes."""
        orders = message.payload
        earlier = orders.size.cumsum() - orders.size
        sold = np.clip(self.stock - earlier, 0, orders.size)
        self.sales = int(sold.sum())
        self.missed_sales = int(orders.size.sum()) - self.sales
        self.stock -= self.sales
        return [(message.sender_id, Sales(sold, member=orders.member))]

    @ph.msg_handler(StockResponse)
    def restock(self, ctx: ph.Context, message: ph.Message[StockResponse]) -> None:
        """Put the delivered items on the shelf."""
        self.stock += message.payload.size

    def encode_observation(self, ctx: ph.Context) -> Any:
        """Return stock, sales and missed sales, each as a share of the most there can be."""
        most = (MAX_DEMAND + 1) * self.num_customers
        return np.array(
            (self.stock / self.max_stock, self.sales / most, self.missed_sales / most), np.float32
        )

    def compute_reward(self, ctx: ph.Context) -> float:
        """Earn 1 for each item sold, pay for each item in stock; all divided by the number of customers."""
        return (self.sales - STORAGE_COST * self.stock) / self.num_customers


class CrowdedShopEnv(ph.PhantomEnv):
    """One factory, one shop and its customers."""

    def __init__(self, num_customers: int = 10_000, max_stock: int | None = None) -> None:
        max_stock = 20 * num_customers if max_stock is None else max_stock
        shop = CrowdedShop("SHOP", num_customers, max_stock)
        customers = pa.PopulationAgent(Customers("customers", num_customers))
        connections = [("SHOP", "FACTORY"), ("SHOP", "customers")]
        network = ph.Network([Factory("FACTORY"), shop, customers], connections=connections)
        super().__init__(NUM_STEPS, network)
