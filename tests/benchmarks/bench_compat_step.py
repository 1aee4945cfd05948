"""Speed of a program for Phantom 2.2.0 under phantom-compat, beside a loop without a framework.

    make bench

Both do the same: messages with checked connections, handlers by payload class, rounds, `np.random.randint`
in each customer, encoding and decoding in the shops. On one machine the predecessor made 11,862, 1,687,
142 and 115 steps per second in these cases, and such a loop 40,828, 5,936, 544 and 464: three times the
predecessor is 0.87, 0.85, 0.78 and 0.74 of the loop. The versions are measured in turn, in one process:
read the ratios. Time is the processor's, so that others on the machine disturb less.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import bare_supply_chain as bare
from predecessor_supply_chain import SupplyChainEnv

ROUNDS = 7
CASES = ((5, 1, 10_000, 0.872), (50, 1, 1_500, 0.853), (500, 1, 150, 0.783), (5, 100, 120, 0.744))
ORDER = np.array([20.0], np.float32)


class BareCustomer(bare.Customer):
    def generate_messages(self) -> list[tuple[str, Any]]:
        return [(self.shop_id, bare.OrderRequest(np.random.randint(5)))]  # noqa: NPY002  as programs did


class BareShop(bare.Shop):
    most = 25

    def act(self, action: Any) -> list[tuple[str, Any]]:
        return super().act(int(round(action[0])))  # noqa: RUF046  as programs did

    def encode(self) -> np.ndarray:
        shares = [self.stock / bare.MAX_STOCK, self.sales / self.most, self.missed_sales / self.most]
        return np.array(shares, dtype=np.float32)

    def reward(self) -> float:
        return self.sales - 0.1 * self.stock


class BareLoop(bare.BareSupplyChain):
    """The loop without a framework, with the agents of the program."""

    def __init__(self, customers_per_shop: int, num_shops: int) -> None:
        super().__init__(customers_per_shop, num_shops)
        for agents, kind in ((self.shops, BareShop), (self.customers, BareCustomer)):
            for agent in agents:
                agent.__class__ = kind
        for shop in self.shops:
            shop.handlers = {bare.OrderRequest: shop.sell, bare.StockResponse: shop.restock}

    def step(self, actions: dict[str, Any]) -> tuple[dict[str, Any], dict[str, float], bool]:
        self.step_count += 1
        queue: defaultdict[str, list[bare.Message]] = defaultdict(list)
        for shop in self.shops:
            for receiver_id, payload in shop.act(actions[shop.id]):
                self._send(queue, shop.id, receiver_id, payload)
        for customer in self.customers:
            for receiver_id, payload in customer.generate_messages():
                self._send(queue, customer.id, receiver_id, payload)
        for shop in self.shops:
            shop.sales = shop.missed_sales = 0
        while queue:
            batches, queue = queue, defaultdict(list)
            for agent_id, batch in batches.items():
                handlers = self.agents[agent_id].handlers
                for message in batch:
                    for receiver_id, payload in handlers[type(message.payload)](message) or ():
                        self._send(queue, agent_id, receiver_id, payload)
        observations = {shop.id: shop.encode() for shop in self.shops}
        rewards = {shop.id: shop.reward() for shop in self.shops}
        return observations, rewards, self.step_count == bare.NUM_STEPS


def play(env: SupplyChainEnv, num_steps: int) -> float:
    """Return steps per second of processor time, resets included."""
    actions = dict.fromkeys(env.strategic_agent_ids, ORDER)
    env.reset()
    start = time.process_time()
    for _ in range(num_steps):
        if env.step(actions).truncations["__all__"]:
            env.reset()
    return num_steps / (time.process_time() - start)


def play_bare(env: BareLoop, num_steps: int) -> float:
    """Return steps per second of processor time, resets included."""
    actions = {shop.id: ORDER for shop in env.shops}
    env.reset()
    start = time.process_time()
    for _ in range(num_steps):
        if env.step(actions)[2]:
            env.reset()
    return num_steps / (time.process_time() - start)


def measure(customers: int, shops: int, num_steps: int, needed: float) -> None:
    """Print the median rate of each version, and the median ratio of paired rounds."""
    program, loop = SupplyChainEnv(customers, shops), BareLoop(customers, shops)
    versions: dict[str, Callable[[], float]] = {
        "without a framework": lambda: play_bare(loop, num_steps),
        "phantom-compat": lambda: play(program, num_steps),
    }
    rates: dict[str, list[float]] = {name: [] for name in versions}
    for _ in range(ROUNDS):
        for name, run in versions.items():
            rates[name].append(run())
    for name, found in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(found, rates["without a framework"], strict=True)]
        print(
            f"{shops:>5} shops × {customers:>3} customers  {name:<20}"
            f"{statistics.median(found):>10,.0f} steps/s"
            f"   ratio {statistics.median(ratios):.2f}  [{min(ratios):.2f}, {max(ratios):.2f}]"
            f"   3 × predecessor: {needed:.2f}"
        )


if __name__ == "__main__":
    for case in CASES:
        measure(*case)
