"""Models written by hand in NumPy, for whom speed is all: the yardstick for the speed of array worlds."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_STEPS = 100
STORAGE_COST = 0.1


class BareArraySupplyChain:
    """B shops with N customers each, with one generator for all."""

    def __init__(self, num_customers: int, copies: int) -> None:
        self.size, self.max_stock = (copies, num_customers), 20 * num_customers
        self.most = 5 * num_customers
        self.rng = np.random.default_rng(1)
        self.reset()

    def reset(self) -> None:
        self.stock = np.zeros(self.size[0], np.int64)
        self.step_count = 0

    def step(self, actions: NDArray[np.float32]) -> tuple[Any, Any]:
        self.step_count += 1
        wanted = np.rint(actions[:, 0] * self.max_stock).astype(np.int64)
        ordered = np.minimum(wanted, self.max_stock - self.stock)
        demand = (self.rng.random(self.size) * 5).astype(np.int64)
        left = self.stock[:, None] - demand.cumsum(1)
        left += demand
        sold = np.minimum(np.maximum(left, 0, out=left), demand, out=left)
        sales = sold.sum(1)
        missed = demand.sum(1) - sales
        self.stock += ordered - sales
        shares = self.stock / self.max_stock, sales / self.most, missed / self.most
        observations = np.stack(shares, axis=1).astype(np.float32)
        rewards = (sales - STORAGE_COST * self.stock) / self.size[1]
        if self.step_count == NUM_STEPS:
            self.reset()
        return observations, rewards


class BareArrayDuopoly:
    """B sessions of two firms."""

    def __init__(self, sessions: int, profits: NDArray[np.float64]) -> None:
        self.profits = profits
        self.prices = np.random.default_rng(1).integers(15, size=(sessions, 2))

    def step(self, prices: NDArray[np.int64]) -> tuple[Any, Any]:
        self.prices = prices
        others = prices[:, ::-1]
        return 15 * prices + others, self.profits[prices, others]


class OnlineQ:
    """A table for each firm of each session; ε-greedy, with one generator for all."""

    def __init__(self, rows: int) -> None:
        self.tables = np.zeros((rows, 225, 15))
        self.rows, self.rng = np.arange(rows), np.random.default_rng(2)

    def act(self, seen: NDArray[np.int64], epsilon: float) -> NDArray[np.int64]:
        actions = self.tables[self.rows, seen].argmax(1)
        explores = self.rng.random(len(self.rows)) < epsilon
        random = (self.rng.random(len(self.rows)) * 15).astype(np.int64)
        return np.where(explores, random, actions)

    def learn(self, seen: Any, actions: Any, rewards: Any, following: Any) -> None:
        targets = rewards + 0.95 * self.tables[self.rows, following].max(1)
        old = self.tables[self.rows, seen, actions]
        self.tables[self.rows, seen, actions] = old + 0.15 * (targets - old)


class LoopQ:
    """One such table as lists, with the generator of Python."""

    def __init__(self, seed: int) -> None:
        self.table = [[0.0] * 15 for _ in range(225)]
        self.random = random.Random(seed).random  # noqa: S311  for simulations

    def act(self, place: int, epsilon: float) -> int:
        if self.random() < epsilon:
            return int(self.random() * 15)
        row = self.table[place]
        return row.index(max(row))

    def learn(self, place: int, action: int, reward: float, following: int) -> None:
        row = self.table[place]
        row[action] += 0.15 * (reward + 0.95 * max(self.table[following]) - row[action])
