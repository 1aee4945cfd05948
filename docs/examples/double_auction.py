"""A double auction whose traders have no intelligence at all: how much of the gains from trade do they find?

The markets of Gode and Sunder (1993), "Allocative Efficiency of Markets with Zero-Intelligence Traders:
Market as a Partial Substitute for Individual Rationality", Journal of Political Economy 101(1), 119-137. Six
buyers and six sellers each have units to trade, one after the other: a buyer in order of value v, a seller in
order of cost c. In each step a trader who is drawn at random shouts a price, which is drawn as well:

    unconstrained (ZI-U)    a bid or an ask uniform on 1, …, 200;
    constrained (ZI-C)      a bid uniform on 1, …, v, an ask uniform on c, …, 200: nobody trades at a loss.

The highest bid and the lowest ask stand. When they cross, one unit is traded at the price of the earlier of
the two, and both are cancelled. Allocative efficiency is the surplus of the trades over the largest possible
one, with the values v₁ ≥ v₂ ≥ … and the costs c₁ ≤ c₂ ≤ … of all units:

    E = Σ (v - c) over the trades / Σᵢ max(0, vᵢ - cᵢ).

If all units are traded, whoever trades with whom, E = Σᵢ (vᵢ - cᵢ) / Σᵢ max(0, vᵢ - cᵢ). That is what
unconstrained traders come to, so it is the schedule that says how well they do: all is gained, or nothing.

    python docs/examples/double_auction.py       # a study of 8,400 periods: some minutes; needs matplotlib
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
import phantom_experiments as px

NUM_BUYERS = NUM_SELLERS = 6
MAX_PRICE = 200
NUM_TURNS = 2000


@dataclass(frozen=True)
class Schedule:
    """Demand and supply: what the units of each trader are worth or cost, in the order of trading.

    Attributes:
        values: the values of each buyer's units, the highest first.
        costs: the costs of each seller's units, the lowest first.
    """

    values: Sequence[Sequence[int]]
    costs: Sequence[Sequence[int]]

    @cached_property
    def margins(self) -> list[tuple[int, int]]:
        """The i-th highest value beside the i-th lowest cost, as long as both are there."""
        values = sorted((value for units in self.values for value in units), reverse=True)
        costs = sorted(cost for units in self.costs for cost in units)
        return list(zip(values, costs, strict=False))

    @cached_property
    def max_surplus(self) -> int:
        """The largest surplus that trades can have."""
        return sum(max(0, value - cost) for value, cost in self.margins)

    @cached_property
    def price(self) -> float:
        """The equilibrium price; if there are several, the one in their middle."""
        traded = [pair for pair in self.margins if pair[0] > pair[1]]
        left = self.margins[len(traded) :]
        low = max([cost for _, cost in traded[-1:]] + [value for value, _ in left[:1]])
        high = min([value for value, _ in traded[-1:]] + [cost for _, cost in left[:1]])
        return (low + high) / 2


def six(values: Sequence[int], costs: Sequence[int]) -> Schedule:
    """Return the schedule of six buyers alike and six sellers alike."""
    return Schedule([values] * NUM_BUYERS, [costs] * NUM_SELLERS)


SCHEDULES = {
    "all gain": six([150, 140, 130], [50, 60, 70]),
    "market 1": six([102, 97, 92, 87, 82, 77], [34, 46, 58, 70, 82, 94]),
    "market 2": six([117, 105, 93, 81, 69, 57], [49, 54, 59, 64, 69, 74]),
    "market 3": six([133, 95, 90], [90, 95, 100]),
    "market 4": six([180, 175, 170, 165, 160], [90, 142, 170, 190, 198]),
    "market 5": Schedule(
        [range(159 - 2 * number, 130, -6) for number in range(3)] + [[127] * 5] * 3,
        [range(99 + 2 * number, 128, 6) for number in range(3)] + [[131] * 5] * 3,
    ),
    "half lose": six([150, 60], [50, 160]),
}
"""Markets 1 to 4 are those of the paper, as others read them from the curves in its figures. Market 5 is
ours, in the way of the paper's: several traders have all their units just beyond the equilibrium price."""


@ph.msg_payload(sender_type="AuctioneerAgent", receiver_type="TraderAgent")
class Turn:
    """It is the receiver's turn to shout."""


@ph.msg_payload(sender_type="BuyerAgent", receiver_type="AuctioneerAgent")
class Bid:
    """The sender would buy a unit at this price."""

    price: int


@ph.msg_payload(sender_type="SellerAgent", receiver_type="AuctioneerAgent")
class Ask:
    """The sender would sell a unit at this price."""

    price: int


