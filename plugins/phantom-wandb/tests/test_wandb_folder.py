"""Runs made offline, read back record by record from the file that `wandb sync` sends."""

import json
import math
import os
import resource
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import phantom_core as ph
from phantom_wandb import WandbLogger

if find_spec("wandb") is None:
    pytest.skip("wandb is not installed: run make check-integrations", allow_module_level=True)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # what wandb uses is its matter
]

BLOCK = 2**15


class LossTrainer(ph.Trainer):
    """Logs a loss; breaks off its third iteration if it is told to."""

    policy_class = ph.RandomPolicy
    raises: BaseException | None = None

    def training_step(self, *_: Any) -> None:
        self.log_scalar("loss", self.run.iteration / 2)
        if self.run.iteration == 2 and self.raises is not None:
            raise self.raises


class SecretLake(ph.GymnasiumEnv):
    """An env that is made with secrets."""

    def __init__(self, api_key: str, uri: str, user: str) -> None:
        assert (api_key, uri, user) == ("sesame-1", "http://bob:sesame-2@host", "sesame-3")
        super().__init__("FrozenLake-v1")


def written_with(text: bytes, folder: Path) -> list[Path]:
    """Return the files in a folder that contain a text."""
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


SECRETS = {"api_key": "sesame-1", "uri": "http://bob:sesame-2@host", "user": "env:LAKE_USER"}


def train(run_dir: Path, **settings: Any) -> ph.TrainingResults:
    return ph.train(
        settings.pop("trainer", LossTrainer),
        env=settings.pop("env", "gymnasium"),
        env_config=settings.pop("env_config", {"env": "FrozenLake-v1"}),
        num_iterations=4,
        loggers=["wandb"],
        run_dir=run_dir,
        **settings,
    )


def train_start(run_directory: Path, **hyper_parameters: Any) -> ph.TrainStart:
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


def records_in(folder: Path) -> Iterator[Any]:
    """Read the file of a run: a LevelDB log, each of whose entries is a message of W&B's own format."""
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = folder.glob("*.wandb")
    data, entry, position = file.read_bytes(), b"", 7
    assert data[:4] == b":W&B"
    while position < len(data):
        left = BLOCK - position % BLOCK
        if left < 7:  # no header fits into what is left of the block
            position += left
            continue
        length, kind = struct.unpack("<HB", data[position + 4 : position + 7])
        entry += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in {1, 4}:  # whole, or the last part
            yield Record.FromString(entry)
            entry = b""


class Read:
    """What W&B would show of a run."""

    def __init__(self, folder: Path) -> None:
        self.rows: list[dict[str, Any]] = []
        self.config: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.files: set[str] = set()
        self.axis = ""
        self.exit_code: int | None = None
        for record in records_in(folder):
            if record.HasField("run"):
                self.name, self.project = record.run.display_name, record.run.project
                self.tags = list(record.run.tags)
                self.config.update(_items(record.run.config.update))
            elif record.HasField("history"):
                self.rows.append(_items(record.history.item))
            elif record.HasField("summary"):
                self.summary.update(_items(record.summary.update))
            elif record.HasField("files"):
                self.files.update(file.path for file in record.files.files)
            elif record.HasField("metric") and record.metric.glob_name == "*":
                self.axis = record.metric.step_metric
            elif record.HasField("exit"):
                self.exit_code = record.exit.exit_code

    def curve(self, name: str, axis: str = "env_steps") -> list[tuple[int, float]]:
        return [(row[axis], row[name]) for row in self.rows if name in row]


