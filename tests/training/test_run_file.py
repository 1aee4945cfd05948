"""The run file: what it may say, what goes before what, and where each value came from."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from phantom_core.training.components import Components
from phantom_core.training.run_file import RunFile
from phantom_core.training.train import execute_run

BASE = 'env = "./guess_world.py:GuessEnv"\niterations = 2\nseed = 1\n'
FULL = (
    BASE
    + """
loggers = ["jsonl"]
env_config = { num_agents = 2 }
[trainer.q-learning]
alpha = 0.5
[policies.first]
agents = ["G1"]
config = { initial_value = 2.0 }
[policies.other]
agents = ["G2"]
policy = "random"
[metrics.number]
metric = "agent"
agent_id = "G1"
agent_property = "number"
[evaluate]
episodes = 3
reference_return = 5.0
"""
)


@pytest.fixture
def read(guess_folder: Path) -> Callable[..., RunFile]:
    """Write a run file beside `guess_world.py` and read it."""

    def read(text: str, *assignments: str) -> RunFile:
        path = guess_folder / "guess.toml"
        path.write_text(text)
        run_file = RunFile.read(path)
        for assignment in assignments:
            run_file.set_from_text(assignment)
        return run_file

    return read


def train(run_file: RunFile, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]], Path]:
    """Carry a run file out; return its run.json, the values it logged without times, and its folder."""
    run_file.set("run_dir", str(folder / "runs"), "test")
    settings = run_file.settings()
    components = Components(folder=run_file.folder, start="the run file")
    results = execute_run(settings, components, folder=run_file.folder, origins=run_file.origins)
    assert results.run_directory is not None
    facts = json.loads((results.run_directory / "run.json").read_text())
    rows = [json.loads(line) for line in (results.run_directory / "metrics.jsonl").read_text().splitlines()]
    return facts, [without_times(row["values"]) for row in rows], results.run_directory


def without_times(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.startswith("time/")}


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("env_config.x=3", 3),
        ("env_config.x = 1e-3", 1e-3),
        ("env_config.x=true", True),
        ("env_config.x='3'", "3"),
        ("env_config.x=word", "word"),
        ("env_config.x=two words", "two words"),
        ("env_config.x=a=b", "a=b"),
        ("env_config.x=", ""),
        ("env_config.x=[1, 2]", [1, 2]),
        ("env_config.x={ y = 1 }", {"y": 1}),
    ],
)
def test_set_reads_toml_and_takes_everything_else_as_text(
    assignment: str, value: Any, read: Callable[..., RunFile]
) -> None:
    assert read(BASE, assignment).table["env_config"] == {"x": value}


def test_set_makes_the_tables_on_its_way(read: Callable[..., RunFile]) -> None:
    run_file = read(BASE, "trainer.q-learning.alpha=0.2", "policies.p.agents=['G1']")
    assert run_file.table["trainer"] == {"q-learning": {"alpha": 0.2}}
    assert run_file.table["policies"] == {"p": {"agents": ["G1"]}}


@pytest.mark.parametrize(
    "trainer",
    [
        'trainer = "q-learning"\n',
        'trainer = { name = "q-learning" }\n',
        "[trainer.q-learning]\n",
        "[trainer.q-learning]\nalpha = 0.1\n",
        '[trainer]\nname = "Q_Learning"\n[trainer.q-learning]\nalpha = 0.1\n',
        '[trainer]\nname = "phantom-qlearning:q-learning"\n',
        'trainer = "phantom_qlearning:QLearningTrainer"\n',
    ],
)
def test_a_trainer_is_a_name_a_reference_or_a_table(
    trainer: str, read: Callable[..., RunFile], guess_folder: Path
) -> None:
    facts, _, _ = train(read(BASE + trainer), guess_folder)
    assert facts["trainer"] in ("q-learning", "QLearningTrainer")
    assert facts["status"] == "completed"


def test_settings_reach_the_trainer_however_its_name_is_spelt(
    read: Callable[..., RunFile], guess_folder: Path
) -> None:
    text = BASE + '[trainer]\nname = "q-learning"\n[trainer.Q_Learning]\nalpha = 0.25\ndecay_fraction = 0.0\n'
    _, rows, _ = train(read(text + "alpha_final = 0.25\n"), guess_folder)
    assert rows[0]["default/alpha"] == 0.25


def test_settings_of_another_trainer_wait_until_it_is_chosen(read: Callable[..., RunFile]) -> None:
    text = BASE + '[trainer]\nname = "q-learning"\n[trainer."phantom-qlearning:q-learning"]\nalpha = 0.5\n'
    assert read(text).settings().trainer == "q-learning"


def test_what_the_command_line_says_goes_before_the_file_and_the_file_before_the_default(
    read: Callable[..., RunFile], guess_folder: Path
) -> None:
    text = 'env = "./guess_world.py:GuessEnv"\niterations = 3\n'
    text += "[trainer.q-learning]\nalpha = 0.5\nepsilon = 0.5\n"
    run_file = read(text, "trainer.q-learning.alpha=0.25")
    run_file.set("seed", 7, "--seed")
    facts, rows, _ = train(run_file, guess_folder)
    assert len(rows) == 3
    assert (facts["seed"], rows[0]["default/alpha"], rows[0]["default/epsilon"]) == (7, 0.25, 0.5)
    assert facts["origins"] == {
        "env": "file",
        "iterations": "file",
        "name": "default",
        "seed": "--seed",
        "trainer.name": "file",
        "trainer.q-learning.alpha": "--set",
        "trainer.q-learning.epsilon": "file",
    }


def test_a_seed_that_nobody_gave_is_recorded(read: Callable[..., RunFile], guess_folder: Path) -> None:
    text = 'env = "./guess_world.py:GuessEnv"\niterations = 1\ntrainer = "q-learning"\n'
    facts, rows, folder = train(read(text), guess_folder)
    assert facts["origins"]["seed"] == "default"
    _, again, _ = train(RunFile.read(folder / "config.toml"), guess_folder)
    assert again == rows


@pytest.mark.parametrize(
    ("assignment", "iterations"), [("iterations=1", 1), ("total_steps=150", 3), ("total_steps=151", 4)]
)
def test_a_length_on_the_command_line_replaces_the_one_in_the_file(
    assignment: str, iterations: int, read: Callable[..., RunFile], guess_folder: Path
) -> None:
    facts, _, _ = train(read(BASE + 'trainer = "q-learning"\n', assignment), guess_folder)
    assert facts["iterations"] == iterations  # each plays 10 episodes of 5 steps


def test_the_config_of_a_run_is_a_run_file_that_repeats_it(
    read: Callable[..., RunFile], guess_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    facts, rows, folder = train(read(FULL), guess_folder)
    copy = tmp_path_factory.mktemp("elsewhere") / "again.toml"
    copy.write_bytes((folder / "config.toml").read_bytes())
    facts_again, rows_again, folder_again = train(RunFile.read(copy), guess_folder)
    assert rows_again == rows
    assert facts_again["evaluation"] == facts["evaluation"]
    assert (folder_again / "config.toml").read_text() == (folder / "config.toml").read_text()


def test_the_name_of_a_run_is_that_of_its_file_unless_it_says_so(
    read: Callable[..., RunFile], guess_folder: Path
) -> None:
    unnamed, named = BASE + 'trainer = "q-learning"\n', BASE + 'trainer = "q-learning"\nname = "my run"\n'
    assert train(read(unnamed), guess_folder)[2].name.startswith("guess-")
    facts, _, folder = train(read(named), guess_folder)
    assert facts["name"] == "my run"
    assert folder.name.startswith("my-run-")


def test_a_policy_is_for_a_class_of_agents_or_for_those_that_a_function_means(
    read: Callable[..., RunFile], guess_folder: Path
) -> None:
    with (guess_folder / "guess_world.py").open("a") as file:
        file.write("\n\ndef is_first(agent):\n    return agent.id == 'G1'\n")
    text = BASE + 'trainer = "q-learning"\n[policies.p]\nclass = "./guess_world.py:'
    assert train(read(text + 'GuessAgent"\n'), guess_folder)[0]["policy_by_agent"] == [["G1", "p"]]
    assert train(read(text + 'is_first"\n'), guess_folder)[0]["policy_by_agent"] == [["G1", "p"]]


def test_a_metric_may_be_a_class_of_ones_own(read: Callable[..., RunFile], guess_folder: Path) -> None:
    with (guess_folder / "guess_world.py").open("a") as file:
        file.write("\n\nclass Ones(ph.metrics.Metric):\n    def extract(self, env):\n        return 1.0\n")
    text = BASE + 'trainer = "q-learning"\n[metrics.ones]\nmetric = "./guess_world.py:Ones"\n'
    _, rows, folder = train(read(text), guess_folder)
    assert [row["ones"] for row in rows] == [1.0, 1.0]
    assert train(RunFile.read(folder / "config.toml"), guess_folder)[1] == rows
