"""The pricing duopoly as an array world: two firms that learn, in a thousand sessions at once.

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
from phantom_qlearning import SessionTablesPolicy

QUALITY, SPREAD, COST = 2.0, 0.25, 1.0
NUM_PRICES = 15
DISCOUNT = 0.95


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


def learned(sessions: int, periods: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Let both firms learn in many sessions; return what each does in the end: [sessions, observations].

    The settings are those of Calvano and others, but for ε: it is exp(−10) after so many periods.
    """
    uniform_rival = np.tile(PROFITS.mean(1) / (1.0 - DISCOUNT), (NUM_PRICES**2, 1))
    results = ph.train(
        "q-learning",
        env=ArrayDuopolyEnv,
        policies={
            name: ph.PolicySpec(agents=[("firms", number)], config={"initial_value": uniform_rival})
            for number, name in enumerate(("first", "second"))
        },
        trainer_config={
            "sessions": sessions,
            "steps_per_iteration": min(1000, periods),
            "sessions_end_after": 100_000,
            "alpha": 0.15,
            "alpha_final": 0.15,
            "gamma": DISCOUNT,
            "epsilon_final": 0.0,
            "decay_rate": 10.0 / periods,
        },
        total_steps=sessions * periods,
        seed=seed,
        run_dir=None,
    )
    first, second = (results.policies[name] for name in ("first", "second"))
    assert isinstance(first, SessionTablesPolicy)
    assert isinstance(second, SessionTablesPolicy)
    return first.greedy, second.greedy


def limit_gains(first: NDArray[np.int64], second: NDArray[np.int64], periods: int = 1000) -> Any:
    """Return Δ of each session if both do for ever what they learned: the mean over so many periods."""
    sessions = np.arange(len(first))
    own = other = np.zeros(len(first), np.int64)
    earned = np.zeros(len(first))
    for _ in range(periods):
        own, other = (
            first[sessions, NUM_PRICES * own + other],
            second[sessions, NUM_PRICES * other + own],
        )
        earned += (PROFITS[own, other] + PROFITS[other, own]) / 2.0
    nash, cartel = profit(NASH, NASH), profit(MONOPOLY, MONOPOLY)
    return (earned / periods - nash) / (cartel - nash)


def main(sessions: int = 1000, periods: int = 50_000, seed: int = 1) -> float:
    """Let firms learn in many sessions; return the mean profit gain of what they do in the end."""
    gains = limit_gains(*learned(sessions, periods, seed))
    low, high = np.quantile(gains, [0.05, 0.95])
    print(
        f"After {periods:,} periods in {sessions:,} sessions the firms gain {gains.mean():.0%} of what a "
        f"cartel does; nine sessions of ten gain {low:.0%} to {high:.0%}."
    )
    return float(gains.mean())


if __name__ == "__main__":
    main()
