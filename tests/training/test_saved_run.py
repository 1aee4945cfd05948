"""`ph.tools.SavedRun`: a run is read again as it was written."""

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph


class Oddities(ph.Hooks):
    """Logs what JSON has no number for."""

    def extra_values(self, event: ph.IterationEnd) -> dict[str, float]:
        return {"none": math.nan, "much": math.inf, "little": -math.inf, "half": 0.5}


class Idle(ph.Trainer):
    """Learns nothing."""

    policy_class = ph.RandomPolicy

    def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
        """Do nothing."""


@pytest.fixture
def run(supply_chain: Any, tmp_path: Path) -> Path:
    """The directory of a run of two iterations."""
    results = ph.train(
        Idle,
        env=supply_chain.SupplyChainEnv,
        num_iterations=2,
        seed=5,
        hooks=[Oddities()],
        run_dir=tmp_path,
    )
    assert results.run_directory is not None
    return results.run_directory


def test_facts_and_settings_are_those_of_the_files(run: Path) -> None:
    saved = ph.tools.SavedRun.read(str(run))
    assert saved.path == run
    assert (saved.facts["status"], saved.facts["seed"]) == ("completed", 5)
    assert saved.settings["iterations"] == 2


def test_logged_values_are_numbers_in_the_order_of_the_file(run: Path) -> None:
    rows = list(ph.tools.SavedRun.read(run).logged_values())
    assert [row.iteration for row in rows] == [0, 1]
    for row in rows:
        odd = [row.values[f"Oddities/{name}"] for name in ("much", "little", "half")]
        assert odd == [math.inf, -math.inf, 0.5]
        assert math.isnan(row.values["Oddities/none"])


@pytest.mark.parametrize("rest", [b'{"iteration":3,"env_st', '{"iteration":3,"values":{"é'.encode()[:-1]])
def test_a_line_that_was_cut_off_is_skipped(rest: bytes, run: Path) -> None:
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(rest)
    assert [row.iteration for row in ph.tools.SavedRun.read(run).logged_values()] == [0, 1]


def test_a_run_without_a_metrics_file_logged_nothing(run: Path) -> None:
    (run / "metrics.jsonl").unlink()
    assert list(ph.tools.SavedRun.read(run).logged_values()) == []


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda path: path.write_text("a = ["), lambda path: path.write_bytes(b"\xff")]
)
def test_settings_that_cannot_be_read_are_empty(spoil: Callable[[Path], Any], run: Path) -> None:
    spoil(run / "config.toml")
    assert ph.tools.SavedRun.read(run).settings == {}


def test_what_is_no_run_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        ph.tools.SavedRun.read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is no run directory: it has no run.json. Name a folder such as runs/<name>-<time>-<id>."
    )


def test_facts_that_cannot_be_read_are_told(run: Path) -> None:
    (run / "run.json").write_text("{")
    with pytest.raises(ph.errors.RunDirectoryError, match=r"run\.json cannot be read: "):
        ph.tools.SavedRun.read(run)


def with_facts(run: Path, **facts: Any) -> ph.tools.SavedRun:
    """Change what `run.json` says; None removes a fact."""
    path = run / "run.json"
    changed = json.loads(path.read_text()) | facts
    path.write_text(json.dumps({name: value for name, value in changed.items() if value is not None}))
    return ph.tools.SavedRun.read(run)


def ended_pid() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_the_status_of_a_run_that_has_ended_is_what_it_says(run: Path) -> None:
    assert ph.tools.SavedRun.read(run).status == "completed"
    assert with_facts(run, status="diverged").status == "diverged"
    assert with_facts(run, status=None).status == "unknown"


def test_a_run_that_says_it_is_running_is_running_or_gone_or_elsewhere(run: Path) -> None:
    mark = json.loads((run / "run.json").read_text())["process"]
    assert with_facts(run, status="running").status == "running"
    assert with_facts(run, process=mark | {"pid": ended_pid()}).status == "gone"
    assert with_facts(run, process=mark | {"host": "quince"}).status == "running on quince"
    inside = mark | {"pid_namespace": "pid:[1]"}
    assert with_facts(run, process=inside).status == f"running on {platform.node()}"
    assert with_facts(run, process=None).status == "running"


def test_times_are_those_of_the_record(run: Path) -> None:
    saved = with_facts(run, started="2026-03-01T10:00:00+00:00", ended="2026-03-01T12:30:00+01:00")
    assert saved.started == datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
    assert saved.ended == datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
    saved = with_facts(run, started="long ago", ended=None)
    assert (saved.started, saved.ended) == (None, None)