def _items(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def test_wandb_has_what_the_run_measured_its_settings_and_its_files(tmp_path: Path) -> None:
    results = train(
        tmp_path,
        trainer="q-learning",
        trainer_config={"alpha": 0.25},
        evaluation=ph.EvaluationPlan(episodes=3, every=2),
        name="walk",
        seed=2**63 - 1,
    )
    directory = results.run_directory
    assert directory is not None
    assert results.hook_failures == ()
    (folder,) = (directory / "wandb").glob("offline-run-*")
    run = Read(folder)
    assert (run.name, run.project, run.exit_code) == ("walk", "phantom", 0)
    assert run.config["env_config.env"] == "FrozenLake-v1"
    assert (run.config["trainer.q-learning.alpha"], run.config["seed"]) == (0.25, str(2**63 - 1))
    versions = json.loads((directory / "run.json").read_text())["versions"]
    assert run.config["versions"].items() >= versions.items()
    assert run.config["versions"]["phantom-wandb"] == version("phantom-wandb")
    assert run.tags == [
        "q-learning",
        f"seed:{2**63 - 1}",
        f"phantom-rl-core:{ph.__version__}",
        "status:completed",
    ]
    assert run.axis == "env_steps"
    assert [row["iteration"] for row in run.rows] == [0, 1, 2, 3]
    for name in ("rewards/group", "default/episode_return"):
        assert run.curve(name) == [(row["env_steps"], row[name]) for row in results.history]
    evaluations = [(row["env_steps"], row["eval/mean_return"]) for row in results.history[1::2]]
    assert run.curve("eval/mean_return") == evaluations
    assert (run.summary["status"], run.summary["iteration"]) == ("completed", 3)
    assert run.files >= {"config.toml", "run.json", "policies/state.json", "policies/arrays.npz"}
    kept = folder / "files"
    assert (kept / "config.toml").read_text() == (directory / "config.toml").read_text()
    (policy,) = ph.load_policies(kept).values()
    np.testing.assert_equal(policy.state_dict(), results.policies["default"].state_dict())


@pytest.mark.parametrize(
    ("exception", "status", "exit_code"),
    [(RuntimeError("broken"), "failed", 1), (KeyboardInterrupt(), "interrupted", 255)],
)
def test_a_run_that_breaks_off_is_closed_and_says_why(
    tmp_path: Path, exception: BaseException, status: str, exit_code: int
) -> None:
    class Breaking(LossTrainer):
        raises = exception

    with pytest.raises(type(exception)):
        train(tmp_path, trainer=Breaking)
    (folder,) = tmp_path.glob("*/wandb/offline-run-*")
    run = Read(folder)
    assert (run.exit_code, run.tags[-1]) == (exit_code, f"status:{status}")
    assert (run.summary["status"], run.summary["error"]) == (status, repr(exception))
    assert run.curve("loss", "iteration") == [(0, 0.0), (1, 0.5)]
    assert "policies/state.json" in run.files


def test_values_and_settings_of_every_kind_are_kept(tmp_path: Path) -> None:
    logger = WandbLogger()
    settings = {"sizes": [1, 2], "nothing": None, "text": "", "limit": math.inf, "lone \udc80": "\udc80"}
    logger.on_train_start(train_start(tmp_path, **settings, long="x" * 70000))
    values = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "Lager (Köln)/a, in %": 1e300}
    logger.on_metrics(metrics(0, 2**40, {**values, "lone \udc80": 2.0}))
    logger.on_train_end(train_end())
    assert logger.directory is not None
    run = Read(logger.directory)
    (row,) = run.rows
    assert math.isnan(row["nan"])
    assert (row["inf"], row["-inf"]) == (math.inf, -math.inf)
    assert (row["Lager (Köln)/a, in %"], row["lone ?"]) == (1e300, 2.0)
    assert row["env_steps"] == 2**40
    assert run.config["long"] == "x" * 70000
    found = {name: run.config[name] for name in ("sizes", "nothing", "text", "limit", "lone ?")}
    assert found == {"sizes": [1, 2], "nothing": None, "text": "", "limit": "inf", "lone ?": "?"}


def test_runs_beside_each_other_and_the_programs_own_are_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_PROJECT", "elsewhere")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    own = wandb.init(mode="offline", dir=str(tmp_path), settings=wandb.Settings(silent=True, console="off"))
    loggers = [WandbLogger(directory=str(tmp_path / str(i))) for i in range(2)]
    for logger in loggers:
        logger.on_train_start(train_start(tmp_path / "run"))
    for step in range(3):
        for value, logger in enumerate(loggers):
            logger.on_metrics(metrics(step, 0, {"a": float(value)}))
    loggers[0].on_train_end(train_end("failed"))
    loggers[1].on_train_end(train_end())
    assert wandb.run is own
    own.log({"mine": 7.0})
    own.finish()
    wandb.teardown()
    for value, (logger, exit_code) in enumerate(zip(loggers, [1, 0], strict=True)):
        assert logger.directory is not None
        run = Read(logger.directory)
        assert (run.exit_code, run.project, run.axis) == (exit_code, "phantom", "iteration")
        assert run.curve("a", "iteration") == [(step, float(value)) for step in range(3)]
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    assert [row["mine"] for row in Read(folder).rows] == [7.0]
    assert not (tmp_path / "elsewhere").exists()


