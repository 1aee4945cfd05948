"""The supply chain with thousands of customers, as arrays.

It is the model of `../supply_chain.py`, with the action and the reward as shares: with the same draws both
give the same observations, rewards and messages.

    python docs/examples/arrays/array_supply_chain.py
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


@ph.msg_payload()
class OrderRequest:
    """Customers want to buy this many items."""

    size: NDArray[np.int64]


@ph.msg_payload()
class OrderResponse:
    """The shop sells this many items to them."""

    size: NDArray[np.int64]


@ph.msg_payload()
class StockRequest:
    """The shop wants this many items from the factory."""

    size: NDArray[np.int64]


@ph.msg_payload()
class StockResponse:
    """The factory delivers this many items to the shop."""

    size: NDArray[np.int64]


class Factory(pa.Population):
    """Delivers whatever is ordered."""

    @pa.handler(StockRequest)
    def deliver(self, requests: pa.Messages) -> pa.Messages:
        """Send as many items as were asked for."""
        return requests.reply(StockResponse(requests.payload.size))


class Customers(pa.Population):
    """Order a random number of items in each step."""

    def generate_messages(self) -> pa.Messages:
        """Order 0 to 4 items, each number as likely as the others."""
        return self.send("SHOP", OrderRequest(self.draw.integers(MAX_DEMAND + 1)))

    @pa.handler(OrderResponse)
    def receive(self, responses: pa.Messages) -> None:
        """Take the items home."""


class Shop(pa.StrategicPopulation):
    """Decides how much to order; observes its stock, sales and missed sales."""

    observation_space = gym.spaces.Box(0.0, 1.0, (3,), np.float32)
    action_space: gym.Space[Any] = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
    max_stock, num_customers = pa.parameter(np.int64), pa.parameter(np.int64)
    stock, sales, missed_sales = pa.state(np.int64), pa.state(np.int64), pa.state(np.int64)

    def __init__(self, name: str, num_customers: int, max_stock: int) -> None:
        super().__init__(name)
        self.num_customers, self.max_stock = num_customers, max_stock

    def decode_actions(self, actions: Any) -> pa.Messages:
        """Order a share of the shelf, as far as there is room for it now."""
        wanted = np.rint(actions[:, 0] * self.max_stock).astype(np.int64)
        return self.send("FACTORY", StockRequest(np.minimum(wanted, self.max_stock - self.stock)))

    @pa.handler(OrderRequest)
    def sell(self, orders: pa.Messages) -> pa.Messages:
        """Sell what is wanted, as far as it is in stock."""
        sold = orders.ration(orders.payload.size, self.stock)
        self.sales = orders.total(sold)
        self.missed_sales = orders.total(orders.payload.size) - self.sales
        self.stock -= self.sales
        return orders.reply(OrderResponse(sold))

    @pa.handler(StockResponse)
    def restock(self, responses: pa.Messages) -> None:
        """Put the delivered items on the shelf."""
        self.stock += responses.total(responses.payload.size)

    def encode_observations(self) -> Any:
        """Return stock, sales and missed sales, each as a share of the most there can be."""
        most = (MAX_DEMAND + 1) * self.num_customers
        shares = self.stock / self.max_stock, self.sales / most, self.missed_sales / most
        return np.stack(shares, axis=1).astype(np.float32)

    def compute_rewards(self) -> Any:
        """Earn 1 for each item sold, pay for each item in stock; all divided by the number of customers."""
        return (self.sales - STORAGE_COST * self.stock) / self.num_customers


class ArraySupplyChainEnv(pa.ArrayEnv):
    """One factory, one shop and its customers."""

    def __init__(self, num_customers: int = 10_000, max_stock: int | None = None) -> None:
        shop = Shop("SHOP", num_customers, 20 * num_customers if max_stock is None else max_stock)
        populations = [Factory("FACTORY"), shop, Customers("CUST", num_customers)]
        links = [pa.Link("SHOP", "FACTORY"), pa.Link("CUST", "SHOP")]
        super().__init__(NUM_STEPS, populations, links)


def main(iterations: int = 30, num_customers: int = 10_000) -> float:
    """Train the shop with ppo; return its mean return in ten episodes."""
    results = ph.train(
        "ppo",
        env=ArraySupplyChainEnv,
        env_config={"num_customers": num_customers},
        policies={"shop": ["SHOP"]},
        num_iterations=iterations,
        evaluation=ph.EvaluationPlan(episodes=10),
        seed=1,
        run_dir=None,
    )
    assert results.evaluation is not None
    found = results.evaluation.mean_return
    print(f"The shop earns {found:.1f} per customer and episode.")
    return found


if __name__ == "__main__":
    main()
