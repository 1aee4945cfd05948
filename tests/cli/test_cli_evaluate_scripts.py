"""`phantom evaluate` of runs that a script made: where its env is, who its agents are, how it broke off."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.training.references import reference_to

SIDES = """
import enum

import gymnasium as gym

import phantom_core as ph


class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2


class Walker(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)
    action = 0

    def decode_action(self, ctx, action):
        self.action = action

    def encode_observation(self, ctx):
        return 0

    def compute_reward(self, ctx):
        return float(self.action)


class SidesEnv(ph.PhantomEnv):
    def __init__(self):
        super().__init__(2, ph.Network([Walker(Side.LEFT), Walker((Side.RIGHT, 1)), Walker(3)]))
"""

SCRIPT = """
import sys

import phantom_core as ph
from sides_world import SidesEnv, Side

if __name__ == "__main__":
    ph.train(
        "q-learning",
        env=SidesEnv,
        policies={"one": [Side.LEFT], "rest": [(Side.RIGHT, 1), 3]},
        num_iterations=2,
        checkpoint=ph.CheckpointPlan(every=1),
        evaluation=ph.EvaluationPlan(episodes=3),
        seed=1,
        run_dir="runs",
    )
"""


def run_script(folder: Path) -> Path:
    """Run the script in another folder than the current one; return its run directory."""
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "script.py"], cwd=folder, env=environ, check=True, capture_output=True)
    (found,) = (folder / "runs").iterdir()
    return found


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of a script with its env beside it."""
    (tmp_path / "sides_world.py").write_text(SIDES)
    (tmp_path / "script.py").write_text(SCRIPT)
    return run_script(tmp_path)


def test_an_env_beside_the_script_and_ids_that_json_cannot_hold_are_found_again(
    run: Path, phantom: Callable[..., Any]
) -> None:
    assert f'env = "{run.parent.parent}/sides_world.py:SidesEnv"' in (run / "config.toml").read_text()
    outcome = phantom("evaluate", run)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert [line.partition(": mean")[0] for line in lines[:-1]] == ["Side.LEFT", "(<Side.RIGHT: 2>, 1)", "3"]


def test_a_run_that_was_killed_says_where_its_checkpoints_are(run: Path, phantom: Callable[..., Any]) -> None:
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "status": "running"}))
    (run / "policies").rename(run / "gone")
    newest = run / "checkpoints" / "iteration-000002"
    message = (
        f"The run {run} has no final policies: it broke off, or is still going on. Its newest checkpoint, "
        f"for phantom evaluate and ph.load_policies, is {newest}"
    )
    assert phantom("evaluate", run).err == f"Error: {message}\n"
    outcome = phantom("evaluate", newest)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == f"mean return {facts['evaluation']['mean_return']:.1f}"
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        ph.load_policies(run)
    assert str(caught.value) == message
    assert ph.load_policies(newest).keys() == {"one", "rest"}


def test_an_env_in_a_package_beside_the_script_is_found_again_with_its_neighbours(
    tmp_path: Path, phantom: Callable[..., Any]
) -> None:
    package = tmp_path / "sides_of" / "worlds"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "parts.py").write_text(SIDES)
    (package / "whole.py").write_text("from .parts import SidesEnv\n\nclass WholeEnv(SidesEnv):\n    pass\n")
    script = SCRIPT.replace("from sides_world", "from sides_of.worlds.parts").replace(
        "env=SidesEnv", "env=WholeEnv"
    )
    (tmp_path / "script.py").write_text(f"from sides_of.worlds.whole import WholeEnv\n{script}")
    run = run_script(tmp_path)
    assert f'env = "{package}/whole.py:WholeEnv"' in (run / "config.toml").read_text()
    outcome = phantom("evaluate", run)
    assert (outcome.code, outcome.err) == (0, "")


def test_what_is_installed_is_named_by_its_module() -> None:
    assert reference_to(ph.PhantomEnv) == "phantom_core.envs.env:PhantomEnv"
    assert reference_to(pytest.Item) == "_pytest.nodes:Item"
