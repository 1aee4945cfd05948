"""The examples run, learn what theory says, and their known answers hold by hand and by enumeration."""

import contextlib
import io
import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_core as ph
import phantom_experiments as px

LoadExample = Callable[[str], ModuleType]

LEARNING: dict[str, dict[str, Any]] = {
    "competing_shops": {"iterations": 40},
    "dealer_market": {"iterations": 200},
    "digital_ads": {},
    "pricing_duopoly": {"iterations": 10, "decay_rate": 1e-3, "stable_steps": 5_000},
    "repeated_dilemma": {},
    "stackelberg_pricing": {"iterations": 60},
}
"""With what each is run, once: enough to learn what theory says."""


def play(env: ph.PhantomEnv, *rows: dict[str, Any], seed: int = 1) -> list[ph.StepResult]:
    env.reset(seed)
    return [env.step(row) for row in rows]


class Run(NamedTuple):
    """What running an example returned and printed."""

    found: Any
    said: str


@pytest.fixture(scope="module")
def run(example: LoadExample) -> Callable[[str], Run]:
    """Run an example by its name, once."""

    @cache
    def run(name: str) -> Run:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            return Run(example(name).main(**LEARNING[name]), said.getvalue())

    return run


@pytest.mark.parametrize("name", LEARNING)
def test_an_example_runs_and_says_what_it_found(name: str, run: Callable[[str], Run]) -> None:
    assert run(name).found is not None
    assert run(name).said


def test_every_example_is_explained_beside_a_picture_of_its_network(repository: Path) -> None:
    page = (repository / "docs/explanation/examples.md").read_text(encoding="utf-8")
    names = sorted(path.stem for path in (repository / "docs/examples").glob("*.py"))
    assert [name for name in names if f"(../examples/{name}.py)" not in page] == []
    assert [name for name in names if f"(../images/{name}.svg)" not in page] == []


@pytest.mark.parametrize("page", ["docs/explanation/examples.md", "docs/explanation/the_step_pipeline.md"])
def test_every_picture_of_a_page_is_there_and_has_both_colour_schemes(page: str, repository: Path) -> None:
    text = (repository / page).read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert pictures
    for picture in pictures:
        drawing = ((repository / page).parent / picture).read_text(encoding="utf-8")
        assert "prefers-color-scheme: dark" in drawing
        assert "<title>" in drawing


# ---------------------------------------------------------------------- Stackelberg pricing


def profits(own: int, other: int) -> tuple[int, int]:
    """Return what a shop and its rival earn."""
    return own * max(0, 4 - own + other), other * max(0, 4 - other + own)


def test_leader_and_follower_learn_the_equilibrium_of_the_grid(
    example: LoadExample, run: Callable[[str], Run]
) -> None:
    module = example("stackelberg_pricing")

    def answer(price: int) -> int:
        return max(module.FOLLOWER_PRICES, key=lambda own: profits(own, price)[0])

    best = max(module.LEADER_PRICES, key=lambda price: profits(price, answer(price))[0])
    assert (best, answer(best), profits(best, answer(best))) == (6, 5, (18, 25))
    assert run("stackelberg_pricing").found == (best, answer(best))


@given(leader=st.integers(0, 6), follower=st.integers(0, 12))
def test_both_earn_what_the_prices_say(example: LoadExample, leader: int, follower: int) -> None:
    module = example("stackelberg_pricing")
    env = module.StackelbergPricingEnv()
    env.num_steps = 2
    *_, last = play(env, {"LEADER": leader}, {"FOLLOWER": follower})
    own, other = profits(module.LEADER_PRICES[leader], module.FOLLOWER_PRICES[follower])
    assert last.rewards == {"LEADER": own, "FOLLOWER": other}


# ---------------------------------------------------------------------- the repeated dilemma


def test_tit_for_tat_and_a_defector_earn_what_one_counts_by_hand(example: LoadExample) -> None:
    module = example("repeated_dilemma")
    spaces = module.PlayerAgent.observation_space, module.PlayerAgent.action_space
    policies = {
        "nice": ph.FunctionPolicy(*spaces, function=module.tit_for_tat),
        "nasty": ph.ConstantPolicy(*spaces, action=1),
    }
    assert module.play(policies, "nice", "nice") == (30.0, 30.0)
    assert module.play(policies, "nasty", "nasty") == (10.0, 10.0)
    assert module.play(policies, "nice", "nasty") == (0.0 + 9 * 1.0, 5.0 + 9 * 1.0)
    assert module.play(policies, "nasty", "nice") == (14.0, 9.0)


def test_a_learner_cooperates_with_tit_for_tat(run: Callable[[str], Run]) -> None:
    assert run("repeated_dilemma").found == (30.0, 30.0)


