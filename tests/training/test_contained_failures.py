"""A logger that raises, or a disk that is full, loses no run and stops no neighbour; both are named."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph

NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


class Neighbour(ph.Hooks):
    """Writes down which hooks it got."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        self.log.append(f"metrics {event.iteration}")

    def on_train_end(self, event: ph.TrainEnd) -> None:
        self.log.append(event.status)


class Breaking(Neighbour):
    """Fails in one hook, in the iterations that it is told."""

    def __init__(self, hook: str, *iterations: int) -> None:
        super().__init__()
        self.hook, self.iterations = hook, iterations

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        super().on_metrics(event)
        if self.hook == "on_metrics" and event.iteration in self.iterations:
            raise NO_SPACE

    def on_train_end(self, event: ph.TrainEnd) -> None:
        super().on_train_end(event)
        if self.hook == "on_train_end":
            raise NO_SPACE


def run(folder: Path, *hooks: ph.Hooks, **changes: Any) -> ph.TrainingResults:
    return ph.train(
        "q-learning",
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=5,
        hooks=hooks,
        run_dir=folder,
        seed=1,
        **changes,
    )


def facts_of(results: ph.TrainingResults) -> dict[str, Any]:
    assert results.run_directory is not None
    facts: dict[str, Any] = json.loads((results.run_directory / "run.json").read_text())
    return facts


def lines_of(results: ph.TrainingResults) -> int:
    assert results.run_directory is not None
    return len((results.run_directory / "metrics.jsonl").read_text().splitlines())


ALL = ["metrics 0", "metrics 1", "metrics 2", "metrics 3", "metrics 4", "completed"]
TOLD = "[Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("breaking", "sentence"),
    [
        (Breaking("on_metrics", 1), f"Plugin 'Breaking' failed once in on_metrics: OSError: {TOLD}."),
        (Breaking("on_train_end"), f"Plugin 'Breaking' failed once in on_train_end: OSError: {TOLD}."),
    ],
    ids=["in the second iteration", "at the end"],
)
def test_a_logger_that_raises_loses_no_run_and_stops_no_neighbour(
    breaking: Breaking, sentence: str, tmp_path: Path
) -> None:
    class Aardvark(Neighbour):
        pass

    class Zebra(Neighbour):
        pass

    before, after = Aardvark(), Zebra()  # by name, one runs before the broken one and one after it
    results = run(tmp_path, before, breaking, after)
    assert before.log == after.log == breaking.log == ALL
    assert (results.status, results.iterations, lines_of(results)) == ("completed", 5, 5)
    assert results.hook_failures == (sentence,)
    assert facts_of(results)["hook_failures"] == [sentence]
    assert ph.load_policies(results.run_directory or "").keys() == {"default"}


def test_a_logger_that_keeps_raising_for_a_moment_is_tried_again_and_closes_its_files(tmp_path: Path) -> None:
    breaking = Breaking("on_metrics", *range(5))
    results = run(tmp_path, breaking)
    assert breaking.log == ALL
    assert facts_of(results)["hook_failures"] == [
        f"Plugin 'Breaking' failed 5 times in on_metrics: OSError: {TOLD}."
    ]


def test_a_broken_logger_changes_nothing_that_is_learned(tmp_path: Path) -> None:
    broken = run(tmp_path, Breaking("on_metrics", 0, 1, 2))
    whole = run(tmp_path)
    for one, other in zip(broken.history, whole.history, strict=True):
        assert {k: v for k, v in one.items() if "time/" not in k} == {
            k: v for k, v in other.items() if "time/" not in k
        }


class FullDisk(ph.Hooks):
    """Lets the next lines of metrics.jsonl go where there is no room."""

    @ph.hookimpl(tryfirst=True)
    def on_train_start(self, event: ph.TrainStart) -> None:
        assert event.run_directory is not None
        (event.run_directory / "metrics.jsonl").symlink_to("/dev/full")


def test_a_full_disk_costs_the_lines_of_metrics_and_not_the_run(tmp_path: Path) -> None:
    neighbour = Neighbour()
    results = run(tmp_path, FullDisk(), neighbour)
    assert neighbour.log == ALL
    assert facts_of(results)["hook_failures"] == [
        f"Plugin 'jsonl' failed 5 times in on_metrics: OSError: {TOLD}.",
        f"Plugin 'jsonl' failed once in on_train_end: HookError: 5 events were not written: OSError: {TOLD}.",
    ]


def no_room_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `run.json` impossible to replace, or to write in its place, once the run began."""
    whole, opened = Path.replace, Path.open

    def refuse(path: Path, target: Any) -> Any:
        file = Path(target)
        if file.name == "run.json" and file.exists() and "policy_by_agent" in file.read_text():
            raise NO_SPACE
        return whole(path, target)

    def refuse_in_place(path: Path, mode: str = "r", *arguments: Any, **more: Any) -> Any:
        if mode == "r+b":
            raise NO_SPACE
        return opened(path, mode, *arguments, **more)

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(Path, "open", refuse_in_place)


def test_a_record_that_cannot_be_written_at_the_end_loses_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_room_at_the_end(monkeypatch)
    results = run(tmp_path)
    path = (results.run_directory or tmp_path) / "run.json"
    assert (results.status, results.iterations) == ("completed", 5)
    assert results.problems == (f"{path} cannot be written: No space left on device.",)


def test_policies_that_cannot_be_written_are_put_elsewhere_and_the_run_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))

    whole = Path.rename

    def refuse(path: Path, target: Any) -> Any:
        if runs in Path(target).parents:
            raise NO_SPACE
        return whole(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    results = run(runs)
    directory = results.run_directory or tmp_path
    (saved,) = elsewhere.iterdir()
    sentence = (
        f"The checkpoint {directory / 'policies'} cannot be written: {TOLD}. They are "
        f"elsewhere. When that is mended: mv {saved / 'policies'} {directory}/"
    )
    assert results.status == "completed"
    assert results.problems == (sentence,)
    assert facts_of(results)["problems"] == [sentence]
    monkeypatch.undo()
    (saved / "policies").rename(directory / "policies")
    assert ph.load_policies(directory).keys() == {"default"}


def test_what_breaks_a_run_off_is_raised_even_if_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_room_at_the_end(monkeypatch)

    class Interrupting(ph.Hooks):
        def on_iteration_end(self, event: ph.IterationEnd) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Interrupting())


def test_a_checkpoint_that_cannot_be_written_loses_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.rename

    def refuse(path: Path, target: Any) -> Any:
        if Path(target).name.startswith("iteration-"):
            raise NO_SPACE
        return whole(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    results = run(tmp_path, checkpoint=ph.CheckpointPlan(every=1))
    directory = results.run_directory or tmp_path
    assert (results.status, results.iterations) == ("completed", 5)
    (problem,) = results.problems
    path = directory / "checkpoints" / "iteration-000001"
    assert problem == f"No checkpoint after iteration 1. The checkpoint {path} cannot be written: {TOLD}."
    assert facts_of(results)["problems"] == [problem]
    assert ph.load_policies(directory).keys() == {"default"}
