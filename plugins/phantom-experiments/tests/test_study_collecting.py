"""What is collected: values over agents with known answers, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph
import phantom_experiments as px
from phantom_experiments.collecting import parse_collect
from phantom_experiments.over_agents import gini_of


class Owner(ph.Agent):
    wealth = 0.0


def env_with(*wealth: float) -> Any:
    agents = {}
    for number, value in enumerate(wealth):
        agents[f"A{number}"] = Owner(f"A{number}")
        agents[f"A{number}"].wealth = value
    return SimpleNamespace(agents=agents)


def test_values_over_agents_have_known_answers() -> None:
    env = env_with(1.0, 2.0, 3.0, 6.0)
    assert px.total(Owner, "wealth")(env) == 12.0
    assert px.mean("Owner", "wealth")(env) == 3.0
    assert px.quantile(["A0", "A1", "A3"], "wealth", 0.5)(env) == 2.0
    assert px.gini(Owner, "wealth")(env) == pytest.approx(1 / 3)
    assert px.histogram(Owner, "wealth", 3, (0.0, 6.0))(env).tolist() == [1, 2, 1]
    assert px.vector(lambda agent: agent.id != "A3", "wealth")(env).tolist() == [1.0, 2.0, 3.0]
    assert px.total("A2", "wealth")(env) == 3.0
    assert np.isnan(px.mean("Nobody", "wealth")(env))


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=30))
def test_the_gini_coefficient_is_the_mean_difference_over_twice_the_mean(values: list[float]) -> None:
    found = gini_of(np.array(values))
    mean_difference = float(np.mean([abs(one - other) for one in values for other in values]))
    whole = float(np.mean(values))
    expected = mean_difference / (2 * whole) if whole > 0 else 0.0
    assert found == pytest.approx(expected, abs=1e-9)
    assert -1e-12 <= found <= 1 - 1 / len(values) + 1e-9


def test_texts_of_the_command_line_say_what_to_collect() -> None:
    collect = parse_collect(
        [
            "price",
            "p=market.price",
            "Household.wealth",
            "gini(Household.wealth)",
            "q=quantile(A1.wealth, 0.9)",
            "info.x",
        ]
    )
    assert collect.env["price"] == "price"
    assert collect.env["p"] == "market.price"
    assert collect.env["gini_wealth"] == px.gini("Household", "wealth")
    assert collect.env["q"] == px.quantile("A1", "wealth", 0.9)
    assert collect.env["x"] == px.info("x")
    assert collect.agents == [("Household", {"wealth": "wealth"})]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: px.collect(every=0), "collect got every=0. Expected an integer of at least 1."),
        (lambda: px.collect(burn_in=5, until=5), "collect got until=5. Expected an integer of at least 6."),
        (
            lambda: px.collect(env={"step": "x"}),
            (
                "A value is called 'step', which is the name of a column already. Choose another name: "
                "{'my_step': …}."
            ),
        ),
        (
            lambda: px.collect(env={"price": 3}),
            (
                "collect cannot read 'price' from 3. Expected an attribute, such as 'market.price', or a "
                "function, a "
                "ph.Metric or px.info('key')."
            ),
        ),
        (
            lambda: px.collect(env=["price"], reduce={"prise": "last"}),
            (
                "collect got reduce={'prise': 'last'}, but no value is called 'prise'. Did you mean "
                "'price'? There "
                "are: 'price'."
            ),
        ),
        (
            lambda: px.collect(env=["price"], reduce="median"),
            (
                "collect got the reduction 'median' of 'price'. Expected one of: 'mean', 'last', 'sum', "
                "'min', "
                "'max'."
            ),
        ),
        (lambda: px.quantile(Owner, "wealth", 2), "quantile got q=2. Expected a number from 0 to 1."),
        (
            lambda: parse_collect(["ginni(Owner.wealth)"]),
            (
                "--collect 'ginni(Owner.wealth)': there is no 'ginni'. Did you mean 'gini'? Expected one "
                "of: 'gini', "
                "'histogram', 'mean', 'quantile', 'total', 'vector'."
            ),
        ),
        (lambda: px.at(0, print), "at got step=0. Expected a positive integer."),
    ],
)
def test_a_mistake_is_one_sentence(make: Any, message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make()
    assert str(caught.value) == message
