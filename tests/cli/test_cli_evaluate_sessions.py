"""Runs that learned in each copy of the env for itself: what one of the copies learned is evaluated."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph

RUN_FILE = """
env = "./guess_world.py:GuessEnv"
iterations = 2
seed = 1
[trainer.q-learning]
sessions = 3
steps_per_iteration = 200
alpha_final = 0.7
"""


@pytest.fixture
def run(phantom: Callable[..., Any]) -> str:
    """The directory of a run of three sessions."""
    Path("sessions.toml").write_text(RUN_FILE)
    found: str = phantom("train", "sessions.toml").out.splitlines()[0].removeprefix("run directory: ")
    return found


def test_what_one_session_learned_is_evaluated(phantom: Callable[..., Any], run: str) -> None:
    assert phantom("evaluate", run, "--copy", "1").out.splitlines()[-1] == "mean return 5.0"
    found, _ = ph.tools.evaluate_run(run, copy=2, num_episodes=3, seed=5)
    policy: Any = ph.load_policies(run)["default"]
    env = ph.tools.SavedRun.read(run).env_factory()()
    expected = ph.evaluate(env, {"default": policy.of_copy(2)}, {"G1": "default"}, num_episodes=3, seed=5)
    assert found.episode_returns == expected.episode_returns


def test_what_is_suggested_to_go_on_with_sessions_works(phantom: Callable[..., Any], run: str) -> None:
    (suggested,) = re.findall(r"phantom (evaluate .*)", phantom("runs", "show", run).out)
    assert suggested == f"evaluate {run} --copy 0"
    assert phantom(*suggested.split()).code == 0
    assert phantom("record", run, "--copy", "1", "--episodes", "1").code == 0


def test_an_evaluation_of_all_sessions_is_refused(phantom: Callable[..., Any], run: str) -> None:
    said = (
        f"Error: Policy 'default' of the run {run} learned in each of 3 copies of the env for itself. Say "
        "what is evaluated, by a number from 0 to 2: --copy 0, or evaluate_run(..., copy=0). In Python "
        "ph.load_policies(run)['default'].of_copy(0) is the policy of one copy.\n"
    )
    assert phantom("evaluate", run).err == said
    assert phantom("record", run).err == said
    assert phantom("evaluate", run, "--copy", "3").err == (
        "Error: There is no session 3. Expected a number from 0 to 2.\n"
    )


def test_a_simulation_of_all_sessions_is_refused(phantom: Callable[..., Any], run: str) -> None:
    assert phantom("simulate", run).err == (
        "Error: Policy 'default' has parameters for 3 copies of the env, but is to be played in 1. Play the "
        "policy of one of them: policies['default'].of_copy(0), where policies = ph.load_policies(run) for "
        "a saved run.\n"
    )


def test_a_copy_of_a_run_without_sessions_is_refused(
    phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    run = phantom("train", run_file()).out.splitlines()[0].removeprefix("run directory: ")
    assert phantom("evaluate", run, "--copy", "1").err == (
        f"Error: The run {run} did not learn in each copy of the env for itself, so there is no copy 1 to "
        "choose. Leave it out.\n"
    )