def test_a_run_that_is_gone_ended_when_it_wrote_last(run: Path) -> None:
    mark = json.loads((run / "run.json").read_text())["process"]
    saved = with_facts(run, status="running", ended=None, process=mark | {"pid": ended_pid()})
    os.utime(run / "run.json", (2_000_000_000, 2_000_000_000))
    os.utime(run / "metrics.jsonl", (2_000_000_060, 2_000_000_060))
    assert saved.ended == datetime(2033, 5, 18, 3, 34, 20, tzinfo=UTC)


def test_progress_is_what_the_record_says_or_else_what_was_logged_last(run: Path) -> None:
    saved = ph.tools.SavedRun.read(run)
    steps = saved.facts["env_steps"]
    progress = saved.progress()
    assert (progress.iterations, progress.env_steps, progress.planned) == (2, steps, 2)
    assert (progress.share, str(progress)) == (1.0, "100 % of 2 iterations")
    (first, _) = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (run / "metrics.jsonl").write_bytes(first)
    progress = with_facts(run, status="running", iterations=None, env_steps=None).progress()
    assert (progress.iterations, str(progress)) == (1, "50 % of 2 iterations")
    (run / "metrics.jsonl").unlink()
    assert str(saved.read(run).progress()) == "0 % of 2 iterations"
    (run / "config.toml").write_text("total_steps = 5000\n")
    assert str(with_facts(run, iterations=9, env_steps=4_999).progress()) == "99 % of 5,000 env steps"
    (run / "config.toml").unlink()
    assert str(ph.tools.SavedRun.read(run).progress()) == "9 iterations"


def rows(*iterations: int, width: int = 1, **more: Any) -> bytes:
    """Lines of `metrics.jsonl`."""
    values = {f"v{number}": 0.5 for number in range(width)}
    lines = [{"iteration": i, "env_steps": 10 * i, "values": values, **more} for i in iterations]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def newest(run: Path) -> list[int]:
    return [row.iteration for row in ph.tools.SavedRun.read(run).newest_values()]


def test_the_newest_values_are_read_from_the_end_of_the_file(run: Path) -> None:
    path = run / "metrics.jsonl"
    path.write_bytes(b"no line\n" * 100_000 + rows(*range(5_000)))
    found = newest(run)
    assert found == list(range(found[0], 5_000))
    assert 500 < len(found) < 2_000
    path.write_bytes(rows(*range(6), width=100_000))  # of 1.5 MB each, and 4 MiB are read
    assert newest(run) == [4, 5]
    path.write_bytes(rows(1, 2) + b'{"iteration":3,"env_st')
    assert newest(run) == [1, 2]
    path.write_bytes(rows(1) + rows(*range(70, 9_000), is_of_iteration=False))
    assert newest(run)[:2] == [1, 70]  # as far back as an iteration
    path.unlink()
    assert newest(run) == []


def test_newest_values_that_cannot_be_read_are_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    saved = ph.tools.SavedRun.read(run)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        saved.newest_values()
    assert str(caught.value) == f"{run / 'metrics.jsonl'} cannot be read: Permission denied."


def test_checkpoints_are_whole_or_damaged_and_signed_or_not(run: Path) -> None:
    numbered, final = ph.tools.SavedRun.read(run).checkpoints()
    assert (numbered.path, numbered.iterations) == (run / "checkpoints" / "iteration-000002", 2)
    assert (final.path, final.iterations) == (run / "policies", None)
    assert final.size == sum(path.stat().st_size for path in (run / "policies").iterdir())
    assert [(one.problem, one.is_signed) for one in (numbered, final)] == [("", True)] * 2
    (run / "policies" / "manifest.json").unlink()
    with (numbered.path / "arrays.npz").open("ab") as file:
        file.write(b"more")
    damaged = "is damaged: arrays.npz is not as it was written. Use another one."
    assert [(one.problem, one.is_signed) for one in ph.tools.SavedRun.read(run).checkpoints()] == [
        (f"The checkpoint {numbered.path} {damaged}", True),
        (f"The checkpoint {final.path} is damaged: it has no manifest.json. Use another one.", False),
    ]


def test_a_run_is_signed_as_long_as_its_settings_are_as_they_were_written(run: Path) -> None:
    assert ph.tools.SavedRun.read(run).is_signed
    with (run / "config.toml").open("a") as file:
        file.write("# changed\n")
    assert not ph.tools.SavedRun.read(run).is_signed
