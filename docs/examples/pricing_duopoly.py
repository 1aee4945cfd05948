"""Two firms whose prices are set by Q-learning: do they learn to keep them high?

The duopoly of Calvano, Calzolari, Denicolò and Pastorello (2020), "Artificial intelligence, algorithmic
pricing, and collusion", American Economic Review 110(10), 3267-3297. In each period both firms set a price.
Demand is logit, and a firm earns (p - c) q(p) with

    q(p) = exp((a - p) / μ) / (Σ exp((a - p′) / μ) + exp(a₀ / μ)),      a = 2, a₀ = 0, μ = 1/4, c = 1.

Each sees the prices of the last period. Competing firms would charge p_N = 1.473, a cartel p_M = 1.925. How
far the two get from the first to the second is the profit gain Δ = (π - π_N) / (π_M - π_N).

    python docs/examples/pricing_duopoly.py      # a session takes about two minutes
    phantom train docs/examples/pricing_duopoly.toml
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import gymnasium as gym

import phantom_core as ph
from phantom_qlearning import QTablePolicy

QUALITY, OUTSIDE, SPREAD, COST = 2.0, 0.0, 0.25, 1.0
NUM_PRICES, MARGIN, DISCOUNT = 15, 0.1, 0.95


def profit(price: float, other: float) -> float:
    """Return what a firm earns in a period."""
    own, rival = (math.exp((QUALITY - p) / SPREAD) for p in (price, other))
    return (price - COST) * own / (own + rival + math.exp(OUTSIDE / SPREAD))


def price_where(count: int) -> float:
    """Return the price from which no firm gains by leaving it, if `count` of the two decide together.

    The first-order condition is (p - c) (1 - count q(p)) = μ: for 1 the equilibrium, for 2 the cartel.
    """
    low, high = COST, QUALITY + SPREAD
    while high - low > 1e-12:
        price = (low + high) / 2.0
        is_low = price - COST - count * profit(price, price) < SPREAD
        low, high = (price, high) if is_low else (low, price)
    return low


NASH, MONOPOLY = price_where(1), price_where(2)
STEP = (1.0 + 2.0 * MARGIN) * (MONOPOLY - NASH) / (NUM_PRICES - 1)
PRICES = [NASH - MARGIN * (MONOPOLY - NASH) + STEP * n for n in range(NUM_PRICES)]
PROFITS = [[profit(price, other) for other in PRICES] for price in PRICES]
FIRST_VALUES = [sum(row) / NUM_PRICES / (1.0 - DISCOUNT) for row in PROFITS]
"""What each price earns for ever against a rival who draws its price."""


@ph.msg_payload()
class Price:
    """The price that the sender charges in this period, as its number."""

    number: int


class FirmAgent(ph.StrategicAgent):
    """Observes the prices of the last period: 15 × its own + the other's."""

    observation_space = gym.spaces.Discrete(NUM_PRICES**2)
    action_space = gym.spaces.Discrete(NUM_PRICES)

    def __init__(self, agent_id: ph.AgentID, rival_id: ph.AgentID) -> None:
        super().__init__(agent_id)
        self.rival_id = rival_id
        self.price = self.rival_price = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        """Charge a price; the rival sees it."""
        self.price = int(action)
        return [(self.rival_id, Price(self.price))]

    @ph.msg_handler(Price)
    def see(self, ctx: ph.Context, message: ph.Message[Price]) -> None:
        """Remember the rival's price."""
        self.rival_price = message.payload.number

    def encode_observation(self, ctx: ph.Context) -> int:
        """Return the number of the two prices."""
        return NUM_PRICES * self.price + self.rival_price

    def compute_reward(self, ctx: ph.Context) -> float:
        """Return the profit of the period."""
        return PROFITS[self.price][self.rival_price]


class DuopolyEnv(ph.PhantomEnv):
    """Two firms that meet for ever. The prices before the first period are drawn."""

    saves_episodes = True  # a run that is resumed need not play millions of periods again

    def __init__(self) -> None:
        network = ph.Network([FirmAgent("ANN", "BOB"), FirmAgent("BOB", "ANN")])
        network.add_connection("ANN", "BOB")
        super().__init__(None, network)

    def on_reset(self) -> None:
        """Draw the prices that both see first."""
        ann, bob = self["ANN"], self["BOB"]
        ann.price = bob.rival_price = int(self.rng.integers(NUM_PRICES))
        bob.price = ann.rival_price = int(self.rng.integers(NUM_PRICES))

    def state_dict(self) -> dict[str, Any]:
        """Return the prices of the last period."""
        return {"prices": [self["ANN"].price, self["BOB"].price]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the last period have had these prices."""
        ann, bob = self["ANN"], self["BOB"]
        ann.price, bob.price = bob.rival_price, ann.rival_price = state["prices"]

    @property
    def profit_gain(self) -> float:
        """Δ of the last period: 0 if the firms earned as much as competitors do, 1 as much as a cartel."""
        ann, bob = self["ANN"].price, self["BOB"].price
        earned = (PROFITS[ann][bob] + PROFITS[bob][ann]) / 2.0
        competing, together = profit(NASH, NASH), profit(MONOPOLY, MONOPOLY)
        return (earned - competing) / (together - competing)


class PriceTable(QTablePolicy):
    """A table that begins with `FIRST_VALUES` in each row."""

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, action_space)
        self.table = [list(FIRST_VALUES) for _ in self.table]


def main(
    iterations: int = 1000, seed: int = 1, stable_steps: float = 100_000, decay_rate: float = 4e-6
) -> float:
    """Let both learn until no greedy action changed for a while; return the profit gain of their play then.

    An iteration is 10,000 periods. In period t a firm draws its price with probability exp(-decay_rate t).
    """
    results = ph.train(
        "q-learning",
        env=DuopolyEnv,
        policies={
            "ann": ph.PolicySpec(agents=["ANN"], policy=PriceTable, train=True),
            "bob": ph.PolicySpec(agents=["BOB"], policy=PriceTable, train=True),
        },
        trainer_config={
            "alpha": 0.15,
            "alpha_final": 0.15,
            "gamma": DISCOUNT,
            "epsilon_final": 0.0,
            "decay_rate": decay_rate,
            "steps_per_iteration": 10_000,
        },
        hooks=["early-stopping"],
        hook_config={
            "early-stopping": {"quantity": "stable_steps", "threshold": stable_steps, "patience": None}
        },
        metrics={"profit_gain": ph.metrics.SimpleEnvMetric("profit_gain", eval_reduce_action="mean")},
        evaluation=ph.EvaluationPlan(episodes=1, max_steps=1000),
        num_iterations=iterations,
        seed=seed,
        run_dir=None,
    )
    assert results.evaluation is not None
    (gain,) = results.evaluation.metrics["profit_gain"]
    periods = f"{results.env_steps:,} periods"
    print(f"After {periods} the firms earn {gain:.0%} of what a cartel would add to competitive profits.")
    return float(gain)


if __name__ == "__main__":
    main()