# ---------------------------------------------------------------------- pricing duopoly


def test_prices_and_profits_are_those_of_the_paper(example: LoadExample) -> None:
    module = example("pricing_duopoly")
    assert (round(module.NASH, 3), round(module.MONOPOLY, 3)) == (1.473, 1.925)
    best = max(module.PRICES, key=lambda price: module.profit(price, module.NASH))
    assert abs(best - module.NASH) < module.STEP  # nobody gains by leaving the equilibrium
    together = max(module.PRICES, key=lambda price: module.profit(price, price))
    assert abs(together - module.MONOPOLY) < module.STEP
    assert module.PRICES[0] == pytest.approx(module.NASH - 0.1 * (module.MONOPOLY - module.NASH))
    assert module.PRICES[-1] == pytest.approx(module.MONOPOLY + 0.1 * (module.MONOPOLY - module.NASH))
    # π(p) against a uniform opponent, for ever
    first = sum(module.profit(module.PRICES[3], other) for other in module.PRICES) / 15 / (1 - 0.95)
    assert module.FIRST_VALUES[3] == pytest.approx(first)


def test_the_profit_gain_is_zero_for_competitors_and_one_for_a_cartel(example: LoadExample) -> None:
    module = example("pricing_duopoly")
    env = module.DuopolyEnv()
    for price, low, high in ((1, -0.05, 0.1), (13, 0.95, 1.0)):  # the prices next to both
        play(env, {"ANN": price, "BOB": price})
        assert low < env.profit_gain < high


def test_a_shortened_session_ends_when_prices_are_stable(run: Callable[[str], Run]) -> None:
    session = run("pricing_duopoly")
    assert -0.5 < session.found <= 1.0
    assert session.said.startswith("After 20,000 periods")  # of 100,000


# ---------------------------------------------------------------------- competing shops


def expected_profit(price: int, cost: int) -> Fraction:
    """Return what a shop earns in a day against two rivals who ask 6, with four customers."""
    share = Fraction(1) if price < 6 else Fraction(1, 3) if price == 6 else Fraction(0)
    return 4 * share * (price - cost)


def test_a_shop_learns_the_best_price_for_each_cost(run: Callable[[str], Run]) -> None:
    best = {cost: max(range(1, 11), key=lambda p: expected_profit(p, cost)) for cost in range(1, 6)}
    assert best == {1: 5, 2: 5, 3: 5, 4: 5, 5: 6}
    assert run("competing_shops").found == best


@given(seed=st.integers(0, 1000), prices=st.tuples(*[st.integers(1, 10)] * 3))
@settings(max_examples=30)
def test_customers_buy_where_it_is_cheapest_and_no_money_is_lost(
    example: LoadExample, seed: int, prices: tuple[int, ...]
) -> None:
    module = example("competing_shops")
    env = module.CompetingShopsEnv()
    shops = env.strategic_agents
    *_, last = play(env, dict(zip(env.strategic_agent_ids, prices, strict=True)), {}, seed=seed)
    margins = [shop.price - shop.type.cost for shop in shops]
    for shop, margin in zip(shops, margins, strict=True):
        assert last.rewards[shop.id] in [margin * sold for sold in range(5)]
        assert last.rewards[shop.id] == 0 or shop.price == min(prices)
    assert sum(last.rewards.values()) + env["FACTORY"].revenue == 4 * min(prices)


def test_each_shop_has_a_cost_of_its_own_that_others_do_not_shift(example: LoadExample) -> None:
    module = example("competing_shops")
    env = module.CompetingShopsEnv()
    costs = set()
    for seed in range(50):
        env.reset(seed)
        costs.add(tuple(shop.type.cost for shop in env.strategic_agents))
    assert {cost for row in costs for cost in row} == {1, 2, 3, 4, 5}
    assert len(costs) > 30
    given_costs = module.CompetingShopsEnv(agent_supertypes={"SHOP1": {"cost": 3}})
    given_costs.reset(1)
    assert given_costs["SHOP1"].type.cost == 3


# ---------------------------------------------------------------------- the dealer market


def lowest_margin(dealers: int) -> float:
    return float(sum(((20 - margin) / 20) ** dealers for margin in range(1, 20)))


def cost_of(plan: tuple[int, ...]) -> float:
    """Return what three lots cost on average above the first price, asking so many dealers for each."""
    return sum(
        lowest_margin(asked) + 2.5 * (asked - 1) * (len(plan) - 1 - lot) for lot, asked in enumerate(plan)
    )


