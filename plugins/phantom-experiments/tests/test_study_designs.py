"""Designs list points; one parser reads lists and spaced values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph
import phantom_experiments as px
from phantom_experiments.designs import parse_values
from phantom_experiments.env_changes import changed


def test_a_product_has_every_combination_and_the_last_parameter_varies_fastest() -> None:
    design = px.product({"market.size": [1, 2]}, rule=["a", "b"])
    assert list(design) == [
        {"market.size": 1, "rule": "a"},
        {"market.size": 1, "rule": "b"},
        {"market.size": 2, "rule": "a"},
        {"market.size": 2, "rule": "b"},
    ]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("3,10,30", [3, 10, 30]),
        ("0:1:5", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("0:10:3", [0, 5, 10]),
        ("0:10:4", [0.0, 10 / 3, 20 / 3, 10.0]),
        ("0.5:0.5:1", [0.5]),
        ("true,false", [True, False]),
        ("[1,2],[3]", [[1, 2], [3]]),
        ("uniform", ["uniform"]),
        ("./a.py:Rule,./b.py:Rule", ["./a.py:Rule", "./b.py:Rule"]),
        ("1e-3, 1e-2", [0.001, 0.01]),
    ],
)
def test_texts_list_values(text: str, values: list[Any]) -> None:
    found = parse_values(text)
    assert found == pytest.approx(values) if text == "0:10:4" else found == values
    assert [type(value) for value in found] == [type(value) for value in values]


@given(st.lists(st.one_of(st.integers(-(2**60), 2**60), st.booleans()), min_size=1))
def test_a_list_that_is_written_down_is_read_again(values: list[Any]) -> None:
    assert parse_values(",".join(str(value).lower() for value in values)) == values


def test_ranges_of_the_core_are_values_and_are_found_anywhere_in_the_config() -> None:
    class Env(ph.PhantomEnv):
        def __init__(self, size: int = 1, deep: Any = None) -> None:
            super().__init__(num_steps=1)

    ranges = ph.ranges
    study = px.Study(
        Env,
        px.product(size=ranges.UniformRange(1, 4)),
        env_config={"deep": {"rates": [ranges.LinspaceRange(0.0, 1.0, 2), 7]}},
    )
    assert study.design.names == ("size", "env_config.deep.rates.0")
    assert len(study.design) == 6
    assert changed(study.model.make_env.env_config, study.design[1]) == {
        "size": 1,
        "deep": {"rates": [1.0, 7]},
    }


def test_a_change_copies_what_it_changes() -> None:
    before = {"market": {"sizes": [1, 2], "name": "x"}, "n": 1}
    after = changed(before, {"env_config.market.sizes.1": 5, "env_config.new.part": 3})
    assert after == {"market": {"sizes": [1, 5], "name": "x"}, "n": 1, "new": {"part": 3}}
    assert before == {"market": {"sizes": [1, 2], "name": "x"}, "n": 1}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: px.zipped(a=[1], b=[1, 2]),
            (
                "zipped got different numbers of values: a has 1, b has 2. Give as many of each; or use "
                "product for "
                "every combination."
            ),
        ),
        (lambda: px.product(a=[]), "a has no values. Give at least one."),
        (
            lambda: px.product(a=3),
            (
                "a has the values 3. Expected a list, such as [3, 10, 30], a range of ph.ranges, or a text "
                "such as "
                "'0:1:5'."
            ),
        ),
        (
            lambda: px.points([{"a": 1}, {"b": 1}]),
            "Point 1 has the parameters 'b', but point 0 has 'a'. Give every point the same.",
        ),
        (
            lambda: px.product({"a.": [1]}),
            (
                "A parameter is called 'a.'. Expected a name, such as 'num_buyers', or a dotted one, such as "
                "'env_config.market.size'."
            ),
        ),
        (
            lambda: parse_values("0:1:0"),
            "'0:1:0' asks for 0 values. Expected start:end:n with a positive integer n, such as 0:1:5.",
        ),
        (
            lambda: changed({"n": 1}, {"env_config.n.deep": 2}),
            (
                "'env_config.n.deep' cannot be set: 'deep' is looked for in 1. Expected a dict, a list or a "
                "supertype there."
            ),
        ),
        (
            lambda: px.latin_hypercube(4, a=(1.0, 0.0)),
            "a has the interval (1.0, 0.0). Expected the lowest value first, such as (0.0, 1.0).",
        ),
        (
            lambda: px.sobol(6, a=(0.0, 1.0)),
            (
                "sobol got n=6, which is no power of 2, so the points would not be even. Give 4 or 8, or use "
                "latin_hypercube."
            ),
        ),
    ],
)
def test_a_mistake_is_one_sentence(make: Any, message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        make()
    assert str(caught.value) == message


def test_without_scipy_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy.stats", None)
    with pytest.raises(ph.errors.ConfigError) as caught:
        px.latin_hypercube(4, a=(0.0, 1.0))
    assert str(caught.value) == (
        "latin_hypercube needs SciPy, which is not installed: pip install scipy. px.product, px.zipped and "
        "px.points need nothing."
    )


@pytest.mark.integration
def test_a_latin_hypercube_has_one_point_in_each_strip() -> None:
    pytest.importorskip("scipy", reason="run make check-integrations")
    design = px.latin_hypercube(8, a=(0.0, 8.0), n=(1, 8), rule=["x", "y"], seed=3)
    assert sorted(int(point["a"]) for point in design) == list(range(8))
    assert sorted(point["n"] for point in design) == list(range(1, 9))
    assert sorted(point["rule"] for point in design) == ["x"] * 4 + ["y"] * 4
    assert list(design) == list(px.latin_hypercube(8, a=(0.0, 8.0), n=(1, 8), rule=["x", "y"], seed=3))


@pytest.mark.integration
def test_a_sobol_sequence_fills_every_quarter_alike() -> None:
    pytest.importorskip("scipy", reason="run make check-integrations")
    design = px.sobol(16, a=(0.0, 1.0), b=(0.0, 1.0))
    quarters = [(point["a"] < 0.5, point["b"] < 0.5) for point in design]
    assert {quarters.count(quarter) for quarter in quarters} == {4}
