"""A disk that is full for some iterations costs no line: `jsonl` and `csv` write what they kept."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import phantom_core as ph
from phantom_core.training.jsonl_logger import JsonLinesLogger
from phantom_loggers import CsvLogger

SizeLimit: TypeAlias = Callable[[int | None], None]

TOO_LARGE = "OSError: [Errno 27] File too large"
START: dict[str, Any] = {
    "run_name": "r",
    "trainer_name": "t",
    "num_iterations": 1,
    "total_steps": None,
    "seed": 1,
}
END = ph.TrainEnd(status="completed", iterations=1, env_steps=1)
LOGGERS = pytest.mark.parametrize(
    ("logger_class", "file_name"), [(JsonLinesLogger, "metrics.jsonl"), (CsvLogger, "metrics.csv")]
)


class LossTrainer(ph.Trainer):
    """Logs a loss, and another value from its sixth iteration on."""

    policy_class = ph.RandomPolicy

    def training_step(self, *_: Any) -> None:
        self.log_scalar("loss", self.run.iteration / 4)
        if self.run.iteration >= 5:
            self.log_scalar("late", 1.0)


class FullDisk(ph.Hooks):
    """Leaves a file ten bytes of room in iterations 3 to 6."""

    def __init__(self, file_name: str, size_limit: SizeLimit) -> None:
        super().__init__()
        self.file = Path(file_name)
        self.size_limit = size_limit

    def on_train_start(self, event: ph.TrainStart) -> None:
        self.file = (event.run_directory or Path()) / self.file

    def on_iteration_start(self, event: ph.IterationStart) -> None:
        if event.iteration == 3:
            self.size_limit(self.file.stat().st_size + 10)
        if event.iteration == 7:
            self.size_limit(None)


@pytest.mark.parametrize("file_name", ["metrics.jsonl", "metrics.csv"])
def test_a_disk_that_is_full_for_some_iterations_costs_no_line(
    tmp_path: Path, file_name: str, size_limit: SizeLimit
) -> None:
    results = ph.train(
        LossTrainer,
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=10,
        loggers=[file_name.removeprefix("metrics.")],
        hooks=[FullDisk(file_name, size_limit)],
        run_dir=tmp_path,
    )
    name = file_name.removeprefix("metrics.")
    assert f"Plugin {name!r} failed 4 times in on_metrics: {TOO_LARGE}." in results.hook_failures
    rows = rows_of((results.run_directory or tmp_path) / file_name)
    assert [row["iteration"] for row in rows] == list(range(10))
    assert [row["loss"] for row in rows] == [i / 4 for i in range(10)]
    assert [row["late"] for row in rows] == [None] * 5 + [1.0] * 5


def rows_of(file: Path) -> list[dict[str, Any]]:
    """Read a file of metrics: each line whole."""
    text = file.read_text()
    assert text.endswith("\n")
    if file.suffix == ".csv":
        rows = [
            {name: float(cell) if cell else None for name, cell in row.items()}
            for row in csv.DictReader(text.splitlines())
        ]
    else:
        rows = [row | row["values"] for row in map(json.loads, text.splitlines())]
    return [{"late": None, **row} for row in rows]


def start(logger: ph.Hooks, folder: Path) -> None:
    logger.on_train_start(ph.TrainStart(run_directory=folder, **START))


def record(logger: ph.Hooks, iteration: int, **values: float) -> None:
    logger.on_metrics(ph.MetricsRecorded(iteration=iteration, env_steps=iteration, values=values))


@LOGGERS
def test_what_was_kept_is_written_at_the_end(
    tmp_path: Path, logger_class: type[ph.Hooks], file_name: str, size_limit: SizeLimit
) -> None:
    logger = logger_class()
    start(logger, tmp_path)
    record(logger, 0, loss=0.5)
    size_limit((tmp_path / file_name).stat().st_size + 3)
    for iteration in (1, 2):
        with pytest.raises(OSError, match="File too large"):
            record(logger, iteration, loss=0.5)
        assert len(rows_of(tmp_path / file_name)) == 1
    size_limit(None)
    logger.on_train_end(END)
    logger.on_train_end(END)
    assert [row["iteration"] for row in rows_of(tmp_path / file_name)] == [0, 1, 2]


@LOGGERS
def test_what_cannot_be_written_at_the_end_is_told_once_with_its_number(
    tmp_path: Path, logger_class: type[ph.Hooks], file_name: str, size_limit: SizeLimit
) -> None:
    logger = logger_class()
    start(logger, tmp_path)
    record(logger, 0, loss=0.5)
    size_limit((tmp_path / file_name).stat().st_size + 3)
    for iteration in (1, 2):
        with pytest.raises(OSError, match="File too large"):
            record(logger, iteration, loss=0.5)
    with pytest.raises(ph.errors.HookError) as caught:
        logger.on_train_end(END)
    assert str(caught.value) == f"2 events were not written: {TOO_LARGE}."
    logger.on_train_end(END)
    assert [row["iteration"] for row in rows_of(tmp_path / file_name)] == [0]


@LOGGERS
def test_a_logger_that_follows_another_run_writes_nothing_of_the_one_before(
    tmp_path: Path, logger_class: type[ph.Hooks], file_name: str, size_limit: SizeLimit
) -> None:
    logger = logger_class()
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        start(logger, tmp_path / run)
        record(logger, 0, loss=0.5)
        size_limit((tmp_path / run / file_name).stat().st_size)
        with pytest.raises(OSError, match="File too large"):
            record(logger, 1, loss=0.5)
        if run == "one":
            with pytest.raises(ph.errors.HookError):
                logger.on_train_end(END)
        size_limit(None)
    logger.on_train_end(END)
    assert [row["iteration"] for row in rows_of(tmp_path / "one" / file_name)] == [0]
    assert [row["iteration"] for row in rows_of(tmp_path / "two" / file_name)] == [0, 1]


def test_a_column_that_cannot_be_added_costs_no_row(tmp_path: Path, size_limit: SizeLimit) -> None:
    logger = CsvLogger()
    start(logger, tmp_path)
    record(logger, 0, a=0.5)
    size_limit((tmp_path / "metrics.csv").stat().st_size)
    for iteration in (1, 2):
        with pytest.raises(OSError, match="File too large"):
            record(logger, iteration, a=0.5, b=1.5)
    size_limit(None)
    record(logger, 3, a=0.5)
    assert (tmp_path / "metrics.csv").read_text() == (
        "iteration,env_steps,a,b\n0,0,0.5,\n1,1,0.5,1.5\n2,2,0.5,1.5\n3,3,0.5,\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]