def test_an_investor_learns_to_ask_few_dealers_first_and_all_of_them_last(run: Callable[[str], Run]) -> None:
    best = min(product((1, 2, 3), repeat=3), key=cost_of)
    assert (best, cost_of(best)) == ((1, 2, 3), pytest.approx(22.6875))
    asked, paid = run("dealer_market").found
    assert tuple(asked) == best
    assert paid == pytest.approx(22.6875, abs=0.6)  # 2000 episodes: a standard error of 0.2


@pytest.mark.parametrize("plan", [(1, 1, 1), (3, 3, 3), (1, 2, 3)], ids=str)
def test_a_plan_costs_what_theory_says(plan: tuple[int, ...], example: LoadExample) -> None:
    env = example("dealer_market").DealerMarketEnv()
    costs = [
        -sum(step.rewards["INVESTOR"] for step in play(env, *({"INVESTOR": k} for k in plan), seed=seed))
        for seed in range(1500)
    ]
    assert np.mean(costs) == pytest.approx(cost_of(plan), abs=4 * np.std(costs) / len(costs) ** 0.5)


# ---------------------------------------------------------------------- digital ads


def make_ads(module: ModuleType) -> ph.PhantomEnv:
    """Make the market with known types: offers are worth 6 or 3, 4 or 2, and 1 or 2."""
    types = [(8, 12, 0), (8, 8, 0), (8, 4, 1)]
    env: ph.PhantomEnv = module.DigitalAdsEnv()
    for number, (budget, value, theme) in enumerate(types, 1):
        env[f"ADV{number}"].set_supertype({"budget": budget, "value": value, "theme": theme})
    return env


@pytest.mark.parametrize("seed", range(5))
def test_truthful_bidders_pay_the_second_highest_worth_while_the_money_lasts(
    seed: int, example: LoadExample
) -> None:
    module = example("digital_ads")
    env = make_ads(module)
    env.network.resolver.enable_tracking = True
    env.reset(seed)
    observations = env.step({}).observations
    bids = {agent_id: module.truthful_bid(seen) for agent_id, seen in observations.items()}
    is_theme_0 = bids["ADV1"] == 6
    assert bids == ({"ADV1": 6, "ADV2": 4, "ADV3": 1} if is_theme_0 else {"ADV1": 3, "ADV2": 2, "ADV3": 2})
    env.step(bids)
    (sold,) = [m for m in env.network.resolver.tracked_messages if type(m.payload).__name__ == "Sold"]
    assert (sold.receiver_id, sold.payload.price) == ("ADV1", 4 if is_theme_0 else 2)
    assert env["ADV1"].budget == 8 - sold.payload.price  # type: ignore[attr-defined]


