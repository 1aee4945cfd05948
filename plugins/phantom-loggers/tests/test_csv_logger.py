"""The logger `csv`: one row per iteration, also when values appear later or the file was broken off."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph
from phantom_loggers import CsvLogger

START: dict[str, Any] = {
    "run_name": "r",
    "trainer_name": "t",
    "num_iterations": 1,
    "total_steps": None,
    "seed": 1,
}


def start(folder: Path | None, state: dict[str, Any] | None = None) -> CsvLogger:
    """Start a run, or go on with one whose checkpoint has this state."""
    logger = CsvLogger()
    if state is not None:
        logger.load_state_dict(json.loads(json.dumps(state)))
    logger.on_train_start(ph.TrainStart(run_directory=folder, is_resumed=state is not None, **START))
    return logger


def record(logger: CsvLogger, iteration: int, **values: float) -> None:
    logger.on_metrics(ph.MetricsRecorded(iteration=iteration, env_steps=10 * iteration, values=values))


def text_of(folder: Path) -> str:
    return (folder / "metrics.csv").read_text()


def test_each_iteration_is_a_row_below_a_heading(tmp_path: Path) -> None:
    logger = start(tmp_path)
    record(logger, 0, b=1.5, a=math.nan)
    record(logger, 1, b=-math.inf, a=0.1)
    assert text_of(tmp_path) == "iteration,env_steps,a,b\n0,0,nan,1.5\n1,10,0.1,-inf\n"


def test_a_value_that_appears_later_is_a_column_more_and_one_that_is_missing_an_empty_cell(
    tmp_path: Path,
) -> None:
    logger = start(tmp_path)
    record(logger, 0, b=1.0)
    record(logger, 1, a=2.0, c=3.0)
    record(logger, 2, b=4.0)
    assert text_of(tmp_path) == "iteration,env_steps,b,a,c\n0,0,1.0,,\n1,10,,2.0,3.0\n2,20,4.0,,\n"
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_a_file_that_is_there_is_continued_also_if_it_was_broken_off(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("iteration,env_steps,a\n0,0,1.0\n1,10,2.")
    logger = start(tmp_path)
    record(logger, 1, a=2.0)
    record(logger, 2, a=3.0, b=4.0)
    assert text_of(tmp_path) == "iteration,env_steps,a,b\n0,0,1.0,\n1,10,2.0,\n2,20,3.0,4.0\n"


@given(
    rows=st.lists(
        st.dictionaries(st.text("ab,\"\n'/", min_size=1, max_size=3), st.floats(), max_size=4), max_size=5
    )
)
def test_what_is_written_is_read_back_as_it_was(
    rows: list[dict[str, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    logger = start(folder)
    for iteration, values in enumerate(rows):
        record(logger, iteration, **values)
    if not rows:
        assert list(folder.iterdir()) == []
        return
    with (folder / "metrics.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    for iteration, (values, cells) in enumerate(zip(rows, read, strict=True)):
        assert cells.pop("iteration") == str(iteration)
        assert cells.pop("env_steps") == str(10 * iteration)
        found = {name: float(cell) for name, cell in cells.items() if cell}
        assert {k: repr(v) for k, v in found.items()} == {k: repr(v) for k, v in values.items()}


def test_it_follows_a_run_by_name(tmp_path: Path) -> None:
    results = ph.train(
        "q-learning",
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=3,
        loggers=["csv"],
        run_dir=tmp_path,
    )
    assert results.run_directory is not None
    with (results.run_directory / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["episode_length"]) for row in rows] == [
        row["episode_length"] for row in results.history
    ]


def test_a_run_that_writes_nothing_refuses_it() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train(
            "q-learning",
            env="gymnasium",
            env_config={"env": "FrozenLake-v1"},
            num_iterations=1,
            loggers=["csv"],
            run_dir=None,
        )
    assert str(caught.value) == (
        "Plugin 'csv': it writes into the run directory, and this run has none. Give run_dir, or leave it "
        "out."
    )


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_resumed_run_has_the_file_of_one_that_was_not_cut(
    cut_run: Callable[..., Path], whole_run: Callable[..., Path], *, is_killed: bool
) -> None:
    settings = {"loggers": ["csv"], "evaluation": ph.EvaluationPlan(episodes=2, every=4)}
    run = cut_run(is_killed=is_killed, **settings)
    assert len(rows_of(run)) == 5  # two of them after the checkpoint
    ph.resume(run, hooks=[])
    assert rows_of(run) == rows_of(whole_run(**settings))


def rows_of(run: Path) -> list[dict[str, str]]:
    """The rows, but for times."""
    with (run / "metrics.csv").open(newline="") as file:
        return [{n: cell for n, cell in row.items() if n[:5] != "time/"} for row in csv.DictReader(file)]


def test_what_came_after_the_checkpoint_is_removed_columns_too(tmp_path: Path) -> None:
    logger = start(tmp_path)
    record(logger, 0, b=1.0)
    record(logger, 1, b=2.0)
    state, before = logger.state_dict(), text_of(tmp_path)
    record(logger, 2, b=3.0, a=4.0)
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("3,30,5.")  # a kill in mid-write
    logger = start(tmp_path, state)
    assert (text_of(tmp_path), logger.state_dict()) == (before, state)
    record(logger, 2, b=3.0, a=4.0)
    assert text_of(tmp_path) == "iteration,env_steps,b,a\n0,0,1.0,\n1,10,2.0,\n2,20,3.0,4.0\n"


def test_a_file_that_lost_rows_is_continued_and_a_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "metrics.csv"
    logger = start(tmp_path)
    record(logger, 0, b=1.0)
    record(logger, 1, b=2.0)
    state = logger.state_dict()
    path.write_text("iteration,env_steps,b\n0,0,1.0\n1,1")
    record(start(tmp_path, state), 2, b=3.0)
    assert text_of(tmp_path) == "iteration,env_steps,b\n0,0,1.0\n2,20,3.0\n"
    path.unlink()
    record(start(tmp_path, state), 2, a=3.0)
    assert text_of(tmp_path) == "iteration,env_steps,a\n2,20,3.0\n"
    assert caplog.messages == [
        f"{path} has {count} of the 2 rows that it had when the checkpoint was written. What is missing "
        "stays missing; the run goes on."
        for count in (1, 0)
    ]
