"""The logger `tensorboard`, read back record by record, and by TensorBoard itself."""

import importlib
import json
import math
import re
import resource
import struct
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData
from tensorboardX.record_writer import masked_crc32c

import phantom_core as ph
from phantom_tensorboard import TensorboardConfig, TensorboardLogger

URL = re.compile(r"http://\S+/")
needs_tensorboard = pytest.mark.skipif(
    find_spec("tensorboard") is None,
    reason="tensorboard is not installed: run make check-integrations",
)


def train_start(run_directory: Path | None, **hyper_parameters: Any) -> ph.TrainStart:
    return ph.TrainStart(
        run_name="run-1",
        run_directory=run_directory,
        trainer_name="q-learning",
        num_iterations=2,
        total_steps=None,
        seed=1,
        hyper_parameters=hyper_parameters,
    )


def metrics(iteration: int, env_steps: int, values: dict[Any, float]) -> ph.MetricsRecorded:
    return ph.MetricsRecorded(iteration=iteration, env_steps=env_steps, values=values)


def train_end(status: Any = "completed") -> ph.TrainEnd:
    return ph.TrainEnd(status=status, iterations=2, env_steps=20)


def events_of(file: Path) -> list[Event]:
    """Read an event file: length and its checksum, event and its checksum, again and again."""
    data, events = file.read_bytes(), []
    while data:
        length = struct.unpack("<Q", data[:8])[0]
        body = data[12 : 12 + length]
        checksums = struct.unpack("<I", data[8:12]) + struct.unpack("<I", data[12 + length :][:4])
        assert checksums == (masked_crc32c(data[:8]), masked_crc32c(body))
        events.append(Event.FromString(body))
        data = data[16 + length :]
    return events