@ph.msg_payload(sender_type="AuctioneerAgent", receiver_type="TraderAgent")
class Trade:
    """The receiver traded its unit at this price."""

    price: int


class Quote(NamedTuple):
    """A bid or an ask that stands."""

    trader_id: ph.AgentID
    price: int


class AuctioneerAgent(ph.Agent):
    """Gives traders their turns, and keeps the book: the highest bid and the lowest ask."""

    def reset(self) -> None:
        """Begin with an empty book."""
        self.bid: Quote | None = None
        self.ask: Quote | None = None
        self.prices: list[int] = []

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
        """Draw a trader."""
        return [(self.random.choice(ctx.neighbour_ids), Turn())]

    @ph.msg_handler(Bid)
    def take_bid(self, ctx: ph.Context, message: ph.Message[Bid]) -> ph.MessageList:
        """Trade at the ask that stands; or let the bid stand, if it is the highest."""
        price = message.payload.price
        if self.ask is not None and price >= self.ask.price:
            return self.trade(message.sender_id, self.ask)
        if self.bid is None or price > self.bid.price:
            self.bid = Quote(message.sender_id, price)
        return []

    @ph.msg_handler(Ask)
    def take_ask(self, ctx: ph.Context, message: ph.Message[Ask]) -> ph.MessageList:
        """Trade at the bid that stands; or let the ask stand, if it is the lowest."""
        price = message.payload.price
        if self.bid is not None and price <= self.bid.price:
            return self.trade(message.sender_id, self.bid)
        if self.ask is None or price < self.ask.price:
            self.ask = Quote(message.sender_id, price)
        return []

    def trade(self, trader_id: ph.AgentID, earlier: Quote) -> ph.MessageList:
        """Tell both traders, and clear the book."""
        self.prices.append(earlier.price)
        self.bid = self.ask = None
        return [(trader_id, Trade(earlier.price)), (earlier.trader_id, Trade(earlier.price))]


class TraderAgent(ph.Agent):
    """Has units to trade, one after the other.

    Attributes:
        limits: what each unit is worth to a buyer, or costs a seller.
        is_constrained: whether it trades at no loss.
        num_traded: how many units were traded.
        profit: what the trades earned.
    """

    def __init__(self, agent_id: ph.AgentID, limits: Sequence[int], *, is_constrained: bool) -> None:
        super().__init__(agent_id)
        self.limits, self.is_constrained = tuple(limits), is_constrained

    def reset(self) -> None:
        """Begin with all units."""
        self.num_traded = self.profit = 0

    @property
    def limit(self) -> int | None:
        """The value or cost of the next unit; None if none is left."""
        return self.limits[self.num_traded] if self.num_traded < len(self.limits) else None


class BuyerAgent(TraderAgent):
    """Bids."""

    @ph.msg_handler(Turn)
    def shout(self, ctx: ph.Context, message: ph.Message[Turn]) -> ph.MessageList:
        """Bid any price, if constrained at most the value of the next unit."""
        if self.limit is None:
            return []
        highest = self.limit if self.is_constrained else MAX_PRICE
        return [(message.sender_id, Bid(self.random.randint(1, highest)))]

    @ph.msg_handler(Trade)
    def buy(self, ctx: ph.Context, message: ph.Message[Trade]) -> None:
        """Redeem the unit."""
        self.profit += self.limits[self.num_traded] - message.payload.price
        self.num_traded += 1


class SellerAgent(TraderAgent):
    """Asks."""

    @ph.msg_handler(Turn)
    def shout(self, ctx: ph.Context, message: ph.Message[Turn]) -> ph.MessageList:
        """Ask any price, if constrained at least the cost of the next unit."""
        if self.limit is None:
            return []
        lowest = self.limit if self.is_constrained else 1
        return [(message.sender_id, Ask(self.random.randint(lowest, MAX_PRICE)))]

    @ph.msg_handler(Trade)
    def sell(self, ctx: ph.Context, message: ph.Message[Trade]) -> None:
        """Pay the cost of the unit."""
        self.profit += message.payload.price - self.limits[self.num_traded]
        self.num_traded += 1


