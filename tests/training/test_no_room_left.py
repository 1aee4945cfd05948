"""A disk that is full for good: policies are rescued, run.json says how it ended, nothing else is left."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.training.run_directory import RunDirectory

NO_SPACE = "[Errno 28] No space left on device"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(path)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a disk can only be mounted by root")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, on another disk."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def fill(disk: Path) -> None:
    with (disk / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 1024)


class Filler(ph.Hooks):
    """Fills the disk when the run begins, or before an iteration."""

    def __init__(self, disk: Path, iteration: int | None = None) -> None:
        super().__init__()
        self.disk, self.iteration = disk, iteration

    def on_train_start(self, event: ph.TrainStart) -> None:
        if self.iteration is None:
            fill(self.disk)

    def on_iteration_start(self, event: ph.IterationStart) -> None:
        if event.iteration == self.iteration:
            fill(self.disk)


def train(disk: Path, *hooks: ph.Hooks) -> ph.TrainingResults:
    return ph.train(
        "q-learning",
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=5,
        seed=1,
        run_dir=disk / "runs",
        hooks=hooks,
        loggers=["csv", "tensorboard"],
        checkpoint=ph.CheckpointPlan(every=1),
        evaluation=ph.EvaluationPlan(episodes=100),
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_disk_that_is_full_in_mid_run_costs_no_policy_and_no_status(disk: Path, elsewhere: Path) -> None:
    results = train(disk, Filler(disk, 2))
    path = results.run_directory or Path()
    (saved,) = elsewhere.iterdir()
    checkpoint = path / "checkpoints" / "iteration-000003"
    assert (results.status, results.iterations) == ("completed", 5)
    assert results.problems == (
        f"No checkpoint after iteration 3. The checkpoint {checkpoint} cannot be written: {NO_SPACE}.",
        (
            f"The checkpoint {path / 'policies'} cannot be written: {NO_SPACE}. They are elsewhere. When "
            f"that is mended: mv {saved / 'policies'} {path}/"
        ),
    )
    facts = json.loads((path / "run.json").read_text())  # in the place of the old one
    assert (facts["status"], facts["problems"]) == ("completed", list(results.problems))
    assert len(facts["evaluation"]["episode_returns"][0][1]) == 100
    files = {"run.json", "config.toml", "metrics.jsonl", "metrics.csv", "checkpoints", "tensorboard"}
    assert names(path) == files
    assert names(path / "checkpoints") == {"iteration-000001", "iteration-000002"}
    assert [file for file in path.rglob("*") if file.is_file() and not file.stat().st_size] == []


def test_a_run_on_a_disk_that_is_full_leaves_nothing(disk: Path, elsewhere: Path) -> None:
    fill(disk)
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        train(disk)
    assert str(caught.value).endswith("/config.toml cannot be written: No space left on device.")
    assert names(disk / "runs") == set()
    assert names(elsewhere) == set()


def test_a_logger_without_room_for_its_first_bytes_leaves_no_empty_file(disk: Path, elsewhere: Path) -> None:
    with pytest.raises(ph.errors.HookError, match=r"'tensorboard' failed in on_train_start: OSError"):
        train(disk, Filler(disk))
    (path,) = (disk / "runs").iterdir()
    assert json.loads((path / "run.json").read_text())["status"] == "failed"
    assert names(path / "tensorboard") == set()
    assert len(names(elsewhere)) == 1


@pytest.fixture
def cannot_replace(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Refuses new files from now on, as a disk does that is full."""

    def refuse(*_: Any) -> Path:
        raise OSError(28, "No space left on device")

    return lambda: monkeypatch.setattr(Path, "replace", refuse)


@pytest.mark.parametrize("note", ["short", "long" * 2000])
def test_run_json_is_written_in_its_place_if_no_other_can_be(
    note: str, tmp_path: Path, cannot_replace: Callable[[], None]
) -> None:
    made = RunDirectory.create(tmp_path, "run")
    made.write_run({"status": "running", "note": "some" * 100})
    cannot_replace()
    facts: dict[str, Any] = {"status": "completed", "note": note}
    made.write_run(facts)
    assert made.read_run() == facts
    assert names(made.path) == {"run.json"}


def test_run_json_is_whole_if_there_is_no_room_in_its_place_either(
    tmp_path: Path, cannot_replace: Callable[[], None], size_limit: Callable[[int | None], None]
) -> None:
    made = RunDirectory.create(tmp_path, "run")
    made.write_run({"status": "running"})
    cannot_replace()
    size_limit(100)
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        made.write_run({"status": "completed", "note": "long" * 100})
    size_limit(None)
    assert str(caught.value) == f"{made.path / 'run.json'} cannot be written: File too large."
    assert made.read_run() == {"status": "running"}