def files_in(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def events_in(directory: Path) -> list[Event]:
    return [event for file in files_in(directory) for event in events_of(file)]


def scalars_in(directory: Path) -> list[tuple[str, int, float]]:
    """Return (tag, step, value) of every scalar."""
    return [
        (value.tag, event.step, value.simple_value)
        for event in events_in(directory)
        for value in event.summary.value
        if not value.HasField("metadata")
    ]


def hparams_in(directory: Path) -> dict[str, HParamsPluginData]:
    return {
        value.tag: HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for event in events_in(directory)
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    }


def test_every_scalar_is_written_under_its_name_at_its_env_step(tmp_path: Path) -> None:
    logger = TensorboardLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_metrics(metrics(0, 10, {"stock": 3.5, "rewards/SHOP": -1.0}))
    logger.on_metrics(metrics(1, 20, {"stock": 4.5, "eval/mean_return": 2.0}))
    logger.on_train_end(train_end())
    assert scalars_in(tmp_path) == [
        ("stock", 10, 3.5),
        ("rewards/SHOP", 10, -1.0),
        ("stock", 20, 4.5),
        ("eval/mean_return", 20, 2.0),
    ]


def test_the_file_is_in_the_folder_tensorboard_of_the_run_directory(tmp_path: Path) -> None:
    logger = TensorboardLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_train_end(train_end())
    (file,) = files_in(tmp_path)
    assert file.parent == tmp_path / "tensorboard" == logger.directory
    assert file.name.startswith("events.out.tfevents.")


def test_a_directory_that_is_given_is_used_instead(tmp_path: Path) -> None:
    logger = TensorboardLogger(directory=str(tmp_path / "a" / "b"))
    logger.on_train_start(train_start(None))
    logger.on_train_end(train_end())
    assert [file.parent for file in files_in(tmp_path)] == [tmp_path / "a" / "b"]


def test_without_any_directory_the_run_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        TensorboardLogger().on_train_start(train_start(None))
    assert str(caught.value) == (
        "The logger 'tensorboard' has no folder to write to: the run has no directory. "
        "Give the run one, or set the logger's directory."
    )


def test_steps_are_iterations_if_the_user_wants_it(tmp_path: Path) -> None:
    logger = TensorboardLogger(step_axis="iteration")
    logger.on_train_start(train_start(tmp_path))
    logger.on_metrics(metrics(0, 10, {"a": 1.0}))
    logger.on_metrics(metrics(1, 20, {"a": 2.0}))
    logger.on_train_end(train_end())
    assert [step for _, step, _ in scalars_in(tmp_path)] == [0, 1]


def test_steps_are_iterations_if_the_trainer_counts_no_env_steps(tmp_path: Path) -> None:
    logger = TensorboardLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_metrics(metrics(0, 0, {"a": 1.0}))
    logger.on_metrics(metrics(1, 0, {"a": 2.0}))
    logger.on_train_end(train_end())
    assert [step for _, step, _ in scalars_in(tmp_path)] == [0, 1]


@pytest.mark.parametrize("env_steps", [0, 20])
def test_values_before_the_first_iteration_start_the_curve_and_those_after_the_last_end_it(
    tmp_path: Path, env_steps: int
) -> None:
    logger = TensorboardLogger(step_axis="iteration")
    logger.on_train_start(train_start(tmp_path))
    logger.on_metrics(metrics(-1, 0, {"eval/mean_return": 1.0}))
    logger.on_metrics(metrics(7, env_steps, {"a": 2.0}))
    logger.on_metrics(metrics(-1, env_steps, {"eval/mean_return": 3.0}))
    logger.on_train_end(train_end())
    assert [step for _, step, _ in scalars_in(tmp_path)] == [0, 7, 7]


@pytest.mark.parametrize("step_axis", ["env_steps", "iteration"])
def test_values_with_a_step_of_their_own_are_written_at_it_and_move_no_others(
    tmp_path: Path, step_axis: str
) -> None:
    logger, steps = TensorboardLogger(step_axis=step_axis), [5, 0, 1000, 3, -1, -7]
    logger.on_train_start(train_start(tmp_path))
    for step in steps:
        logger.on_metrics(metrics(step, step, {"loss": 1.0}))
    logger.on_metrics(metrics(1, 0, {"a": 1.0}))
    logger.on_train_end(train_end())
    assert [step for _, step, _ in scalars_in(tmp_path)] == [*steps, 1]


@pytest.mark.parametrize(("replaces_earlier", "drops"), [(True, [2, 0]), (False, [])])
def test_earlier_files_of_the_folder_are_replaced_unless_the_user_says_otherwise(
    tmp_path: Path, *, replaces_earlier: bool, drops: list[int]
) -> None:
    for first in (2, 0):
        logger = TensorboardLogger(step_axis="iteration", replaces_earlier=replaces_earlier)
        logger.on_train_start(train_start(tmp_path))
        for i in (first, first + 1):
            logger.on_metrics(metrics(i, 0, {"a": 1.0}))
        logger.on_train_end(train_end())
    assert [event.step for event in events_in(tmp_path) if event.HasField("session_log")] == drops


def test_values_are_on_disk_when_their_iteration_ends(tmp_path: Path) -> None:
    logger = TensorboardLogger()
    logger.on_train_start(train_start(tmp_path, alpha=0.1))
    for iteration in range(20):
        logger.on_metrics(metrics(iteration, iteration + 1, {"a": iteration, "b": 0.0}))
        assert len(scalars_in(tmp_path)) == 2 * (iteration + 1)
    logger.on_train_end(train_end())


def test_nan_and_infinities_are_written_as_they_are(tmp_path: Path) -> None:
    logger = TensorboardLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_metrics(metrics(0, 1, {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1e300}))
    logger.on_train_end(train_end())
    written = [value for _, _, value in scalars_in(tmp_path)]
    assert math.isnan(written[0])
    assert written[1:] == [math.inf, -math.inf, math.inf]


def test_names_of_every_kind_are_kept(tmp_path: Path) -> None:
    names = ["Lager (Köln)/Bestand, in %", "a b", "/slash", 7, ("A", 1), "lone \udc80"]
    logger = TensorboardLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_metrics(metrics(0, 1, dict.fromkeys(names, 0.0)))
    logger.on_train_end(train_end())
    expected = ["Lager (Köln)/Bestand, in %", "a b", "/slash", "7", "('A', 1)", "lone ?"]
    assert [tag for tag, _, _ in scalars_in(tmp_path)] == expected


def test_hyper_parameters_are_written_with_their_types(tmp_path: Path) -> None:
    logger = TensorboardLogger()
    values = {"alpha": 0.1, "n": 3, "is_on": True, "name": "x", "sizes": [1, 2], "seed": 2**64 + 1}
    logger.on_train_start(train_start(tmp_path, **values, limit=math.inf, nothing=None))
    cells = hparams_in(tmp_path)["_hparams_/session_start_info"].session_start_info.hparams
    logger.on_train_end(train_end())
    assert {name: getattr(cell, cell.WhichOneof("kind")) for name, cell in cells.items()} == {
        "alpha": 0.1,
        "n": 3.0,
        "is_on": True,
        "name": "x",
        "sizes": "[1, 2]",
        "seed": "18446744073709551617",
        "limit": "inf",
        "nothing": "None",
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [("completed", 1), ("stopped", 1), ("interrupted", 2), ("failed", 2)],  # 1: success, 2: failure
)
def test_the_file_is_closed_and_says_how_the_run_ended(tmp_path: Path, status: str, expected: int) -> None:
    logger = TensorboardLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_metrics(metrics(0, 1, {"a": 1.0}))
    logger.on_exception(ph.TrainFailed(iteration=1, exception=RuntimeError("broken")))
    logger.on_train_end(train_end(status))
    logger.on_metrics(metrics(1, 2, {"a": 2.0}))
    assert len(scalars_in(tmp_path)) == 1
    end = hparams_in(tmp_path)["_hparams_/session_end_info"].session_end_info
    assert end.status == expected


class FailingTrainer(ph.Trainer):
    """Fails in its third iteration."""

    policy_class = ph.RandomPolicy

    def training_step(self, *_: Any) -> None:
        self.log_scalar("loss", 0.5)
        if self.run.iteration == 2:
            raise RuntimeError("broken")


def test_an_exception_in_the_trainer_leaves_a_whole_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        ph.train(
            FailingTrainer,
            env="gymnasium",
            env_config={"env": "FrozenLake-v1"},
            num_iterations=5,
            loggers=["tensorboard"],
            run_dir=tmp_path,
        )
    (directory,) = tmp_path.glob("*/tensorboard")
    losses = [scalar for scalar in scalars_in(directory) if scalar[0] == "loss"]
    assert losses == [("loss", 0, 0.5), ("loss", 1, 0.5)]
    cells = hparams_in(directory)["_hparams_/session_start_info"].session_start_info.hparams
    assert cells["iterations"].number_value == 5
    assert hparams_in(directory)["_hparams_/session_end_info"].session_end_info.status == 2


def test_an_end_without_a_start_and_a_second_end_do_nothing(tmp_path: Path) -> None:
    logger = TensorboardLogger()
    logger.on_train_end(train_end("failed"))
    logger.on_train_start(train_start(tmp_path))
    logger.on_train_end(train_end())
    (file,) = files_in(tmp_path)
    size = file.stat().st_size
    logger.on_train_end(train_end())
    assert file.stat().st_size == size


def test_one_logger_may_follow_one_run_after_another(tmp_path: Path) -> None:
    logger = TensorboardLogger(step_axis="iteration")
    for run in ("one", "two"):
        logger.on_train_start(train_start(tmp_path / run))
        logger.on_metrics(metrics(3, 4, {"a": 1.0}))
        logger.on_metrics(metrics(-1, 4, {"b": 1.0}))
        logger.on_train_end(train_end())
        assert scalars_in(tmp_path / run) == [("a", 3, 1.0), ("b", 3, 1.0)]


def test_two_runs_in_one_folder_write_two_files(tmp_path: Path) -> None:
    loggers = [TensorboardLogger(directory=str(tmp_path)) for _ in range(2)]
    for logger in loggers:
        logger.on_train_start(train_start(None))
    for logger in loggers:
        logger.on_train_end(train_end())
    assert len(files_in(tmp_path)) == 2


def test_no_thread_is_started(tmp_path: Path) -> None:
    logger = TensorboardLogger()
    before = threading.enumerate()
    logger.on_train_start(train_start(tmp_path))
    logger.on_metrics(metrics(0, 1, {"a": 1.0}))
    assert threading.enumerate() == before
    logger.on_train_end(train_end())


@pytest.fixture
def size_limit() -> Iterator[Callable[[int | None], None]]:
    """Return what limits the size of files in bytes, as if the disk were full; None: there is room again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(num_bytes: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft if num_bytes is None else num_bytes, hard))

    yield limit
    limit(None)


@pytest.mark.parametrize("first", [0, 1])
def test_values_that_a_full_disk_did_not_take_are_written_first_next_time(
    tmp_path: Path, size_limit: Callable[[int | None], None], first: int
) -> None:
    logger = TensorboardLogger()
    logger.on_train_start(train_start(tmp_path))
    (file,) = files_in(tmp_path)
    for step in range(6):
        if step == first:
            size_limit(file.stat().st_size + 20)  # room for a part of a record
        if step == first + 2:
            size_limit(None)
        with pytest.raises(OSError, match="File too large") if step in {first, first + 1} else nullcontext():
            logger.on_metrics(metrics(step, step, {"a": step}))
        assert len(scalars_in(tmp_path)) == (first if step in {first, first + 1} else step + 1)
    logger.on_train_end(train_end())
    assert scalars_in(tmp_path) == [("a", step, step) for step in range(6)]
    assert sum(event.HasField("session_log") for event in events_in(tmp_path)) == 1


@pytest.mark.parametrize("is_full", [False, True])
def test_values_that_are_left_at_the_end_are_written_or_counted(
    tmp_path: Path, size_limit: Callable[[int | None], None], *, is_full: bool
) -> None:
    logger = TensorboardLogger()
    logger.on_train_start(train_start(tmp_path))
    (file,) = files_in(tmp_path)
    size_limit(file.stat().st_size + 20)
    with pytest.raises(OSError, match="File too large"):
        logger.on_metrics(metrics(0, 10, {"a": 1.0, "b": 2.0}))
    if is_full:
        with pytest.raises(ph.errors.HookError) as caught:
            logger.on_train_end(train_end())
        size_limit(None)  # before pytest writes what became of the test
        assert str(caught.value) == "1 event was not written: OSError: [Errno 27] File too large."
    else:
        size_limit(None)
        logger.on_train_end(train_end())
    assert scalars_in(tmp_path) == ([] if is_full else [("a", 10, 1.0), ("b", 10, 2.0)])


def test_settings_have_defaults_and_are_checked() -> None:
    assert TensorboardLogger().config == TensorboardConfig(directory=None, step_axis="env_steps")
    with pytest.raises(ph.errors.ConfigError):
        TensorboardLogger(step_axis="episodes")


def test_tensorboardx_is_imported_when_a_run_starts_and_not_before() -> None:
    code = "import sys, phantom_tensorboard as t; t.TensorboardLogger(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "tensorboardX" not in done.stdout.split()


@pytest.mark.integration
@needs_tensorboard
def test_tensorboard_reads_the_values_of_a_run_that_was_resumed(tmp_path: Path) -> None:
    accumulator = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    for iterations in ([0, 1, 2, 3], [2, 3]):
        logger = TensorboardLogger(step_axis="iteration")
        logger.on_train_start(train_start(tmp_path))
        for i in iterations:
            logger.on_metrics(metrics(i, 0, {"rewards/group": i / 2, "Lager (Köln)": 1.0}))
        logger.on_train_end(train_end())
    found = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert found.Tags()["scalars"] == ["rewards/group", "Lager (Köln)"]
    curve = [(event.step, event.value) for event in found.Scalars("rewards/group")]
    assert curve == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5)]


@pytest.mark.integration
@needs_tensorboard
def test_the_hparams_tab_has_a_row_with_hyper_parameters_and_newest_values(tmp_path: Path) -> None:
    logger = TensorboardLogger()
    logger.on_train_start(train_start(tmp_path, alpha=0.1, sizes=[1, 2]))
    logger.on_metrics(metrics(0, 10, {"rewards/group": 1.0}))
    logger.on_metrics(metrics(1, 20, {"rewards/group": 2.5}))
    logger.on_train_end(train_end())
    row = hparams_row_shown_by_tensorboard(tmp_path)
    assert row["name"] == "tensorboard"
    assert row["hparams"] == {"alpha": 0.1, "sizes": "[1, 2]"}
    newest = {v["name"]["tag"]: (v["trainingStep"], v["value"]) for v in row["metricValues"]}
    assert newest == {"rewards/group": (20, 2.5)}


def hparams_row_shown_by_tensorboard(directory: Path) -> dict[str, Any]:
    """Start TensorBoard, ask it for what its HPARAMS tab shows, and stop it."""
    load_once = ["--load_fast", "false", "--reload_task", "blocking", "--reload_interval", "0"]
    options = ["--logdir", str(directory), "--port", "0", *load_once]
    command = [sys.executable, "-W", "ignore", "-m", "tensorboard.main", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address = next(found[0] for line in server.stderr if (found := URL.search(line)))
            columns = ask(address, "experiment", {})["metricInfos"]  # all is loaded before it serves
            wanted = {
                "allowedStatuses": ["STATUS_SUCCESS"],
                "colParams": [{"metric": column["name"]} for column in columns],
                "startIndex": 0,
                "sliceSize": 10,
            }
            (row,) = ask(address, "session_groups", wanted)["sessionGroups"]
        finally:
            server.terminate()
    return row


def ask(address: str, what: str, question: dict[str, Any]) -> dict[str, Any]:
    """Ask the HPARAMS tab's own interface."""
    request = urllib.request.Request(  # noqa: S310  # the address is the server's own
        f"{address}data/plugin/hparams/{what}",
        data=json.dumps(question).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310  # likewise
        return json.load(response)


class SecretLake(ph.GymnasiumEnv):
    """An env that is made with a secret."""

    def __init__(self, api_key: str) -> None:
        super().__init__("FrozenLake-v1")


class Idle(ph.Trainer):
    """Learns nothing."""

    policy_class = ph.RandomPolicy

    def training_step(self, *_: Any) -> None:
        """Do nothing."""


def test_secrets_among_the_hyper_parameters_are_masked(tmp_path: Path) -> None:
    ph.train(
        Idle,
        env=SecretLake,
        env_config={"api_key": "sesame"},
        num_iterations=1,
        loggers=["tensorboard"],
        run_dir=tmp_path,
    )
    (file,) = tmp_path.glob("*/tensorboard/events*")
    assert b"***masked***" in file.read_bytes()
    assert b"sesame" not in file.read_bytes()