class DoubleAuctionEnv(ph.PhantomEnv):
    """A period of trading; it ends early when no trade that the rule allows would gain anything."""

    def __init__(
        self, schedule: str = "market 1", *, is_constrained: bool = True, num_turns: int = NUM_TURNS
    ) -> None:
        self.schedule, self.is_constrained = SCHEDULES[schedule], is_constrained
        values, costs = self.schedule.values, self.schedule.costs
        self.buyers = [
            BuyerAgent(f"BUYER{number}", units, is_constrained=is_constrained)
            for number, units in enumerate(values, 1)
        ]
        self.sellers = [
            SellerAgent(f"SELLER{number}", units, is_constrained=is_constrained)
            for number, units in enumerate(costs, 1)
        ]
        self.auctioneer = AuctioneerAgent("AUCTIONEER")
        traders = [*self.buyers, *self.sellers]
        network = ph.Network([self.auctioneer, *traders])
        network.add_connections_between(["AUCTIONEER"], [trader.id for trader in traders])
        super().__init__(num_turns, network)

    def is_terminated(self) -> bool:
        """Tell whether nothing is left to trade."""
        values = [buyer.limit for buyer in self.buyers if buyer.limit is not None]
        costs = [seller.limit for seller in self.sellers if seller.limit is not None]
        if not values or not costs:
            return True
        return self.is_constrained and max(values) <= min(costs)

    @property
    def efficiency(self) -> float:
        """The surplus of the trades so far, over the largest that there is."""
        return sum(trader.profit for trader in (*self.buyers, *self.sellers)) / self.schedule.max_surplus

    @property
    def prices(self) -> NDArray[np.float64]:
        """The prices of the trades so far, in their order; NaN for those that may follow."""
        prices = np.full(len(self.schedule.margins), np.nan)
        prices[: len(self.auctioneer.prices)] = self.auctioneer.prices
        return prices


RULES = {"constrained": {}, "unconstrained": {"is_constrained": False}}
COLOURS = {"constrained": "#0072b2", "unconstrained": "#d55e00"}


def draw_prices(ax: Any, look: Any, results: px.Results, schedule: str) -> None:
    """Draw the mean price of each trade of a period, with the middle nine tenths of the periods."""
    for rule, colour in COLOURS.items():
        prices = results.episodes.select(schedule=schedule, treatment=rule)["prices"]
        prices = prices[:, np.isfinite(prices).mean(axis=0) > 0.5]  # trades that most periods have
        low, high = np.nanquantile(prices, (0.05, 0.95), axis=0)
        trades = np.arange(1, prices.shape[1] + 1)
        ax.plot(trades, np.nanmean(prices, axis=0), color=colour, label=rule)
        ax.fill_between(trades, low, high, color=colour, alpha=look.band, linewidth=0)
    ax.axhline(SCHEDULES[schedule].price, color=look.ink, linewidth=0.8, linestyle=":", label="equilibrium")
    ax.set(title=f"price in {schedule}", xlabel="trade of the period", ylim=(0, MAX_PRICE))


def draw_efficiency(ax: Any, look: Any, results: px.Results) -> None:
    """Draw the mean efficiency of each schedule under each rule, with its interval over seeds."""
    found = results.summary(by=["schedule"], values="efficiency", quantiles=())
    for (rule, colour), size in zip(COLOURS.items(), (6, 3), strict=True):  # both are seen where they meet
        rows = list(found.select(treatment=rule))
        means, lows, highs = (np.array([100 * row[name] for row in rows]) for name in ("mean", "low", "high"))
        ax.errorbar(
            [row["schedule"] for row in rows], means, [means - lows, highs - means],
            color=colour, marker="o", markersize=size, linestyle="", capsize=2,
        )  # fmt: skip
    ax.axhline(100, color=look.ink, linewidth=0.8, linestyle=":")
    ax.set(title="allocative efficiency (%)", ylim=(-5, 105))


def picture(results: px.Results) -> px.Plot:
    """Return the figure of the study: prices in two markets above the efficiency in all of them."""

    def draw(figure: Any, look: Any) -> None:
        axes = figure.subplot_mosaic([["market 1", "market 4"], ["efficiency", "efficiency"]])
        draw_efficiency(axes.pop("efficiency"), look, results)
        for schedule, ax in axes.items():
            draw_prices(ax, look, results, schedule)
        handles, labels = axes["market 1"].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=3)

    return px.Plot(
        draw, title="Prices and efficiency of constrained and unconstrained traders", width=6.6, height=4.6
    )


def main(
    num_seeds: int = 100,
    num_periods: int = 6,
    workers: int = 2,
    out: str | Path | None = "double_auction_study.svg",
) -> px.Results:
    """Play some periods per seed of each schedule under both rules; print their efficiency, and draw it."""
    study = px.Study(
        DoubleAuctionEnv,
        vary=px.product(schedule=list(SCHEDULES)),
        treatments=RULES,
        seeds=num_seeds,
        episodes=num_periods,
        collect=px.collect(env=["efficiency", "prices"], reduce="last", steps=False),
    )
    results = study.simulate(workers=workers)
    print(results.summary(values="efficiency", quantiles=()))
    if out is not None:
        print(f"The figure is in {picture(results).write(out)}.")
    return results


if __name__ == "__main__":
    main()
