"""`phantom simulate`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import phantom_core as ph
import phantom_experiments as px
from phantom_experiments.simulate_command import simulate_command

MODEL = """
import gymnasium as gym
import phantom_core as ph

class Household(ph.Agent):
    def reset(self):
        self.wealth = 1.0
    def generate_messages(self, ctx):
        self.wealth += self.random.random()

class Shop(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)
    def reset(self):
        self.action = 0
    def decode_action(self, ctx, action):
        self.action = action
    def encode_observation(self, ctx):
        return 0
    def compute_reward(self, ctx):
        return float(self.action)

class Savings(ph.PhantomEnv):
    def __init__(self, size=2, rate=0.0, num_steps=3):
        self.rate = rate
        super().__init__(num_steps=num_steps, network=ph.Network([Household(f"H{i}") for i in range(size)]))
    @property
    def total(self):
        if self.rate == 0.5:
            raise ValueError("no")
        return sum(agent.wealth for agent in self.agents.values())

class Market(ph.PhantomEnv):
    def __init__(self, num_shops=1):
        super().__init__(num_steps=3, network=ph.Network([Shop(f"S{i}") for i in range(num_shops)]))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "savings_model.py").write_text(MODEL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def simulate(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(simulate_command, arguments, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    assert result.return_value == code
    return result.output


def test_a_grid_is_a_table_in_a_file(folder: Path) -> None:
    output = simulate(
        "./savings_model.py:Savings", "--vary", "env_config.size=2,3", "--vary", "env_config.rate=0:0.2:2",
        "--seeds", "4", "--collect", "total", "--collect", "Household.wealth", "--out", "savings.csv",
    )  # fmt: skip
    assert output.splitlines()[-1] == "16 episodes in savings.csv"
    with (folder / "savings.csv").open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [(row["size"], row["rate"]) for row in found[::4]] == [
        ("2", "0.0"), ("2", "0.2"), ("3", "0.0"), ("3", "0.2"),
    ]  # fmt: skip
    assert all(float(row["total"]) > float(row["size"]) for row in found)
    assert sorted(path.name for path in folder.iterdir() if path.suffix != "") == [
        "savings.csv",
        "savings_model.py",
    ]


def test_an_episode_that_raises_gives_the_exit_code_1() -> None:
    output = simulate("./savings_model.py:Savings", "--vary", "rate=0.1,0.5", "--collect", "total", code=1)
    assert "1 of 2 episodes raised; their rows have the error." in output


def test_treatments_and_a_directory(folder: Path) -> None:
    simulate(
        "./savings_model.py:Savings", "--treatment", "long:num_steps=5", "--seeds", "2", "-o", "study",
        "--collect", "gini(Household.wealth)", "--every", "2",
    )  # fmt: skip
    results = px.Results.open(folder / "study")
    assert results.treatments == ("base", "long")
    assert [row["steps"] for row in results.episodes] == [3, 3, 5, 5]
    assert {row["step"] for row in results.steps} == {2, 4}


def test_policies_are_named_by_the_agents_or_by_the_policy_of_a_file(folder: Path) -> None:
    simulate("./savings_model.py:Market", "--set", "num_shops=2", "--policy", "Shop=random", "-o", "one")
    assert [row["agent"] for row in px.Results.open(folder / "one").agents] == ["S0", "S1"]
    (folder / "market.toml").write_text(
        'env = "./savings_model.py:Market"\ntrainer = "q-learning"\niterations = 3\n'
        '[policies.shop]\nagents = ["S0"]\n',
        encoding="utf-8",
    )
    simulate("market.toml", "--policy", "shop=random", "-o", "two")
    assert [row["agent"] for row in px.Results.open(folder / "two").agents] == ["S0"]
    with pytest.raises(ph.errors.PolicyMappingError):
        simulate("market.toml")


IS_SHOP = """
def is_shop(agent):
    return type(agent).__name__ == "Shop"
"""


@pytest.mark.parametrize("agents", ['agents = ["S0", "S1", "S2"]', 'class = "./is_shop.py:is_shop"'])
@pytest.mark.parametrize("model", ["run", "market.toml"])
def test_single_agents_of_a_policy_play_another_one(
    folder: Path, model: str, agents: str, phantom: Callable[..., Any]
) -> None:
    (folder / "is_shop.py").write_text(IS_SHOP, encoding="utf-8")
    (folder / "market.toml").write_text(
        'env = "./savings_model.py:Market"\nenv_config = { num_shops = 3 }\ntrainer = "q-learning"\n'
        f'iterations = 3\nseed = 1\nrun_dir = "runs"\n[policies.shop]\n{agents}\ntrain = true\n'
        'policy = "q-table"\nconfig = { initial_value = [[0.0, 1.0]] }\n',
        encoding="utf-8",
    )
    if model == "run":
        phantom("train", "market.toml")
        (found,) = (folder / "runs").iterdir()
        model = str(found)
    simulate(model, "--policy", "S1=random", "--seeds", "30", "-o", "one", "--workers", "2")
    rewards: dict[str, set[float]] = {}
    for row in px.Results.open(folder / "one").agents:
        rewards.setdefault(row["agent"], set()).add(row["reward"])
    assert rewards["S0"] == rewards["S2"] == {3.0}
    assert {0.0, 3.0} < rewards["S1"]


def test_agents_and_a_policy_are_replaced_together(folder: Path) -> None:
    (folder / "market.toml").write_text(
        'env = "./savings_model.py:Market"\nenv_config = { num_shops = 2 }\ntrainer = "q-learning"\n'
        'iterations = 3\n[policies.shop]\nclass = "./savings_model.py:Shop"\n',
        encoding="utf-8",
    )
    simulate("market.toml", "--policy", "shop=random", "--policy", "S1=q-table", "--seeds", "20", "-o", "one")
    earned = {row["agent"]: 0.0 for row in px.Results.open(folder / "one").agents}
    for row in px.Results.open(folder / "one").agents:
        earned[row["agent"]] += row["reward"]
    assert earned["S0"] > 0.0
    assert earned["S1"] == 0.0


def test_agents_that_there_are_not_are_named() -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        simulate("./savings_model.py:Market", "--policy", "Shp=random")
    assert str(caught.value).startswith(
        "Policy 'Shp' has no agents: Shp selects none of those that act ('S0'). Select at least one."
    )


def test_a_run_plays_its_policies_also_in_processes(folder: Path) -> None:
    run = ph.train(
        "q-learning",
        env="./savings_model.py:Market",
        policies={"shop": ["S0"]},
        num_iterations=3,
        seed=1,
        run_dir=folder / "runs",
    ).run_directory
    for workers in ("1", "2"):
        simulate(
            str(run), "--vary", "num_shops=1,2", "--seeds", "3", "--workers", workers, "-o", f"out{workers}"
        )
    read = [(folder / f"out{workers}" / "agents.jsonl").read_text() for workers in "12"]
    assert read[0] == read[1]
    assert len(read[0].splitlines()) == 9


def test_a_precision_bounds_the_seeds(folder: Path) -> None:
    simulate(
        "./savings_model.py:Savings", "--seeds", "100", "--collect", "total", "--precision", "total=10",
        "-o", "study",
    )  # fmt: skip
    assert len((folder / "study" / "episodes.jsonl").read_text().splitlines()) == 20
    assert json.loads((folder / "study" / "study.json").read_text())["until"] == ["total", 10.0, 20]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vary", "size"], "--vary 'size' has no value. Expected num_buyers=3,10,30."),
        (
            ["--treatment", "long"],
            "--treatment 'long' changes nothing. Expected a name and settings: taxed:tax=0.1.",
        ),
        (
            ["--collect", "a b"],
            (
                "--collect 'a b' says nothing that can be collected. Expected an attribute of the env "
                "(price), "
                "of agents "
                "(Household.wealth), of infos (info.score) or a value over agents (gini(Household.wealth)), "
                "with a name "
                "before = if need be."
            ),
        ),
        (["--executor", "locl"], None),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], message: str | None) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        simulate("./savings_model.py:Savings", *arguments)
    if message is None:
        assert str(caught.value).startswith("No executor named 'locl'. Did you mean 'local'?")
    else:
        assert str(caught.value) == message
