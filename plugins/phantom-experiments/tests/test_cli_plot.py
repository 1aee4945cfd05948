"""`phantom plot` and `phantom table`."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
import phantom_experiments as px
from phantom_experiments.estimates import t_quantile

Phantom = Callable[..., Any]

NETWORK = """
import gymnasium as gym
import phantom_core as ph

class Shop(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(2)

class Customer(ph.Agent):
    pass

class Street(ph.PhantomEnv):
    def __init__(self):
        network = ph.Network([Shop("SHOP"), *(Customer(f"C{number}") for number in range(4))])
        network.add_connections_between(["SHOP"], ["C0", "C1", "C2"])
        network.add_connection("C3", "SHOP", directed=True)
        super().__init__(num_steps=1, network=network)
"""


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Runs of two step sizes with two seeds each, whose logged values are what these tests write."""
    found = []
    for alpha, seed in [(0.1, 1), (0.1, 2), (0.5, 1), (0.5, 2)]:
        run = tmp_path / f"run-{alpha}-{seed}"
        run.mkdir()
        (run / "run.json").write_text(json.dumps({"status": "completed", "seed": seed}))
        (run / "config.toml").write_text(
            f'env = "Market"\nseed = {seed}\n[trainer]\nname = "q-learning"\n'
            f"[trainer.q-learning]\nalpha = {alpha}\n"
        )
        rows = [
            {"iteration": n, "env_steps": 100 * (n + 1), "values": {"rewards/group": 10 * alpha + seed * n}}
            for n in range(3)
        ]
        (run / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        found.append(run)
    return found


def test_learning_curves_have_a_band_over_the_seeds_of_like_runs(runs: list[Path]) -> None:
    axes = px.plot_learning(runs).figure().axes[0]
    first, second = axes.get_lines()
    assert [line.get_label() for line in (first, second)] == ["alpha 0.1", "alpha 0.5"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("env steps", "rewards/group")
    assert first.get_xdata()[[0, -1]].tolist() == [100, 300]
    assert first.get_ydata()[[0, -1]].tolist() == [1.0, pytest.approx(1 + 1.5 * 2)]
    band = axes.collections[0].get_paths()[0].get_extents()
    assert band.ymax == pytest.approx(4 + t_quantile(0.975, 1) * 1.0)  # values 3 and 5 at the end: se 1


def test_a_learning_curve_of_one_run_is_what_it_logged_or_an_average_of_it(runs: list[Path]) -> None:
    (line,) = px.plot_learning(runs[:1]).figure().axes[0].get_lines()
    assert line.get_ydata().tolist() == [1.0, 2.0, 3.0]
    (line,) = px.plot_learning(runs[:1], smooth=2).figure().axes[0].get_lines()
    assert line.get_ydata().tolist() == [1.0, 1.5, 2.5]


def test_what_runs_did_not_log_is_named(runs: list[Path]) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        px.plot_learning(runs, values=["rewards/grup"])
    assert str(caught.value) == (
        "The runs logged no 'rewards/grup'. Did you mean 'rewards/group'? Values: rewards/group."
    )
    with pytest.raises(ph.errors.ConfigError) as caught:
        px.plot_learning([])
    assert str(caught.value) == "There are no runs to draw. Name at least one run directory."
    with pytest.raises(ph.errors.ConfigError) as caught:
        px.plot_learning(runs, smooth=0)
    assert str(caught.value) == "smooth is 0. Expected a whole number from 1."


@pytest.mark.usefixtures("prices")
def test_plot_draws_runs_a_study_or_a_network(
    runs: list[Path], phantom: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "street.py").write_text(NETWORK)
    outcome = phantom("plot", *runs, "--out", "learning.svg")
    assert (outcome.code, outcome.out, outcome.err) == (
        0, "rewards/group by env steps, of 4 runs: learning.svg\n", "",
    )  # fmt: skip
    outcome = phantom("plot", "study", "--out", "grid.png", "--where", "treatment=off")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "price (EUR) by markup: means over seeds with 95 % intervals: grid.png\n"
    assert phantom("plot", "study", "--kind", "differences", "--value", "price", "--out", "d.pdf").code == 0
    outcome = phantom("plot", "./street.py:Street", "--out", "network.svg")
    assert outcome.out == "Network of 5 agents and 7 connections, of Street: network.svg\n"
    text = (tmp_path / "network.svg").read_text()
    assert all(f">{name}</text>" in text for name in ("SHOP", "C0", "C3", "Shop", "Customer"))
    assert (tmp_path / "d.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.usefixtures("runs", "prices")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["study", "other", "--kind", "grid"],
            ("phantom plot was given 'study', 'other', but only runs are drawn together. Name one study, or "
            "run directories."),
        ),
        (
            ["study", "--kind", "series", "--x", "a"],
            "The picture 'series' has no option 'x'. Options: values, by, where, level.",
        ),
        (["run-0.1-1", "--by", "alpha"], "The picture 'learning' has no option --by. Leave it out."),
        (
            ["study", "--kind", "histogram", "--value", "price", "--value", "steps"],
            ("The picture 'histogram' has one --value, but 'price', 'steps' were given. Draw several "
            "pictures."),
        ),
    ],
)  # fmt: skip
def test_a_wrong_command_is_one_message(
    arguments: list[str],
    message: str,
    phantom: Phantom,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = phantom("plot", *arguments, "--out", "a.svg")
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"Error: {message}\n")


def test_what_is_no_study_is_named(phantom: Phantom, tmp_path: Path) -> None:
    outcome = phantom("table", tmp_path / "nothing")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"Error: {tmp_path / 'nothing'} is no study: ")


def test_table_prints_means_differences_or_rows(prices: px.Results, phantom: Phantom) -> None:
    outcome = phantom("table", prices.directory)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{prices.summary().to_text()}\n"
    by_treatment = phantom("table", prices.directory, "--by", "treatment").out
    assert by_treatment == f"{prices.summary(by='treatment').to_text()}\n"
    compared = phantom("table", prices.directory, "--compare", "rule", "--format", "latex").out
    assert compared == prices.compare("rule").to_latex()
    rows = phantom(
        "table", prices.directory, "--rows", "episodes", "--where", "seed=2", "--format", "csv"
    ).out
    found = [*csv.DictReader(io.StringIO(rows))]
    assert [row["price"] for row in found] == [str(p) for p in prices.episodes.select(seed=2)["price"]]


def test_table_writes_a_file_and_says_how_many_episodes_failed(
    write_study: Callable[..., px.Results], phantom: Phantom, tmp_path: Path
) -> None:
    keys = {"point": 0, "treatment": "off", "episode": 0}
    results = write_study([{**keys, "seed": 1, "x": 1.0}, {**keys, "seed": 2, "error": "boom", "step": 1}])
    outcome = phantom("table", results.directory)
    assert outcome.err == f"1 episode failed: phantom table {results.directory} --rows episodes\n"
    outcome = phantom("table", results.directory, "--rows", "episodes", "--out", tmp_path / "e.csv")
    assert outcome.out == f"2 rows: {tmp_path / 'e.csv'}\n"
    assert (tmp_path / "e.csv").read_text() == (
        "point,treatment,seed,episode,x,error,step\n0,off,1,0,1.0,,\n0,off,2,0,,boom,1\n"
    )
