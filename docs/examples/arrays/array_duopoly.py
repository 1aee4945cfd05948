"""The pricing duopoly as an array world: two firms in each session, and a thousand sessions at once.

It is the model of `../pricing_duopoly.py` (Calvano, Calzolari, Denicolò and Pastorello 2020).

    python docs/examples/arrays/array_duopoly.py
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_arrays as pa
import phantom_core as ph

QUALITY, SPREAD, COST = 2.0, 0.25, 1.0
NUM_PRICES = 15


def profit(price: float, other: float) -> float:
    """Return what a firm earns in a period."""
    own, rival = (math.exp((QUALITY - p) / SPREAD) for p in (price, other))
    return (price - COST) * own / (own + rival + 1.0)


def price_where(count: int) -> float:
    """Return the price from which no firm gains by leaving it, if `count` of the two decide together."""
    low, high = COST, QUALITY + SPREAD
    while high - low > 1e-12:
        price = (low + high) / 2.0
        is_low = price - COST - count * profit(price, price) < SPREAD
        low, high = (price, high) if is_low else (low, price)
    return low


NASH, MONOPOLY = price_where(1), price_where(2)
PRICES = [NASH + (MONOPOLY - NASH) * (1.2 * n / (NUM_PRICES - 1) - 0.1) for n in range(NUM_PRICES)]
PROFITS = np.array([[profit(price, other) for other in PRICES] for price in PRICES])


@ph.msg_payload()
class Price:
    """The price that the sender charges in this period, as its number."""

    number: NDArray[np.int64]


class Firms(pa.StrategicPopulation):
    """Observe the prices of the last period: 15 × their own + the other's."""

    observation_space = gym.spaces.Discrete(NUM_PRICES**2)
    action_space = gym.spaces.Discrete(NUM_PRICES)
    price = pa.state(np.int64, lambda self: self.draw.integers(NUM_PRICES))
    rival_price = pa.state(np.int64, lambda self: self.price[self.starts[self.copy] + 1 - self.member])

    def __init__(self, name: str) -> None:
        super().__init__(name, 2)

    def decode_actions(self, actions: Any) -> pa.Messages:
        """Charge a price; the rival sees it."""
        self.price = actions
        return self.send(self.name, Price(self.price))

    @pa.handler(Price)
    def see(self, prices: pa.Messages) -> None:
        """Remember the rival's price."""
        prices.put(self.rival_price, prices.payload.number)

    def encode_observations(self) -> Any:
        """Return the number of the two prices."""
        return NUM_PRICES * self.price + self.rival_price

    def compute_rewards(self) -> Any:
        """Return the profit of the period."""
        return PROFITS[self.price, self.rival_price]


class ArrayDuopolyEnv(pa.ArrayEnv):
    """Two firms that meet for ever. The prices before the first period are drawn."""

    def __init__(self) -> None:
        super().__init__(None, [Firms("firms")], [pa.Link("firms", "firms")])

    @property
    def profit_gain(self) -> Any:
        """Δ of the last period in each session: 0 is what competitors earn, 1 what a cartel does."""
        firms = self["firms"]
        earned = firms.total(PROFITS[firms.price, firms.rival_price]) / 2.0
        return (earned - profit(NASH, NASH)) / (profit(MONOPOLY, MONOPOLY) - profit(NASH, NASH))


def main(sessions: int = 1000, periods: int = 100, seed: int = 1) -> float:
    """Let firms that draw their prices meet in many sessions; return the mean profit gain."""
    sessions_at_once = ph.make_vector_env(ArrayDuopolyEnv, sessions)
    policy = ph.RandomPolicy(Firms.observation_space, Firms.action_space)
    gains: list[float] = []

    class Gains(ph.Metric):
        def extract(self, env: Any) -> float:
            gains.append(env.profit_gain)
            return gains[-1]

    firms = dict.fromkeys([("firms", 0), ("firms", 1)], "firms")
    collector = ph.Collector(sessions_at_once, {"firms": policy}, firms, seed=seed, metrics={"gain": Gains()})
    collector.collect(ph.CollectPlan(steps=sessions * periods))
    found = float(np.mean(gains))
    print(f"In {sessions:,} sessions of {periods} periods random prices earn {found:.1%} of a cartel's gain.")
    return found


if __name__ == "__main__":
    main()
