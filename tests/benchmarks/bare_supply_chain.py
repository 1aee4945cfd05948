"""The supply chain without a framework: the yardstick for the speed of `PhantomEnv.step`.

It does the same work with the least code: message objects, a connection check for each message,
handlers chosen by payload class, rounds until nobody answers, the same random draws.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

NUM_STEPS = 100
MAX_STOCK = 100


@dataclass(slots=True)
class Message:
    sender_id: str
    receiver_id: str
    payload: Any


@dataclass(slots=True)
class OrderRequest:
    size: int


@dataclass(slots=True)
class OrderResponse:
    size: int


@dataclass(slots=True)
class StockRequest:
    size: int


@dataclass(slots=True)
class StockResponse:
    size: int


class Factory:
    def __init__(self, agent_id: str) -> None:
        self.id = agent_id
        self.handlers = {StockRequest: self.deliver}

    def deliver(self, message: Message) -> list[tuple[str, Any]]:
        return [(message.sender_id, StockResponse(message.payload.size))]


class Customer:
    def __init__(self, agent_id: str, shop_id: str, rng: random.Random) -> None:
        self.id, self.shop_id, self.random = agent_id, shop_id, rng
        self.handlers = {OrderResponse: self.receive}

    def generate_messages(self) -> list[tuple[str, Any]]:
        return [(self.shop_id, OrderRequest(int(self.random.random() * 5)))]

    def receive(self, message: Message) -> None:
        pass


class Shop:
    def __init__(self, agent_id: str, factory_id: str) -> None:
        self.id, self.factory_id = agent_id, factory_id
        self.handlers = {OrderRequest: self.sell, StockResponse: self.restock}
        self.stock = self.sales = self.missed_sales = 0

    def act(self, action: int) -> list[tuple[str, Any]]:
        return [(self.factory_id, StockRequest(min(action, MAX_STOCK - self.stock)))]

    def sell(self, message: Message) -> list[tuple[str, Any]]:
        sold = min(message.payload.size, self.stock)
        self.stock -= sold
        self.sales += sold
        self.missed_sales += message.payload.size - sold
        return [(message.sender_id, OrderResponse(sold))]

    def restock(self, message: Message) -> None:
        self.stock += message.payload.size


class BareSupplyChain:
    """Shops, customers and a factory; `step` returns observation and reward of each shop."""

    def __init__(self, customers_per_shop: int = 5, num_shops: int = 1) -> None:
        self.agents: dict[str, Any] = {"FACTORY": Factory("FACTORY")}
        self.edges: set[tuple[str, str]] = set()
        self.shops: list[Shop] = []
        self.customers: list[Customer] = []
        for number in range(num_shops):
            shop = Shop(f"SHOP{number}", "FACTORY")
            self.shops.append(shop)
            self._add(shop, "FACTORY")
            for customer in range(customers_per_shop):
                rng = random.Random(customer)  # noqa: S311
                self.customers.append(Customer(f"CUST{number}.{customer}", shop.id, rng))
                self._add(self.customers[-1], shop.id)
        self.step_count = 0

    def _add(self, agent: Any, neighbour_id: str) -> None:
        self.agents[agent.id] = agent
        self.edges |= {(agent.id, neighbour_id), (neighbour_id, agent.id)}

    def reset(self) -> None:
        self.step_count = 0
        for shop in self.shops:
            shop.stock = 0
        for number, customer in enumerate(self.customers):
            customer.random.seed(number)

    def step(self, action: int) -> tuple[dict[str, int], dict[str, float], bool]:
        self.step_count += 1
        queue: defaultdict[str, list[Message]] = defaultdict(list)
        for shop in self.shops:
            shop.sales = shop.missed_sales = 0
            for receiver_id, payload in shop.act(action):
                self._send(queue, shop.id, receiver_id, payload)
        for customer in self.customers:
            for receiver_id, payload in customer.generate_messages():
                self._send(queue, customer.id, receiver_id, payload)
        while queue:
            batches, queue = queue, defaultdict(list)
            for agent_id, batch in batches.items():
                handlers = self.agents[agent_id].handlers
                for message in batch:
                    for receiver_id, payload in handlers[type(message.payload)](message) or ():
                        self._send(queue, agent_id, receiver_id, payload)
        observations = {shop.id: shop.stock for shop in self.shops}
        rewards = {shop.id: shop.sales - 0.1 * shop.stock for shop in self.shops}
        return observations, rewards, self.step_count == NUM_STEPS

    def _send(
        self, queue: defaultdict[str, list[Message]], sender_id: str, receiver_id: str, payload: Any
    ) -> None:
        if (sender_id, receiver_id) not in self.edges:
            raise KeyError((sender_id, receiver_id))
        queue[receiver_id].append(Message(sender_id, receiver_id, payload))
