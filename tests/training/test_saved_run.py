"""`ph.tools.SavedRun`: a run is read again as it was written."""

import math
from collections.abc import Callable
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
