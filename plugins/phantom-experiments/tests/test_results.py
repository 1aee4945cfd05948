"""Results of a study: summaries, paired differences and impulse responses, worked out by hand."""

import gc
import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import phantom_core as ph
import phantom_experiments as px
from phantom_experiments.store import StudyStore, encode_rows

WriteStudy = Callable[..., px.Results]


def row_of(table: px.Table, **keys: Any) -> dict[str, Any]:
    (row,) = table.select(keys)
    return dict(row)


def test_rows_have_the_parameters_of_their_point_after_its_number(prices: px.Results) -> None:
    first, *_, last = prices.episodes
    assert list(first.items())[:5] == [
        ("point", 0), ("markup", 0.0), ("treatment", "off"), ("seed", 1), ("episode", 0),
    ]  # fmt: skip
    assert (last["markup"], last["price"]) == (0.3, 10 + 3 + 2 * 2)
    assert prices.episodes.keys == ("point", "markup", "treatment", "seed", "episode")
    assert prices.episodes.values == ("episode_seed", "steps", "price")


def test_a_summary_averages_the_episodes_of_a_seed_before_it_computes_the_standard_error(
    prices: px.Results,
) -> None:
    found = row_of(prices.summary(), markup=0.0, treatment="off")
    # seed 1: (1 + 2)/2 = 1.5, seed 2: (2 + 3)/2 = 2.5; standard deviation 1/√2, over √2
    assert found["value"] == "price"
    assert (found["n"], found["mean"], found["se"]) == (2, 2.0, pytest.approx(0.5))
    assert (found["low"], found["high"]) == pytest.approx((2 - 12.7062047 * 0.5, 2 + 12.7062047 * 0.5))
    assert (found["q5"], found["q50"], found["q95"]) == pytest.approx((1.15, 2.0, 2.85))
    assert len(prices.summary()) == 4


def test_a_summary_over_points_has_the_standard_error_of_their_average_over_shared_seeds(
    prices: px.Results,
) -> None:
    found = row_of(prices.summary(by=[]), treatment="off")
    assert (found["n"], found["mean"], found["se"]) == (2, 7.0, pytest.approx(0.5))  # not 0.5/√2
    assert prices.summary(by="treatment").columns == prices.summary(by=[]).columns


def test_a_comparison_pairs_episodes_by_point_seed_and_number(prices: px.Results) -> None:
    found = prices.compare("rule", baseline="off")
    assert found.columns == ("markup", "value", "n", "baseline", "treated", "difference", "se", "low", "high")
    first, second = found
    # seed 1 adds (1 + 3)/2 = 2, seed 2 adds (2 + 2)/2 = 2: no spread
    assert first == {
        "markup": 0.0, "value": "price", "n": 2, "baseline": 2.0, "treated": 4.0,
        "difference": 2.0, "se": 0.0, "low": 2.0, "high": 2.0,
    }  # fmt: skip
    assert (second["markup"], second["difference"], second["baseline"]) == (0.3, 4.0, 12.0)
    assert [*prices.compare("rule")] == [*found]


def test_a_pair_that_lost_one_side_counts_on_neither(write_study: WriteStudy) -> None:
    rows = [
        {"point": 0, "treatment": treatment, "seed": seed, "episode": 0, "price": price}
        for treatment, seed, price in [("off", 1, 1.0), ("off", 2, 5.0), ("off", 3, 50.0),
                                       ("rule", 1, 2.0), ("rule", 2, 8.0), ("rule", 3, None)]
        if price is not None
    ]  # fmt: skip
    rows.append(
        {"point": 0, "treatment": "rule", "seed": 3, "episode": 0, "error": "EnvError: boom.", "step": 7}
    )
    results = write_study(rows, treatments=["off", "rule"])
    (found,) = results.compare("rule")
    # differences 1 and 3: mean 2, se √2/√2 = 1, and t(0.975, 1) = 12.706
    assert (found["n"], found["baseline"], found["treated"], found["difference"]) == (2, 3.0, 5.0, 2.0)
    assert (found["se"], found["high"]) == (pytest.approx(1.0), pytest.approx(2 + 12.7062047))
    assert [(row["seed"], row["error"], row["step"]) for row in results.errors] == [(3, "EnvError: boom.", 7)]
    assert row_of(results.summary(), treatment="rule")["n"] == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.lists(st.floats(-10, 10), min_size=2, max_size=6), effect=st.floats(-5, 5))
def test_common_noise_is_not_in_the_difference(noise: list[float], effect: float, tmp_path: Path) -> None:
    with TemporaryDirectory(dir=tmp_path) as folder:
        facts = {"parameters": [], "points": [{}], "treatments": ["off", "on"], "seeds": [], "env": "E"}
        store = StudyStore.create(Path(folder), facts)
        rows = [
            {"point": 0, "treatment": name, "seed": seed, "episode": 0, "x": value + effect * (name == "on")}
            for name in ("off", "on")
            for seed, value in enumerate(noise)
        ]
        store.write({"episodes": encode_rows(rows)})
        store.close("completed")
        (found,) = px.Results.open(folder).compare("on")
    assert found["difference"] == pytest.approx(effect, abs=1e-9)
    assert found["se"] == pytest.approx(0.0, abs=1e-9)


def test_an_impulse_response_is_the_paired_difference_at_each_step(write_study: WriteStudy) -> None:
    steps = [
        {
            "point": 0, "treatment": treatment, "seed": seed, "episode": 0, "step": step,
            "x": 100.0 * seed + step + (treatment == "shock") * (step >= 2) * seed * 0.5 ** (step - 2),
        }
        for treatment in ("off", "shock") for seed in (1, 3) for step in range(1, 5)
    ]  # fmt: skip
    found = write_study(steps=steps, treatments=["off", "shock"]).impulse_response("shock")
    assert found["step"].tolist() == [1, 2, 3, 4]
    assert found["difference"].tolist() == [0.0, 2.0, 1.0, 0.5]  # seeds 1 and 3 have 1 and 3 times the shock
    assert found["se"].tolist() == pytest.approx([0.0, 1.0, 0.5, 0.25])
    assert found["n"].tolist() == [2, 2, 2, 2]


