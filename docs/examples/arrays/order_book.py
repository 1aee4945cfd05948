"""A limit-order market with thousands of traders, cleared once in each step.

Each trader either wants to buy or to sell one unit, at a limit that is drawn around what it believes the unit
is worth. The exchange ranks bids from the highest price down and asks from the lowest price up. The k-th best
bid and ask trade, as long as the bid is at least the ask, all at one price: halfway between the last bid and
the last ask that trade.

    python docs/examples/arrays/order_book.py
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import phantom_arrays as pa
import phantom_core as ph


@ph.msg_payload()
class Order:
    """Who sends it wants to buy or to sell a unit, at this price or a better one."""

    is_bid: NDArray[np.bool_]
    limit: NDArray[np.float64]


@ph.msg_payload()
class Fill:
    """A unit changed hands at this price."""

    price: NDArray[np.float64]
    is_bid: NDArray[np.bool_]


class Traders(pa.Population):
    """Trade around what they believe, and learn from prices."""

    belief = pa.state(np.float64, lambda self: self.draw.normal(100.0, 5.0))
    units, cash = pa.state(np.int64), pa.state(np.float64)

    def generate_messages(self) -> pa.Messages:
        """Buy below the belief or sell above it, at random."""
        is_bid = self.draw.integers(2) == 1
        margin = self.draw.exponential(2.0)
        return self.send("exchange", Order(is_bid, self.belief + np.where(is_bid, -margin, margin)))

    @pa.handler(Fill)
    def settle(self, fills: pa.Messages) -> None:
        """Pay or be paid, and move the belief a little towards the price."""
        sign = np.where(fills.payload.is_bid, 1, -1)
        self.units += fills.total(sign)
        self.cash -= fills.total(sign * fills.payload.price)
        self.belief += 0.1 * fills.total(fills.payload.price - fills.of_receiver(self.belief))


class Exchange(pa.Population):
    """Matches bids and asks at one price."""

    price = pa.state(np.float64, 100.0)
    volume = pa.state(np.int64)

    @pa.handler(Order)
    def clear(self, orders: pa.Messages) -> list[pa.Messages]:
        """Fill the orders that trade."""
        is_bid, limit = orders.payload.is_bid, orders.payload.limit
        rank_of_bid = self.ranks(orders, is_bid, -limit)
        rank_of_ask = self.ranks(orders, ~is_bid, limit)
        size = len(orders.edges) + 1
        best_bids = np.full((self.num_rows, size), -np.inf)  # the k-th best bid and ask of each exchange
        best_asks = np.full((self.num_rows, size), np.inf)
        best_bids[orders.receivers[is_bid], rank_of_bid[is_bid]] = limit[is_bid]
        best_asks[orders.receivers[~is_bid], rank_of_ask[~is_bid]] = limit[~is_bid]
        self.volume = (best_bids >= best_asks).sum(1)
        last = np.maximum(self.volume - 1, 0)
        rows = np.arange(self.num_rows)
        trades = self.volume > 0
        self.price[trades] = ((best_bids[rows, last] + best_asks[rows, last]) / 2.0)[trades]
        rank = np.where(is_bid, rank_of_bid, rank_of_ask)
        filled = rank < orders.of_receiver(self.volume)
        return [orders.reply(Fill(orders.of_receiver(self.price), is_bid), where=filled)]

    @staticmethod
    def ranks(
        orders: pa.Messages, is_ranked: NDArray[np.bool_], key: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Return the rank of each order among those of its kind at its exchange, then by time."""
        order = np.lexsort((np.arange(len(key)), key, ~is_ranked, orders.receivers))
        rank = np.empty(len(key), np.int64)
        rank[order] = orders.edges.places  # edges are grouped by exchange, as this order is
        return rank


class OrderBookEnv(pa.ArrayEnv):
    """Traders and their exchange."""

    def __init__(self, num_traders: int = 5000, num_steps: int = 100) -> None:
        populations = [Traders("traders", num_traders), Exchange("exchange")]
        super().__init__(num_steps, populations, [pa.Link("traders", "exchange")])


def main(num_traders: int = 5000, num_steps: int = 100) -> float:
    """Play an episode; return the last price."""
    env = OrderBookEnv(num_traders, num_steps)
    env.reset(seed=1)
    volume = 0
    for _ in range(num_steps):
        env.step({})
        volume += int(env["exchange"].volume[0])
    traders, price = env["traders"], float(env["exchange"].price[0])
    assert traders.units.sum() == 0  # what is bought is sold
    assert abs(traders.cash.sum()) < 1e-6 * volume
    print(f"{volume:,} units changed hands in {num_steps} steps; the last price is {price:.2f}.")
    return price


if __name__ == "__main__":
    main()
