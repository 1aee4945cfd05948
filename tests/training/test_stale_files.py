"""What a killed run left under temporary names is swept by the next run; nobody else's is touched."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.training.checkpoint import load_checkpoint, remove_checkpoint, save_checkpoint
from phantom_core.training.process_mark import mark_of_this_process
from phantom_core.training.run_directory import RunDirectory

STRAY = ".run.json-0123abcd", ".policies-0123abcd", "checkpoints/.iteration-000003-0123abcd"


@pytest.fixture(scope="module")
def dead() -> dict[str, Any]:
    """The mark of a process that is gone."""
    code = (
        "import json; from phantom_core.training.process_mark import *; "
        "print(json.dumps(mark_of_this_process()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    mark: dict[str, Any] = json.loads(done.stdout)
    return mark


def left(parent: Path, facts: object) -> Path:
    """Make a run directory with stray files."""
    path = parent / "left"
    (path / "checkpoints").mkdir(parents=True)
    (path / "run.json").write_text(json.dumps(facts))
    for name in STRAY:
        (path / name).write_text("half") if "json" in name else (path / name).mkdir()
    return path


def strays(path: Path) -> list[str]:
    return [name for name in STRAY if (path / name).exists()]


def test_what_a_process_that_is_gone_left_is_removed_by_the_next_run(
    tmp_path: Path, dead: dict[str, Any]
) -> None:
    path = left(tmp_path, {"process": dead})
    (path / ".hidden").write_text("the user's")
    (path / ".notes-2024").write_text("the user's")
    RunDirectory.create(tmp_path, "next")
    assert strays(path) == []
    assert {file.name for file in path.iterdir()} == {"run.json", "checkpoints", ".hidden", ".notes-2024"}


HERE = mark_of_this_process()


@pytest.mark.parametrize(
    "changes",
    [HERE, {"host": "elsewhere"}, {"pid_namespace": "pid:[1]"}, {"pid": "x"}, {"pid": -1}, {"pid": 10**30}],
    ids=["here", "host", "namespace", "text", "negative", "large"],
)
def test_what_may_be_somebody_elses_is_left_alone(
    changes: dict[str, Any], tmp_path: Path, dead: dict[str, Any]
) -> None:
    path = left(tmp_path, {"process": dead | changes})
    RunDirectory.create(tmp_path, "next")
    assert strays(path) == list(STRAY)


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"process": null}', "[" * 100_000])
def test_without_a_record_nobody_is_known_to_be_gone(content: str | None, tmp_path: Path) -> None:
    path = left(tmp_path, {})
    (path / "run.json").unlink()
    if content is not None:
        (path / "run.json").write_text(content)
    RunDirectory.create(tmp_path, "next")
    assert strays(path) == list(STRAY)


def test_a_checkpoint_that_was_being_replaced_is_restored(tmp_path: Path, dead: dict[str, Any]) -> None:
    path = left(tmp_path, {"process": dead})
    save_checkpoint(path / "policies", {"number": 1})
    (path / "policies").rename(path / ".policies-89abcdef-old")
    RunDirectory.create(tmp_path, "next")
    assert load_checkpoint(path / "policies") == {"number": 1}
    assert {file.name for file in path.iterdir()} == {"run.json", "checkpoints", "policies"}


def test_a_checkpoint_that_was_replaced_stays_replaced(tmp_path: Path, dead: dict[str, Any]) -> None:
    path = left(tmp_path, {"process": dead})
    save_checkpoint(path / ".policies-89abcdef-old", {"number": 1})
    save_checkpoint(path / "policies", {"number": 2})
    RunDirectory.create(tmp_path, "next")
    assert load_checkpoint(path / "policies") == {"number": 2}
    assert {file.name for file in path.iterdir()} == {"run.json", "checkpoints", "policies"}


def test_a_checkpoint_that_was_being_removed_does_not_come_back(
    tmp_path: Path, dead: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = left(tmp_path, {"process": dead})
    save_checkpoint(path / "checkpoints" / "iteration-000001", {"number": 1})
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # killed before
        remove_checkpoint(path / "checkpoints" / "iteration-000001")
    assert len(list((path / "checkpoints").iterdir())) == 2
    RunDirectory.create(tmp_path, "next")
    assert list((path / "checkpoints").iterdir()) == []


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path: Path, dead: dict[str, Any]) -> None:
    path, target = left(tmp_path, {"process": dead}), tmp_path / "target"
    target.mkdir()
    (target / "file").write_text("the user's")
    (path / ".metrics.csv-0123abcd").symlink_to(target)
    RunDirectory.create(tmp_path, "next")
    assert not (path / ".metrics.csv-0123abcd").is_symlink()
    assert (target / "file").exists()


KILLED = """
import os, signal
import phantom_core as ph
from phantom_core.training import checkpoint
from phantom_testing import IdentityEnv

def killed(file):
    os.kill(os.getpid(), signal.SIGKILL)

class Killer(ph.Hooks):
    def on_iteration_start(self, event):
        if event.iteration == 2:
            checkpoint.sync = killed

plan = ph.CheckpointPlan(every=1)
ph.train("q-learning", env=IdentityEnv, num_iterations=9, run_dir="runs", hooks=[Killer()], checkpoint=plan)
"""


def test_a_run_that_was_killed_while_it_wrote_leaves_nothing_after_the_next_one(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    (path,) = (tmp_path / "runs").iterdir()
    hidden = [file for file in path.rglob(".*") if file.is_dir()]
    assert len(hidden) == 1
    ph.train(
        "q-learning",
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=1,
        run_dir=path.parent,
    )
    assert list(path.rglob(".*")) == []
    assert {file.name for file in (path / "checkpoints").iterdir()} == {
        "iteration-000001",
        "iteration-000002",
    }