def test_agents_are_summed_up_by_class_with_the_agents_of_a_seed_averaged(write_study: WriteStudy) -> None:
    agents = [
        {
            "point": 0, "treatment": "off", "seed": seed, "episode": 0,
            "agent": f"H{n}", "class": "Household", "reward": reward,
        }
        for seed, rewards in ((1, (1.0, 3.0)), (2, (4.0, 8.0))) for n, reward in enumerate(rewards)
    ]  # fmt: skip
    results = write_study(agents=agents)
    (by_class,) = results.summary(by="class")
    assert (by_class["n"], by_class["mean"], by_class["se"]) == (2, 4.0, pytest.approx(2.0))  # of 2 and 6
    assert results.summary(by=["agent"])["mean"].tolist() == [2.5, 5.5]


def test_array_values_come_back_as_arrays_and_are_not_summed_up(write_study: WriteStudy) -> None:
    rows: list[dict[str, Any]] = [
        {
            "point": 0,
            "treatment": "off",
            "seed": seed,
            "episode": 0,
            "wealth": np.arange(3) * seed,
            "gini": 0.5,
        }
        for seed in (1, 2)
    ]
    results = write_study(rows)
    assert results.episodes["wealth"].tolist() == [[0, 1, 2], [0, 2, 4]]
    assert results.summary()["value"].tolist() == ["gini"]


def test_not_a_number_comes_back_and_shows_in_the_mean(write_study: WriteStudy) -> None:
    rows = [
        {"point": 0, "treatment": "off", "seed": seed, "episode": 0, "x": x, "y": math.inf}
        for seed, x in ((1, 1.0), (2, math.nan))
    ]
    results = write_study(rows)
    assert results.episodes["y"].tolist() == [math.inf, math.inf]
    assert math.isnan(row_of(results.summary(), value="x")["mean"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda r: r.compare("rul"),
            "treatment is 'rul'. Did you mean 'rule'? Treatments of the study: off, rule.",
        ),
        (
            lambda r: r.compare("rule", "of"),
            "baseline is 'of'. Did you mean 'off'? Treatments of the study: off, rule.",
        ),
        (
            lambda r: r.compare("rule", level=95),
            "level is 95. Expected a number between 0 and 1, such as 0.95.",
        ),
        (
            lambda r: r.summary(by="markups"),
            ("by names 'markups', which is no key. Did you mean 'markup'? Keys: point, markup, treatment, "
            "seed, episode, agent, class, step."),
        ),
        (
            lambda r: r.summary(by=["agent", "step"]),
            ("by names 'agent', 'step', 'treatment': no table has all of them. Agents and steps are in two "
            "tables."),
        ),
        (
            lambda r: r.summary(values=["pric"]),
            ("The table has no numbers under 'pric'. Did you mean 'price'? Values: episode_seed, steps, "
            "price."),
        ),
        (
            lambda r: r.summary(quantiles=[50]),
            "quantiles holds 50. Expected numbers from 0 to 1, such as 0.5 for the median.",
        ),
        (
            lambda r: r.table("step"),
            "There is no table 'step'. Did you mean 'steps'? Tables: episodes, agents, steps.",
        ),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(
    call: Callable[[px.Results], Any], message: str, prices: px.Results
) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        call(prices)
    assert str(caught.value) == message


def test_a_damaged_line_is_named_and_a_last_line_that_was_cut_off_is_left_out(prices: px.Results) -> None:
    assert prices.directory is not None
    file = prices.directory / "episodes.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:3]) + lines[3][:10])
    assert len(px.Results.open(prices.directory).episodes) == 3
    file.write_bytes(lines[0] + b"{]\n")
    with pytest.raises(ph.errors.ConfigError) as caught:
        len(px.Results.open(prices.directory).episodes)
    assert str(caught.value) == (
        f"{file} is damaged in line 2: JSONDecodeError: Expecting property name enclosed in double quotes: "
        "line 1 "
        "column 2 (char 1). Play the study anew, in another folder."
    )


def test_a_temporary_directory_stays_as_long_as_a_table_of_it(prices: px.Results) -> None:
    assert prices.directory is not None
    folder = prices.directory
    results = px.Results(folder, is_temporary=True)
    assert results.directory is None
    episodes = results.episodes
    del results
    gc.collect()
    assert len(episodes) == 16
    rows = iter(episodes)
    next(rows)
    del episodes
    gc.collect()
    assert len([*rows]) == 15
    del rows
    gc.collect()
    assert not folder.exists()


def test_results_say_what_they_are_in_one_line_and_show_a_summary_in_a_notebook(prices: px.Results) -> None:
    assert repr(prices) == (
        f"<Results of market.py:Market in {prices.directory}: 2 points × 2 treatments × 2 seeds, 16 "
        "episodes, "
        "completed; values: price>"
    )
    shown = prices._repr_html_()
    assert shown.count("<tr>") == 5
    assert "<th>mean</th>" in shown


def test_a_value_may_not_have_the_name_of_a_parameter() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        px.Study(ph.PhantomEnv, {"num_steps": [1, 2]}, collect=px.collect(env=["num_steps"]))
    assert str(caught.value) == (
        "collect records a value 'num_steps', but that is a parameter of the study, which has a column of "
        "this name. "
        "Give the value another: px.collect(env={'num_steps_then': ...})."
    )
