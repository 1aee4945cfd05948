"""The supply chain as a program for Phantom 2.2.0 writes it; it runs unchanged under phantom-compat."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

import phantom as ph

NUM_STEPS = 100
MAX_STOCK = 100
MAX_ORDER = 5


@ph.msg_payload("CustomerAgent", "ShopAgent")
class OrderRequest:
    size: int


@ph.msg_payload("ShopAgent", "CustomerAgent")
class OrderResponse:
    size: int


@ph.msg_payload("ShopAgent", "FactoryAgent")
class StockRequest:
    size: int


@ph.msg_payload("FactoryAgent", "ShopAgent")
class StockResponse:
    size: int


class FactoryAgent(ph.Agent):
    @ph.agents.msg_handler(StockRequest)
    def handle_stock_request(self, ctx: ph.Context, message: ph.Message[StockRequest]) -> list[Any]:
        return [(message.sender_id, StockResponse(message.payload.size))]


class CustomerAgent(ph.Agent):
    def __init__(self, agent_id: str, shop_id: str) -> None:
        super().__init__(agent_id)
        self.shop_id = shop_id

    @ph.agents.msg_handler(OrderResponse)
    def handle_order_response(self, ctx: ph.Context, message: ph.Message[OrderResponse]) -> None:
        return

    def generate_messages(self, ctx: ph.Context) -> list[Any]:
        return [(self.shop_id, OrderRequest(np.random.randint(MAX_ORDER)))]  # noqa: NPY002  as programs did


class ShopAgent(ph.StrategicAgent):
    def __init__(self, agent_id: str, factory_id: str, num_customers: int) -> None:
        super().__init__(agent_id)
        self.factory_id = factory_id
        self.most = MAX_ORDER * num_customers
        self.stock = self.sales = self.missed_sales = 0
        self.observation_space = gym.spaces.Box(0.0, 1.0, (3,))
        self.action_space = gym.spaces.Box(0.0, MAX_STOCK, (1,))

    def pre_message_resolution(self, ctx: ph.Context) -> None:
        self.sales = self.missed_sales = 0

    @ph.agents.msg_handler(OrderRequest)
    def handle_order_request(self, ctx: ph.Context, message: ph.Message[OrderRequest]) -> list[Any]:
        wanted = message.payload.size
        sold = min(wanted, self.stock)
        self.sales += sold
        self.missed_sales += wanted - sold
        self.stock -= sold
        return [(message.sender_id, OrderResponse(sold))]

    @ph.agents.msg_handler(StockResponse)
    def handle_stock_response(self, ctx: ph.Context, message: ph.Message[StockResponse]) -> None:
        self.stock = min(self.stock + message.payload.size, MAX_STOCK)

    def encode_observation(self, ctx: ph.Context) -> np.ndarray:
        shares = [self.stock / MAX_STOCK, self.sales / self.most, self.missed_sales / self.most]
        return np.array(shares, dtype=np.float32)

    def decode_action(self, ctx: ph.Context, action: np.ndarray) -> list[Any]:
        return [(self.factory_id, StockRequest(min(int(round(action[0])), MAX_STOCK - self.stock)))]  # noqa: RUF046  as programs did

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.sales - 0.1 * self.stock

    def reset(self) -> None:
        self.stock = 0


class SupplyChainEnv(ph.PhantomEnv):
    def __init__(self, n_customers: int = 5, n_shops: int = 1) -> None:
        network = ph.Network([FactoryAgent("WAREHOUSE")])
        for shop in range(n_shops):
            network.add_agent(ShopAgent(f"SHOP{shop}", "WAREHOUSE", n_customers))
            network.add_connection(f"SHOP{shop}", "WAREHOUSE")
            customers = [f"CUST{shop}.{number}" for number in range(n_customers)]
            network.add_agents([CustomerAgent(customer, f"SHOP{shop}") for customer in customers])
            network.add_connections_between([f"SHOP{shop}"], customers)
        super().__init__(num_steps=NUM_STEPS, network=network)
