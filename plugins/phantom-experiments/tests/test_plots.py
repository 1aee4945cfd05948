"""Pictures of studies: what is in them is what was measured."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import phantom_core as ph
import phantom_experiments as px
from phantom_experiments.figures import COLOURS

WriteStudy = Callable[..., px.Results]


@pytest.fixture
def walks(write_study: WriteStudy) -> px.Results:
    """Steps, agents and episodes of four points, two treatments and three seeds."""
    steps, agents, episodes = [], [], []
    for point, treatment, seed in itertools.product(range(4), ("off", "shock"), range(3)):
        keys = {"point": point, "treatment": treatment, "seed": seed, "episode": 0}
        for step in (1, 2, 3):
            shocked = 2.0 * (treatment == "shock") * (step == 2)
            steps.append({**keys, "step": step, "x": 10.0 * point + seed + shocked})
        for number, kind in enumerate(("Bank", "Shop", "Shop")):
            agent = {"agent": f"A{number}", "class": kind, "reward": number + seed + 0.5}
            agents.append({**keys, **agent})
        sold = 3 + seed
        episodes.append(
            {**keys, "steps": 3, "sold": sold, "x": float(point), "wealth": np.arange(4.0) * (seed + 1)}
        )
    points = [{"size": size, "fee": fee} for size in (1, 2) for fee in (0.0, 0.5)]
    return write_study(
        episodes, agents, steps, points=points, treatments=["off", "shock"], units={"x": "EUR", "fee": "%"}
    )


def lines_of(plot: px.Plot, panel: int = 0) -> dict[str, tuple[list[float], list[float]]]:
    """Return x and y of each labelled line."""
    axes = plot.figure().axes[panel]
    found = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    found += [bars.lines[0] for bars in axes.containers if hasattr(bars, "has_yerr")]
    labels = [line.get_label() for line in axes.get_lines() if not line.get_label().startswith("_")]
    labels += [bars.get_label() for bars in axes.containers if hasattr(bars, "has_yerr")]
    return {
        label: (np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
        for label, line in zip(labels, found, strict=True)
    }


def legend_of(plot: px.Plot) -> list[str]:
    return [text.get_text() for legend in plot.figure().legends for text in legend.get_texts()]


def test_a_series_is_the_mean_over_seeds_at_each_step_with_a_line_per_treatment(walks: px.Results) -> None:
    plot = walks.plot("series")
    assert lines_of(plot) == {
        "off": ([1, 2, 3], [16.0, 16.0, 16.0]),
        "shock": ([1, 2, 3], [16.0, 18.0, 16.0]),
    }
    axes = plot.figure().axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel(), legend_of(plot)) == ("step", "x (EUR)", ["off", "shock"])
    band = axes.collections[0].get_paths()[0].get_extents()
    margin = 4.3026527 / np.sqrt(3)  # t(0.975, 2) · 1/√3
    assert (band.ymin, band.ymax) == (pytest.approx(16 - margin), pytest.approx(16 + margin))
    assert repr(plot) == "<Plot: x (EUR) by step: means over seeds with 95 % intervals>"


def test_points_and_treatments_are_chosen_with_where_and_told_apart_with_by(walks: px.Results) -> None:
    plot = walks.plot("series", by=["size", "fee"], where={"treatment": "off", "fee": 0.5})
    assert list(lines_of(plot)) == ["size 1, fee 0.5", "size 2, fee 0.5"]
    assert lines_of(plot)["size 2, fee 0.5"][1] == [31.0, 31.0, 31.0]


def test_a_grid_has_the_parameter_with_most_values_and_lines_for_the_others(walks: px.Results) -> None:
    plot = walks.plot("grid", values="x", x="fee", where={"treatment": "off"})
    found = lines_of(plot)
    assert list(found) == ["off, size 1", "off, size 2"]
    assert found["off, size 2"][1] == [2.0, 3.0]
    assert plot.figure().axes[0].get_xlabel() == "fee (%)"
    averaged = lines_of(walks.plot("grid", values="x", x="fee", by=[], where={"treatment": "off"}))
    assert averaged["off"][1] == [1.0, 2.0]


def test_a_heat_map_has_a_cell_for_each_pair_of_values(walks: px.Results) -> None:
    plot = walks.plot("heatmap", value="x", x="fee", y="size")
    first, second = plot.figure().axes[:2]
    assert [ax.get_title(loc="left") for ax in (first, second)] == ["off", "shock"]
    assert first.images[0].get_array().tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert [label.get_text() for label in second.get_xticklabels()] == ["0", "0.5"]


def test_differences_have_a_row_for_each_point(walks: px.Results) -> None:
    axes = walks.plot("differences", value="x").figure().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "size 1, fee 0", "size 1, fee 0.5", "size 2, fee 0", "size 2, fee 0.5",
    ]  # fmt: skip
    assert axes.containers[0].lines[0].get_xdata().tolist() == [0.0, 0.0, 0.0, 0.0]


def test_differences_lie_along_the_one_parameter_of_numbers(prices: px.Results) -> None:
    along = prices.plot("differences")
    assert lines_of(along) == {"rule − off": ([0.0, 0.3], [2.0, 4.0])}
    assert along.figure().axes[0].get_ylabel() == "difference in price (EUR)"


def test_an_impulse_response_is_zero_but_at_the_shock(walks: px.Results) -> None:
    plot = walks.plot("impulse", where={"size": 1})
    assert {label: y for label, (_, y) in lines_of(plot).items()} == {
        "size 1, fee 0": [0.0, 2.0, 0.0], "size 1, fee 0.5": [0.0, 2.0, 0.0],
    }  # fmt: skip
    assert plot.figure().axes[0].get_title(loc="left") == "shock − off"


def test_a_histogram_of_whole_numbers_has_a_bin_for_each_and_arrays_count_element_by_element(
    walks: px.Results,
) -> None:
    patches = walks.plot("histogram", value="sold", where={"treatment": "off"}).figure().axes[0].patches
    shares, edges, _ = patches[-1].get_data()
    assert (edges.tolist(), shares.tolist()) == ([2.5, 3.5, 4.5, 5.5], pytest.approx([1 / 3, 1 / 3, 1 / 3]))
    axes = walks.plot("histogram", value="wealth", bins=3).figure().axes[0]
    assert axes.get_ylabel() == "share of elements"
    assert sum(axes.patches[-1].get_data()[0]) == pytest.approx(1.0)
    assert legend_of(walks.plot("histogram", value="reward", by="class")) == ["Bank", "Shop"]


def test_rewards_have_a_row_for_each_agent(walks: px.Results) -> None:
    axes = walks.plot("rewards").figure().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A0", "A1", "A2"]
    assert axes.containers[0].lines[0].get_xdata().tolist() == [1.5, 2.5, 3.5]


def test_more_than_six_lines_have_shades_and_a_scale(write_study: WriteStudy) -> None:
    rows = [
        {"point": point, "treatment": "off", "seed": 0, "episode": 0, "step": step, "x": float(point)}
        for point in range(9)
        for step in (1, 2)
    ]
    results = write_study(steps=rows, points=[{"fee": point / 8} for point in range(9)], units={"fee": "%"})
    figure = results.plot("series").figure()
    assert not figure.legends
    assert figure.axes[1].get_ylabel() == "fee (%)"
    colours = {line.get_color() for line in figure.axes[0].get_lines()}
    assert len(colours) == 9
    assert not colours & set(COLOURS)


def test_without_a_kind_it_is_what_fits(walks: px.Results, tmp_path: Path) -> None:
    assert walks.plot().title.startswith("x (EUR) by step")
    assert walks.plot("grid", values="x", out=tmp_path / "f.svg").title.startswith("x (EUR) by ")
    assert (tmp_path / "f.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda r: r.plot("serie"),
            ("There is no picture 'serie' of a study. Did you mean 'series'? Kinds: series, grid, heatmap, "
            "differences, impulse, histogram, rewards."),
        ),
        (
            lambda r: r.plot("series", valeus=["x"]),
            ("The picture 'series' has no option 'valeus'. Did you mean 'values'? Options: values, by, "
            "where, level."),
        ),
        (lambda r: r.plot("series", values=["y"]), "The table has no numbers under 'y'. Values: x."),
        (
            lambda r: r.plot("series", where={"size": 9}),
            ("There is nothing to draw: no rows are left. Choose others with where={...}, or see "
            "results.errors."),
        ),
        (
            lambda r: r.plot("grid", x="size_"),
            "x is 'size_', but it must be a parameter. Did you mean 'size'? Parameters: size, fee.",
        ),
        (
            lambda r: r.plot("series", by=["feee"]),
            ("by names 'feee', which is no key. Did you mean 'fee'? Keys: point, size, fee, treatment, "
            "seed, episode, step."),
        ),
        (
            lambda r: r.plot("histogram", value="solde"),
            "There is no value 'solde' to draw. Did you mean 'sold'? Values: steps, sold, x, wealth, reward.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_named(
    call: Callable[[px.Results], Any], message: str, walks: px.Results
) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        call(walks)
    assert str(caught.value) == message


def test_a_heat_map_of_one_parameter_is_a_line(write_study: WriteStudy) -> None:
    rows = [{"point": p, "treatment": "off", "seed": 0, "episode": 0, "x": 1.0} for p in (0, 1)]
    with pytest.raises(ph.errors.ConfigError) as caught:
        write_study(rows, points=[{"fee": 0.0}, {"fee": 0.5}]).plot("heatmap")
    assert str(caught.value) == (
        "A heat map needs two parameters, and the study has only 'fee'. Draw a line instead: plot(\"grid\")."
    )


def test_one_treatment_has_nothing_to_compare_and_no_values_nothing_to_draw(write_study: WriteStudy) -> None:
    results = write_study([{"point": 0, "treatment": "off", "seed": 0, "episode": 0, "steps": 3}])
    with pytest.raises(ph.errors.ConfigError) as caught:
        results.plot("grid")
    assert str(caught.value) == ("The study varies nothing to draw over: px.Study(..., vary=...).")
    with pytest.raises(ph.errors.ConfigError) as caught:
        results.plot("series")
    assert str(caught.value) == (
        "There are no numbers in the table 'steps' to draw. Collect some: px.Study(..., "
        "collect=px.collect(env={...})), "
        "for steps with every=1."
    )
    with pytest.raises(ph.errors.ConfigError) as caught:
        results.plot("impulse", values=[])
    assert str(caught.value) == (
        "The study has 1 treatment, so there is nothing to compare. Give it at least two: px.Study(..., "
        'treatments={"off": {}, "on": {...}}).'
    )
