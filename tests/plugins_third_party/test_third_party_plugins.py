"""What a stranger writes: a trainer and a logger, each one file and a few lines of metadata."""

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph

BANDIT = '''
"""The trainer `bandit`: keeps the mean reward of each action in each observation."""

from dataclasses import dataclass
import numpy as np
import phantom_core as ph


class BanditPolicy(ph.Policy):
    def __init__(self, observation_space, action_space):
        super().__init__(observation_space, action_space)
        self.sums = np.zeros((observation_space.n, action_space.n, 2))  # rewards, times

    def compute_action(self, observation):
        return int(np.argmax(self.sums[observation, :, 0] / np.maximum(self.sums[observation, :, 1], 1)))

    def sample_actions(self, observations, rng):
        return [int(draw * self.action_space.n) for draw in rng.uniform()], {}

    def state_dict(self):
        return {"sums": self.sums}

    def load_state_dict(self, state):
        self.sums = np.array(state["sums"])


@dataclass(frozen=True)
class BanditConfig:
    episodes: int = 5


class BanditTrainer(ph.Trainer):
    config_class, policy_class = BanditConfig, BanditPolicy

    def collect_plan(self):
        return ph.CollectPlan(episodes=self.config.episodes)

    def update(self, policy_id, policy, batch, rng):
        of = batch.transitions
        np.add.at(policy.sums, (of.observations, of.actions), np.c_[of.rewards, np.ones(len(of))])
        return {"tries": policy.sums[..., 1].sum()}
'''

DIARY = '''
"""The logger `diary`: one line for each iteration, in a file of the run directory."""

from dataclasses import dataclass

import phantom_core as ph


@dataclass(frozen=True)
class DiaryConfig:
    file: str = "diary.txt"
    """The name of the file."""


class DiaryLogger(ph.Hooks):
    config_class = DiaryConfig

    def on_train_start(self, event):
        self.path = event.run_directory / self.config.file

    def on_metrics(self, event):
        with self.path.open("a") as file:
            file.write(f"{event.iteration}: {', '.join(sorted(event.values))}\\n")
'''

ENTRY_POINTS = {
    "phantom_core.trainers": {"bandit": "acme_bandit:BanditTrainer"},
    "phantom_core.loggers": {"diary": "acme_diary:DiaryLogger"},
}
MODULES = {"acme_bandit": BANDIT, "acme_diary": DIARY}

RUN_FILE = """
env = "./guess_world.py:GuessEnv"
loggers = ["diary"]
iterations = 4
seed = 1
[trainer.bandit]
episodes = 10
[logger.diary]
file = "mine.txt"
[evaluate]
episodes = 20
reference_return = 5.0
"""


@pytest.fixture
def acme(fake_distribution: Callable[..., Path]) -> Path:
    """The folder in which the distribution `acme` is installed."""
    return fake_distribution("acme", ENTRY_POINTS, MODULES, version="0.3", summary="Bandits and diaries.")


@pytest.mark.parametrize("source", [BANDIT, DIARY], ids=["trainer", "logger"])
def test_a_plugin_is_short_and_uses_only_public_names(source: str) -> None:
    assert len(source.strip().splitlines()) <= 40
    assert set(re.findall(r"\bph\.(\w+)", source)) <= set(ph.__all__)
    assert "phantom_core." not in source


@pytest.mark.usefixtures("acme")
def test_a_third_party_trainer_is_found_by_name_and_learns(
    guess_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(guess_folder)
    results = ph.train(
        "bandit",
        env=importlib.import_module("guess_world").GuessEnv,
        trainer_config={"episodes": 10},
        num_iterations=4,
        evaluation=ph.EvaluationPlan(episodes=20),
        seed=1,
        run_dir=guess_folder / "runs",
    )
    assert [row["default/tries"] for row in results.history] == [50, 100, 150, 200]
    assert results.evaluation is not None
    assert results.evaluation.mean_return == 5.0  # a random policy earns 1.7


@pytest.mark.usefixtures("acme")
def test_settings_of_a_third_party_trainer_are_checked_like_ours() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train("bandit", env="gymnasium", trainer_config={"episode": 3}, num_iterations=1)
    assert str(caught.value) == (
        "trainer.bandit has no setting 'episode'. Did you mean 'episodes'? Its settings: episodes."
    )


def test_third_party_plugins_train_from_the_command_line(acme: Path, guess_folder: Path) -> None:
    """In a process of its own, where the distribution is on the path and nothing else is known of it."""
    (guess_folder / "guess.toml").write_text(RUN_FILE)
    environment: dict[str, Any] = os.environ | {"PYTHONPATH": str(acme)}
    done = subprocess.run(
        [Path(sys.executable).with_name("phantom"), "train", "guess.toml"],
        cwd=guess_folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "mean return 5.0 = 100.0 % of 5.0"  # a random one is 1.7
    (run,) = (guess_folder / "runs").iterdir()
    facts = json.loads((run / "run.json").read_text())
    (plugin,) = [plugin for plugin in facts["plugins"] if plugin["distribution"] == "acme"]
    assert (plugin["version"], plugin["source"], len(plugin["sha256"])) == ("0.3", "index", 64)
    assert facts["hook_order"]["on_metrics"] == ["diary", "jsonl"]
    assert (run / "mine.txt").read_text().splitlines()[-1] == "3: eval/mean_return"
