"""A run directory that is lost in mid-run: said once, nothing is made anew there, the run goes on."""

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.training.run_directory import RunDirectory


class Vandal(ph.Hooks):
    """Does something to the run directory before the third iteration."""

    def __init__(self, damage: Callable[[Path], object]) -> None:
        super().__init__()
        self.damage, self.path = damage, Path()

    def on_train_start(self, event: ph.TrainStart) -> None:
        self.path = event.run_directory or Path()

    def on_iteration_start(self, event: ph.IterationStart) -> None:
        if event.iteration == 2:
            self.damage(self.path)


def rename(path: Path) -> None:
    path.rename(path.with_name("renamed"))


def put_a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("a file")


def put_a_folder(path: Path) -> None:
    rename(path)
    path.mkdir()


LOSSES = pytest.mark.parametrize(
    ("damage", "loss", "left"),
    [
        (shutil.rmtree, "was deleted or renamed", None),
        (rename, "was deleted or renamed", None),
        (put_a_file, "was replaced by something else", "a file"),
    ],
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def train(folder: Path, damage: Callable[[Path], object], **changes: Any) -> ph.TrainingResults:
    options: dict[str, Any] = {
        "env": "gymnasium",
        "env_config": {"env": "FrozenLake-v1"},
        "num_iterations": 5,
        "loggers": ["csv", "tensorboard"],
        "checkpoint": ph.CheckpointPlan(every=1),
        "seed": 1,
        "hooks": [Vandal(damage)],
    }
    return ph.train("q-learning", run_dir=folder, **options | changes)


def sentences(path: Path, loss: str, refuge: Path) -> tuple[str, str]:
    return (
        (
            f"The run directory {path} {loss}. The run goes on, but cannot write there. Put it back as it "
            "was, or its policies are saved elsewhere at the end."
        ),
        f"The policies and the record of the run are in {refuge}. To see: phantom evaluate {refuge}",
    )


@LOSSES
def test_a_run_directory_that_is_lost_is_said_once_and_the_policies_are_rescued(
    damage: Callable[[Path], object],
    loss: str,
    left: str | None,
    tmp_path: Path,
    elsewhere: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    results = train(tmp_path / "runs", damage)
    path = results.run_directory or Path()
    (refuge,) = elsewhere.iterdir()
    assert (results.status, results.iterations, results.hook_failures) == ("completed", 5, ())
    assert results.problems == sentences(path, loss, refuge)
    assert tuple(caplog.messages) == results.problems
    assert (path.read_text() if path.exists() else None) == left
    evaluation, _ = ph.tools.evaluate_run(refuge, num_episodes=2)
    assert len(evaluation.episodes) == 2
    facts = json.loads((refuge / "run.json").read_text())
    assert (facts["status"], facts["iterations"]) == ("completed", 5)
    assert facts["problems"] == list(results.problems)


def test_another_folder_in_the_place_of_the_run_directory_gets_no_run_of_ours(
    tmp_path: Path, elsewhere: Path
) -> None:
    results = train(tmp_path / "runs", put_a_folder, loggers=["tensorboard"])
    (refuge,) = elsewhere.iterdir()
    path = results.run_directory or Path()
    assert results.problems == sentences(path, "was replaced by something else", refuge)
    assert [file.name for file in path.iterdir() if file.name != "metrics.jsonl"] == []
    assert json.loads((path.with_name("renamed") / "run.json").read_text())["status"] == "running"


def test_a_run_directory_that_is_back_at_the_end_has_all_of_the_run(tmp_path: Path, elsewhere: Path) -> None:
    class Repair(Vandal):
        def on_iteration_end(self, event: ph.IterationEnd) -> None:
            if event.iteration == 3:
                self.path.with_name("renamed").rename(self.path)

    results = train(tmp_path / "runs", lambda _: None, hooks=[Repair(rename)])
    path = results.run_directory or Path()
    assert results.problems == sentences(path, "was deleted or renamed", Path())[:1]
    assert [row.iteration for row in ph.tools.SavedRun.read(path).logged_values()] == [0, 1, 2, 3, 4]
    assert ph.load_policies(path).keys() == {"default"}
    assert json.loads((path / "run.json").read_text())["problems"] == list(results.problems)
    assert list(elsewhere.iterdir()) == []


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Makes a folder read-only, for root too: `os.access` and new files say so."""
    changed: list[Path] = []
    opened, access = Path.open, os.access

    def lock(path: Path) -> None:
        changed.append(path)
        path.chmod(stat.S_IRUSR | stat.S_IXUSR)

    def refuse_new(path: Path, mode: str = "r", *arguments: Any, **more: Any) -> Any:
        if path.parent in changed and "r" not in mode and not path.exists():
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, mode, *arguments, **more)

    def refuse_folder(path: Path, *arguments: Any, **more: Any) -> None:
        if path.parent in changed:
            raise PermissionError(13, "Permission denied", str(path))
        made(path, *arguments, **more)

    made = Path.mkdir
    monkeypatch.setattr(Path, "open", refuse_new)
    monkeypatch.setattr(Path, "mkdir", refuse_folder)
    monkeypatch.setattr(os, "access", lambda path, mode: path not in changed and access(path, mode))
    yield lock
    for path in changed:
        path.chmod(stat.S_IRWXU)


def test_a_run_directory_that_became_read_only_still_says_how_the_run_ended(
    tmp_path: Path, elsewhere: Path, read_only: Callable[[Path], None]
) -> None:
    results = train(tmp_path / "runs", read_only, checkpoint=None, loggers=[])
    path = results.run_directory or Path()
    (refuge,) = elsewhere.iterdir()
    assert (results.status, results.hook_failures) == ("completed", ())
    assert results.problems == sentences(path, "is read-only now", refuge)
    for folder in (path, refuge):  # a file that is there is written to in its place
        facts = json.loads((folder / "run.json").read_text())
        assert (facts["status"], facts["problems"]) == ("completed", list(results.problems))
    assert ph.load_policies(refuge).keys() == {"default"}
    assert [row.iteration for row in ph.tools.SavedRun.read(path).logged_values()] == [0, 1, 2, 3, 4]


def test_where_not_even_temporary_files_can_be_written_the_policies_are_in_the_results(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saving = RunDirectory.save_policies

    def refuse(directory: RunDirectory, policies: Any) -> Path:
        if directory.path.is_relative_to(elsewhere):
            raise ph.errors.CheckpointError("No room.")
        return saving(directory, policies)

    monkeypatch.setattr(RunDirectory, "save_policies", refuse)
    results = train(tmp_path / "runs", shutil.rmtree)
    path = results.run_directory or Path()
    loss, _ = sentences(path, "was deleted or renamed", Path())
    reason = f"The run directory {path} was deleted or renamed."
    assert results.problems == (loss, f"The policies are not saved. {reason}")
    assert results.policies.keys() == {"default"}
    assert list(elsewhere.iterdir()) == []


def test_a_run_that_fails_after_it_lost_its_directory_is_rescued_too(tmp_path: Path, elsewhere: Path) -> None:
    class Failing(Vandal):
        def on_iteration_start(self, event: ph.IterationStart) -> None:
            super().on_iteration_start(event)
            if event.iteration == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "runs", lambda _: None, hooks=[Failing(shutil.rmtree)])
    (refuge,) = elsewhere.iterdir()
    assert json.loads((refuge / "run.json").read_text())["status"] == "interrupted"
    assert ph.load_policies(refuge).keys() == {"default"}
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_plugin_that_fails_for_another_reason_is_named_all_the_same(tmp_path: Path) -> None:
    class Broken(Vandal):
        def on_metrics(self, event: ph.MetricsRecorded) -> None:
            Path("/nowhere/file").read_text()

    results = train(tmp_path / "runs", lambda _: None, hooks=[Broken(shutil.rmtree)])
    assert results.hook_failures == (
        (
            "Plugin 'Broken' failed 5 times in on_metrics: FileNotFoundError: [Errno 2] No such file or "
            "directory: '/nowhere/file'."
        ),
    )


def test_the_command_ends_with_code_1_and_says_where_the_policies_are(
    guess_folder: Path, elsewhere: Path, phantom: Callable[..., Any]
) -> None:
    (guess_folder / "vandal.py").write_text(
        "import shutil\nimport phantom_core as ph\n"
        "class Vandal(ph.Hooks):\n"
        "    def on_train_start(self, event): shutil.rmtree(event.run_directory)\n"
    )
    (guess_folder / "guess.toml").write_text(
        'env = "./guess_world.py:GuessEnv"\ntrainer = "q-learning"\niterations = 2\nseed = 1\n'
    )
    outcome = phantom("train", "guess.toml", "-p", "./vandal.py:Vandal")
    (refuge,) = elsewhere.iterdir()
    path = outcome.out.partition("run directory: ")[2].strip()
    assert outcome.code == 1
    said = sentences(Path(path), "was deleted or renamed", refuge)
    assert outcome.err == "".join(f"Error: {sentence}\n" for sentence in said)
    assert phantom("evaluate", refuge).code == 0
    assert list((guess_folder / "runs").iterdir()) == []
