"""The examples of array worlds run, and what they say holds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import phantom_arrays as pa
import phantom_core as ph

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "arrays"


def example(name: str, attribute: str) -> Any:
    """Return something of an example."""
    reference = f"{EXAMPLES / name}.py:{attribute}"
    return ph.tools.load_reference(reference, setting="env", folder=Path())


def test_the_order_book_clears(capsys: pytest.CaptureFixture[str]) -> None:
    assert 95.0 < example("order_book", "main")(num_traders=200, num_steps=20) < 105.0
    assert "units changed hands" in capsys.readouterr().out


def test_the_order_book_trades_what_a_loop_over_sorted_orders_trades() -> None:
    env = example("order_book", "OrderBookEnv")(30, 50)
    seen: list[pa.Messages] = []
    env.world.recorder = lambda _, messages: seen.append(messages)
    env.reset(seed=3)
    for _ in range(20):
        seen.clear()
        env.step({})
        orders = seen[0].payload
        bids = sorted(orders.limit[orders.is_bid].tolist(), reverse=True)
        asks = sorted(orders.limit[~orders.is_bid].tolist())
        volume = 0
        while volume < min(len(bids), len(asks)) and bids[volume] >= asks[volume]:
            volume += 1
        assert env["exchange"].volume.tolist() == [volume]
        if volume:
            assert env["exchange"].price.tolist() == [(bids[volume - 1] + asks[volume - 1]) / 2.0]
            fills = seen[1]
            filled = fills.receivers[fills.is_sent].tolist()
            best = orders.is_bid & (orders.limit >= bids[volume - 1])
            best |= ~orders.is_bid & (orders.limit <= asks[volume - 1])
            assert filled == np.flatnonzero(best).tolist()


def test_the_firm_of_the_households_pays_marginal_products() -> None:
    env = example("households", "HouseholdsEnv")(100)
    observations, _ = env.reset(seed=1)
    env.step(dict.fromkeys(observations, 5))
    households = env["households"]
    capital = float(households.saved.sum())
    output = capital**0.36 * 100**0.64
    assert households.wage == pytest.approx(0.64 * output / 100)
    assert env.capital[0] == pytest.approx(capital / 100)
    hours = (households.wealth - households.saved * (0.9 + 0.36 * output / capital)) / households.wage
    assert 0.5 <= hours.min() <= hours.max() < 1.5


def test_firms_that_learn_in_many_sessions_earn_something_between_competition_and_a_cartel(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert 0.3 < example("array_duopoly", "main")(sessions=20, periods=500) < 0.9
    assert capsys.readouterr().out.startswith("After 500 periods in 20 sessions the firms gain ")


def test_the_coins_of_the_exchange_go_where_a_loop_over_the_draws_puts_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sizes = [40, 40, 7, 2]
    envs = pa.ArrayVectorEnv([example("array_exchange", "ArrayExchangeEnv")(size, 5) for size in sizes])
    envs.reset(range(4), [1, 2, 3, 4])
    (world,) = envs.worlds
    traders = world.populations["traders"]
    wealth = [1] * sum(sizes)
    sent: list[pa.Messages] = []
    world.recorder = lambda _, messages: sent.append(messages)
    for _ in range(5):
        world.step({})
        coins = sent.pop()
        assert coin_pairs(coins) == sorted(coin_pairs(coins), key=lambda pair: pair[::-1])
        assert sorted(coins.senders.tolist()) == [row for row, own in enumerate(wealth) if own]
        for giver, receiver in coin_pairs(coins):
            assert giver != receiver
            assert traders.copy[giver] == traders.copy[receiver]
            wealth[giver] -= 1
            wealth[receiver] += 1
        assert traders.wealth.tolist() == wealth
    assert 0.3 < example("array_exchange", "main")(num_traders=500, num_steps=50) < 0.7
    assert capsys.readouterr().out.startswith("After 50 steps the Gini coefficient of 500 traders is 0.")


def coin_pairs(coins: pa.Messages) -> list[tuple[int, int]]:
    """Return who gives to whom, in order."""
    return list(zip(coins.senders.tolist(), coins.receivers.tolist(), strict=True))