def test_rows_that_a_full_disk_did_not_take_are_counted_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phantom_wandb.wandb_run._MAX_WAIT", 0.0)
    logger = WandbLogger()
    logger.on_train_start(train_start(tmp_path))
    assert logger.directory is not None
    (file,) = logger.directory.glob("*.wandb")
    for step in range(300):
        logger.on_metrics(metrics(step, 0, {f"a{i}": 1.0 for i in range(50)}))
        if step == 100:
            limit_file_size_of_children(2 * BLOCK)
    with pytest.raises(ph.errors.HookError) as caught:
        logger.on_train_end(train_end())
    num_written = len(Read(logger.directory).rows)
    assert 0 < num_written < 300
    assert str(caught.value) == (
        f"{300 - num_written} of 300 events are not in {file}: W&B could not write them. See "
        "logs/debug-internal.log beside it."
    )


def limit_file_size_of_children(num_bytes: int) -> None:
    """Let the disk be full for the process of W&B, for good."""
    for path in Path("/proc/self/task").glob("*/children"):
        for pid in path.read_text().split():
            resource.prlimit(int(pid), resource.RLIMIT_FSIZE, (num_bytes, num_bytes))


def test_nothing_is_printed_and_nothing_is_sent(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "watched = ('socket.connect', 'socket.getaddrinfo')\n"
        "def tell(event, args):\n"
        "    if event in watched and not isinstance(args[1], (str, bytes)):\n"  # those are local sockets
        "        print(event, args, flush=True)\n"
        "sys.addaudithook(tell)\n"
        "import phantom_core as ph\n"
        "from pathlib import Path\n"
        "from phantom_wandb import WandbLogger\n"
        "logger = WandbLogger()\n"
        "start = ph.TrainStart(run_name='r', run_directory=Path('run'), trainer_name='t', num_iterations=1,\n"
        "    total_steps=None, seed=1)\n"
        "logger.on_train_start(start)\n"
        "logger.on_metrics(ph.MetricsRecorded(iteration=0, env_steps=5, values={'a': 1.5}))\n"
        "logger.on_train_end(ph.TrainEnd(status='completed', iterations=1, env_steps=5))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (folder,) = tmp_path.glob("run/wandb/offline-run-*")
    run = Read(folder)
    assert (run.curve("a"), run.exit_code) == ([(5, 1.5)], 0)


def test_a_start_and_an_end_leave_no_thread_and_no_variable(tmp_path: Path) -> None:
    before, environment = threading.enumerate(), dict(os.environ)
    logger = WandbLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_train_end(train_end())
    assert threading.enumerate() == before
    assert dict(os.environ) == environment


def test_secrets_are_masked_and_arguments_of_the_program_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_USER", "sesame-3")
    arguments = ["phantom", "train", "--set", "env_config.api_key=sesame-1"]
    monkeypatch.setattr(sys, "argv", arguments)

    class Telling(LossTrainer):
        raises = RuntimeError("no access with sesame-1 for sesame-3")

    with pytest.raises(RuntimeError, match=r"^no access with \*\*\*masked\*\*\* for env:LAKE_USER$"):
        train(tmp_path, trainer=Telling, env=SecretLake, env_config=SECRETS)
    assert sys.argv is arguments
    (folder,) = tmp_path.glob("*/wandb/offline-run-*")
    run = Read(folder)
    assert run.config["env_config.api_key"] == "***masked***"
    assert run.config["env_config.uri"] == "http://bob:***@host"
    assert run.config["env_config.user"] == "env:LAKE_USER"
    assert run.summary["error"] == "RuntimeError('no access with ***masked*** for env:LAKE_USER')"
    assert written_with(b"sesame", tmp_path) == []
