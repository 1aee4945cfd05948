"""A supply chain: shops order stock from a factory and sell it to customers.

In each step the shop orders before it sees the step's demand, serves the demand from the stock in
hand, and then receives what it ordered. It earns 1 for each item sold and pays 0.1 for each item in
stock at the end of the step. The best any policy can earn with one shop and five customers is 818.02
per episode of 100 steps (computed by dynamic programming in the tests).

    phantom train docs/examples/supply_chain.toml
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph

NUM_STEPS = 100
MAX_STOCK = 100
MAX_DEMAND = 4
STORAGE_COST = 0.1


@ph.msg_payload(sender_type="CustomerAgent", receiver_type="ShopAgent")
class OrderRequest:
    """A customer wants to buy this many items."""

    size: int


@ph.msg_payload(sender_type="ShopAgent", receiver_type="CustomerAgent")
class OrderResponse:
    """The shop sells this many items to the customer."""

    size: int


@ph.msg_payload(sender_type="ShopAgent", receiver_type="FactoryAgent")
class StockRequest:
    """The shop wants this many items from the factory."""

    size: int


@ph.msg_payload(sender_type="FactoryAgent", receiver_type="ShopAgent")
class StockResponse:
    """The factory delivers this many items to the shop."""

    size: int


class FactoryAgent(ph.Agent):
    """Delivers whatever is ordered."""

    @ph.msg_handler(StockRequest)
    def deliver(self, ctx: ph.Context, message: ph.Message[StockRequest]) -> ph.MessageList:
        """Send as many items as were asked for."""
        return [(message.sender_id, StockResponse(message.payload.size))]


class CustomerAgent(ph.Agent):
    """Orders a random number of items from its shop in each step."""

    def __init__(self, agent_id: ph.AgentID, shop_id: ph.AgentID) -> None:
        super().__init__(agent_id)
        self.shop_id = shop_id

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
        """Order 0 to 4 items, each number as likely as the others."""
        return [(self.shop_id, OrderRequest(int(self.random.random() * (MAX_DEMAND + 1))))]

    @ph.msg_handler(OrderResponse)
    def receive(self, ctx: ph.Context, message: ph.Message[OrderResponse]) -> None:
        """Take the items home."""


class ShopAgent(ph.StrategicAgent):
    """Decides how much to order; observes its stock, sales and missed sales."""

    observation_space: gym.Space[Any] = gym.spaces.Box(0.0, 1.0, (3,), np.float32)
    action_space: gym.Space[Any] = gym.spaces.Box(0.0, MAX_STOCK, (1,), np.float32)

    def __init__(self, agent_id: ph.AgentID, factory_id: ph.AgentID, num_customers: int) -> None:
        super().__init__(agent_id)
        self.factory_id = factory_id
        self.max_sales = (MAX_DEMAND + 1) * num_customers
        self.stock = self.sales = self.missed_sales = 0

    def reset(self) -> None:
        """Start with an empty shop."""
        self.stock = self.sales = self.missed_sales = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        """Order the rounded action, as far as there is room for it now."""
        size = min(round(float(action[0])), MAX_STOCK - self.stock)
        return [(self.factory_id, StockRequest(size))]

    def pre_message_resolution(self, ctx: ph.Context) -> None:
        """Start counting the sales of this step."""
        self.sales = self.missed_sales = 0

    @ph.msg_handler(OrderRequest)
    def sell(self, ctx: ph.Context, message: ph.Message[OrderRequest]) -> ph.MessageList:
        """Sell what is wanted, as far as it is in stock."""
        sold = min(message.payload.size, self.stock)
        self.stock -= sold
        self.sales += sold
        self.missed_sales += message.payload.size - sold
        return [(message.sender_id, OrderResponse(sold))]

    @ph.msg_handler(StockResponse)
    def restock(self, ctx: ph.Context, message: ph.Message[StockResponse]) -> None:
        """Put the delivered items on the shelf."""
        self.stock += message.payload.size

    def encode_observation(self, ctx: ph.Context) -> Any:
        """Return stock, sales and missed sales, each as a share of the most there can be."""
        shares = (
            self.stock / MAX_STOCK,
            self.sales / self.max_sales,
            self.missed_sales / self.max_sales,
        )
        return np.array(shares, dtype=np.float32)

    def compute_reward(self, ctx: ph.Context) -> float:
        """Earn 1 for each item sold, pay for each item in stock."""
        return self.sales - STORAGE_COST * self.stock


class DiscreteShopAgent(ShopAgent):
    """The same shop for tabular learners: observes its stock level, orders 0 to 30 items."""

    observation_space = gym.spaces.Discrete(MAX_STOCK + 1)
    action_space = gym.spaces.Discrete(31)

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        """Order as many items as the action says, as far as there is room for them now."""
        return [(self.factory_id, StockRequest(min(int(action), MAX_STOCK - self.stock)))]

    def encode_observation(self, ctx: ph.Context) -> Any:
        """Return the stock level."""
        return self.stock


class SupplyChainEnv(ph.PhantomEnv):
    """One factory, some shops, and the customers of each shop."""

    shop_class: type[ShopAgent] = ShopAgent

    def __init__(self, customers_per_shop: int = 5, num_shops: int = 1) -> None:
        """Build the network; a single shop is called SHOP, several are SHOP1, SHOP2 and so on."""
        network = ph.Network([FactoryAgent("FACTORY")])
        for number in range(1, num_shops + 1):
            shop_id = "SHOP" if num_shops == 1 else f"SHOP{number}"
            network.add_agent(self.shop_class(shop_id, "FACTORY", customers_per_shop))
            network.add_connection(shop_id, "FACTORY")
            for customer in range(1, customers_per_shop + 1):
                customer_id = f"CUST{customer}" if num_shops == 1 else f"CUST{number}.{customer}"
                network.add_agent(CustomerAgent(customer_id, shop_id))
                network.add_connection(customer_id, shop_id)
        super().__init__(num_steps=NUM_STEPS, network=network)


class DiscreteSupplyChainEnv(SupplyChainEnv):
    """The supply chain for tabular learners."""

    shop_class = DiscreteShopAgent