@given(seed=st.integers(0, 1000), draws=st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_nobody_spends_more_than_its_budget_and_earnings_are_clicks_minus_prices(
    example: LoadExample, seed: int, draws: Any
) -> None:
    module = example("digital_ads")
    env = module.DigitalAdsEnv()
    env.network.resolver.enable_tracking = True
    env.reset(seed)
    budgets = {agent.id: agent.budget for agent in env.strategic_agents}
    earned = dict.fromkeys(budgets, 0.0)
    for _ in range(env.num_steps):
        result = env.step({agent_id: draws.randrange(7) for agent_id in budgets})
        for agent_id, reward in result.rewards.items():
            earned[agent_id] += reward
    messages = env.network.resolver.tracked_messages
    for agent in env.strategic_agents:
        received = [message.payload for message in messages if message.receiver_id == agent.id]
        spent = sum(payload.price for payload in received if isinstance(payload, module.Sold))
        clicks = sum(isinstance(payload, module.Click) for payload in received)
        assert 0 <= agent.budget == budgets[agent.id] - spent
        assert earned[agent.id] == clicks * agent.type.value - spent


def test_a_learner_earns_more_than_a_truthful_bidder_whose_money_is_short(run: Callable[[str], Run]) -> None:
    learned, truthful = run("digital_ads").found
    assert learned > 1.2 * truthful


# ---------------------------------------------------------------------- the double auction


def trade_until_the_end(env: Any, seed: int) -> list[Any]:
    """Play a period; return the payloads of its messages."""
    env.network.resolver.enable_tracking = True
    env.network.resolver.clear_tracked_messages()
    env.reset(seed)
    result = env.step({})
    while not (result.terminations["__all__"] or result.truncations["__all__"]):
        result = env.step({})
    return [message.payload for message in env.network.resolver.tracked_messages]


def prices_of(module: ModuleType, payloads: list[Any]) -> list[int]:
    """Return the prices of the trades, if each bid and ask stands until the next trade."""
    bids: list[int] = []
    asks: list[int] = []
    prices: list[int] = []
    for shout in payloads:
        if isinstance(shout, module.Bid):
            bids.append(shout.price)
        elif isinstance(shout, module.Ask):
            asks.append(shout.price)
        else:
            continue
        if bids and asks and max(bids) >= min(asks):
            prices.append(min(asks) if isinstance(shout, module.Bid) else max(bids))
            bids, asks = [], []
    return prices


SURPLUS_PRICE_AND_EFFICIENCY = {  # of all units, counted by hand
    "all gain": (6 * (100 + 80 + 60), 100, Fraction(1)),
    "market 1": (6 * (68 + 51 + 34 + 17), 82, Fraction(153, 170)),
    "market 2": (6 * (68 + 51 + 34 + 17), 69, Fraction(153, 170)),
    "market 3": (6 * 43, 95, Fraction(33, 43)),
    "market 4": (6 * (90 + 33), 170, Fraction(60, 123)),
    "market 5": (sum(range(4, 61, 4)), 129, 1 - Fraction(15 * 4, 480)),
    "half lose": (6 * 100, 105, Fraction(0)),
}


@pytest.mark.parametrize("schedule", SURPLUS_PRICE_AND_EFFICIENCY)
def test_unconstrained_traders_reach_what_all_units_together_are_worth(
    schedule: str, example: LoadExample
) -> None:
    module = example("double_auction")
    assert list(module.SCHEDULES) == list(SURPLUS_PRICE_AND_EFFICIENCY)
    env = module.DoubleAuctionEnv(schedule, is_constrained=False)
    surplus, price, efficiency = SURPLUS_PRICE_AND_EFFICIENCY[schedule]
    assert (env.schedule.max_surplus, env.schedule.price) == (surplus, price)
    for seed in range(3):
        trade_until_the_end(env, seed)
        assert all(trader.limit is None for trader in (*env.buyers, *env.sellers))
        assert env.efficiency == pytest.approx(float(efficiency))


@given(seed=st.integers(0, 1000), schedule=st.sampled_from(list(SURPLUS_PRICE_AND_EFFICIENCY)))
@settings(max_examples=12)
def test_constrained_traders_never_lose_and_trade_at_the_earlier_of_two_prices_that_cross(
    example: LoadExample, seed: int, schedule: str
) -> None:
    module = example("double_auction")
    env = module.DoubleAuctionEnv(schedule)
    payloads = trade_until_the_end(env, seed)
    assert env.auctioneer.prices == prices_of(module, payloads)
    trades = [payload.price for payload in payloads if isinstance(payload, module.Trade)]
    assert trades == [price for price in env.auctioneer.prices for _ in ("buyer", "seller")]
    bought, sold = ([limit for trader in side for limit in trader.limits[: trader.num_traded]]
                    for side in (env.buyers, env.sellers))  # fmt: skip
    assert len(bought) == len(sold) == len(env.auctioneer.prices)
    assert env.efficiency == pytest.approx((sum(bought) - sum(sold)) / env.schedule.max_surplus)
    assert 0 <= env.efficiency <= 1
    assert all(trader.profit >= 0 for trader in (*env.buyers, *env.sellers))


def test_a_constrained_trader_shouts_no_price_at_which_it_would_lose(example: LoadExample) -> None:
    module = example("double_auction")
    turn = ph.Message("AUCTIONEER", "X", module.Turn())
    for trader_class, allowed in ((module.BuyerAgent, range(1, 151)), (module.SellerAgent, range(150, 201))):
        trader = trader_class("X", [150], is_constrained=True)
        trader.begin_episode(1)
        trader.reset()
        assert {trader.shout(None, turn)[0][1].price for _ in range(2000)} == set(allowed)


@pytest.mark.parametrize("schedule", SURPLUS_PRICE_AND_EFFICIENCY)
def test_constrained_traders_find_nearly_all_gains_from_trade(schedule: str, example: LoadExample) -> None:
    env = example("double_auction").DoubleAuctionEnv(schedule)
    found = []
    for seed in range(6):
        trade_until_the_end(env, seed)
        found.append(env.efficiency)
    assert np.mean(found) >= 0.95


def test_the_study_of_the_double_auction_prints_and_draws_what_its_page_shows(
    example: LoadExample, tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results: px.Results = example("double_auction").main(
        num_seeds=1, num_periods=1, workers=1, out=tmp_path / "drawn.svg"
    )
    assert len(results.episodes) == 7 * 2
    assert "half lose  unconstrained  efficiency  1       0 " in capsys.readouterr().out
    drawn, shown = (
        re.findall(r"<title>(.*?)</title>|>([^<>]+)</text>", path.read_text(encoding="utf-8"))
        for path in (tmp_path / "drawn.svg", repository / "docs/images/double_auction_study.svg")
    )
    assert drawn == shown
