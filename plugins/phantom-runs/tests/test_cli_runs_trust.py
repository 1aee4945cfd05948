"""`phantom runs trust RUN`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph

TRAINER = """
import phantom_core as ph


class Idle(ph.Trainer):
    "Learns nothing."

    policy_class = ph.RandomPolicy

    def training_step(self, env, policy_mapping, policies, policies_to_train):
        pass
"""


@pytest.fixture
def of_another(guess_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that another user wrote, whose env is in a file."""
    (guess_folder / "idle.py").write_text(TRAINER)
    run = ph.train(
        f"{guess_folder}/idle.py:Idle",
        env=f"{guess_folder}/guess_world.py:GuessEnv",
        num_iterations=1,
        seed=1,
        run_dir=tmp_path / "runs",
    ).run_directory
    assert run is not None
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-of-another"))
    return run


def test_signs_a_run_and_says_what_it_names(of_another: Path, phantom: Callable[..., Any]) -> None:
    assert phantom("evaluate", of_another).code == 2
    outcome = phantom("runs", "trust", of_another)
    assert (outcome.code, outcome.err) == (0, "")
    first, *rows = outcome.out.splitlines()
    assert first == f"{of_another} is signed. Loading it imports:"
    assert rows[0].split() == ["config.toml", "env", f"{of_another.parent.parent}/guess_world.py:GuessEnv"]
    assert phantom("evaluate", of_another).code == 0


def test_what_is_no_run_is_told(tmp_path: Path, phantom: Callable[..., Any]) -> None:
    outcome = phantom("runs", "trust", tmp_path)
    assert outcome.code == 2
    assert outcome.err.startswith(f"Error: {tmp_path} is no run directory")


def test_nothing_of_what_a_run_names_is_hidden_by_control_sequences(
    of_another: Path, phantom: Callable[..., Any]
) -> None:
    config = of_another / "config.toml"
    config.write_text(f'{config.read_text()}\n[env_config]\n"\\u001b[2K\\r\\n" = "evil:run"\n')
    outcome = phantom("runs", "trust", of_another)
    assert outcome.code == 0
    assert all(line.isprintable() for line in outcome.out.split("\n"))
    assert r"  config.toml env_config.\x1b[2K\r\n " in outcome.out
