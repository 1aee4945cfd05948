"""The logger `wandb` with a stand-in for the package wandb: what it does when wandb is missing or fails."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import phantom_core as ph
from phantom_wandb import WandbConfig, WandbLogger
from phantom_wandb.offline_file import count_rows

REPORTING = "WANDB_ERROR_REPORTING"


class StandInRun:
    """Notes what a run of W&B is asked for; fails where it is told to."""

    id = "abc"
    starting_step = 0

    def __init__(self, fails_at: str, **settings: Any) -> None:
        self.settings = settings
        self.fails_at = fails_at
        self.tags: tuple[str, ...] = tuple(settings["tags"])
        self.summary: dict[str, Any] = {}
        self.rows: list[dict[str, Any]] = []
        self.steps: list[int] = []
        self.axes: list[str] = []
        self.files: list[str] = []
        self.exit_codes: list[int] = []
        self.dir = str(Path(settings["dir"], "wandb", "offline-run-abc", "files"))
        Path(self.dir).mkdir(parents=True, exist_ok=True)

    def define_metric(self, name: str, step_metric: str = "") -> None:
        if name == "*":
            self.axes.append(step_metric)

    def log(self, row: dict[str, Any], step: int, *, commit: bool) -> None:
        self._fail("log")
        assert commit
        self.rows.append(row)
        self.steps.append(step)

    def save(self, path: str, base_path: str, policy: str) -> None:
        self._fail("save")
        assert policy == "now"
        self.files.append(Path(path).relative_to(base_path).as_posix())

    def finish(self, exit_code: int) -> None:
        self.exit_codes.append(exit_code)

    def _fail(self, where: str) -> None:
        if where == self.fails_at:
            raise OSError(28, "No space left on device")


class StandIn(ModuleType):
    """Stands for the package."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.Settings = SimpleNamespace
        self.fails_at = ""
        self.runs: list[StandInRun] = []
        self.reporting: list[str | None] = []
        self.teardowns = 0

    def init(self, **settings: Any) -> StandInRun:
        self.reporting.append(os.environ.get(REPORTING))
        if self.fails_at == "init":
            raise ValueError("no such entity")
        self.runs.append(StandInRun(self.fails_at, **settings))
        return self.runs[-1]

    def setup(self) -> Any:
        active = [run for run in self.runs if not run.exit_codes]
        return SimpleNamespace(most_recent_active_run=active[-1] if active else None)

    def teardown(self) -> None:
        self.teardowns += 1


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    monkeypatch.setitem(sys.modules, "wandb", made)
    monkeypatch.setattr("phantom_wandb.wandb_run.count_rows", lambda _: sys.maxsize)  # it writes no file
    monkeypatch.delenv(REPORTING, raising=False)
    return made


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


class LossTrainer(ph.Trainer):
    """Logs a loss."""

    policy_class = ph.RandomPolicy

    def training_step(self, *_: Any) -> None:
        self.log_scalar("loss", 0.5)


def train(run_dir: Path) -> ph.TrainingResults:
    return ph.train(
        LossTrainer,
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=5,
        loggers=["wandb"],
        run_dir=run_dir,
    )


def test_settings_have_defaults_and_are_checked() -> None:
    assert WandbLogger().config == WandbConfig(
        mode="offline",
        project="phantom",
        entity=None,
        directory=None,
        step_axis="env_steps",
        log_files=True,
    )
    with pytest.raises(ph.errors.ConfigError):
        WandbLogger(mode="dryrun")


def test_wandb_is_not_imported_before_a_run_starts() -> None:
    code = "import sys, phantom_wandb as w; w.WandbLogger(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "wandb" not in done.stdout.split()


def test_a_missing_wandb_is_a_sentence_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(tmp_path)
    assert str(caught.value) == (
        "Plugin 'wandb': The logger 'wandb' needs wandb, which could not be imported: import of wandb "
        "halted; None in sys.modules. Run: pip install 'phantom-wandb[wandb]'"
    )


def test_without_any_directory_the_run_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        WandbLogger().on_train_start(train_start(None))
    assert str(caught.value) == (
        "The logger 'wandb' has no folder to write to: the run has no directory. "
        "Give the run one, or set the logger's directory."
    )


def test_a_run_is_offline_in_the_run_directory_and_not_the_programs_own(
    wandb: StandIn, tmp_path: Path
) -> None:
    logger = WandbLogger()
    logger.on_train_start(train_start(tmp_path, alpha=0.1))
    settings = wandb.runs[0].settings
    assert (settings["mode"], settings["dir"], settings["reinit"]) == ("offline", str(tmp_path), "create_new")
    assert (settings["project"], settings["entity"], settings["name"]) == ("phantom", None, "run-1")
    assert settings["tags"] == ["q-learning", "seed:1", f"phantom-rl-core:{ph.__version__}"]
    assert settings["config"]["alpha"] == 0.1
    assert settings["config"]["versions"]["phantom-rl-core"] == ph.__version__
    assert (logger.run_id, logger.directory) == ("abc", tmp_path / "wandb" / "offline-run-abc")


def test_a_directory_that_is_given_is_made_and_used(wandb: StandIn, tmp_path: Path) -> None:
    WandbLogger(directory=str(tmp_path / "a" / "b")).on_train_start(train_start(None))
    assert wandb.runs[0].settings["dir"] == str(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize(
    ("mode", "given", "expected"),
    [
        ("offline", None, "false"),
        ("offline", "true", "true"),
        ("online", None, None),
        ("online", "false", "false"),
    ],
)
def test_errors_are_reported_by_nobody_offline_unless_the_user_wants_it(
    wandb: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    given: str | None,
    expected: str | None,
) -> None:
    if given is not None:
        monkeypatch.setenv(REPORTING, given)
    WandbLogger(mode=mode).on_train_start(train_start(tmp_path))
    assert wandb.reporting == [expected]
    assert os.environ.get(REPORTING) == given


def test_settings_that_a_float_cannot_hold_are_text(wandb: StandIn, tmp_path: Path) -> None:
    sizes = {"sizes": (1, [2.5, float("inf")]), "more": {1: 2**60}}
    WandbLogger().on_train_start(
        train_start(tmp_path, seed=2**63 - 1, n=2**53, nan=float("nan"), on=True, none=None, **sizes)
    )
    config = wandb.runs[0].settings["config"]
    del config["versions"]
    assert config == {
        "seed": "9223372036854775807",
        "n": 2**53,
        "nan": "nan",
        "on": True,
        "none": None,
        "sizes": [1, [2.5, "inf"]],
        "more": {"1": "1152921504606846976"},
    }


@pytest.mark.parametrize(
    ("settings", "env_steps", "axes"),
    [
        ({}, [0, 10, 20, 20], ["iteration", "env_steps"]),
        ({}, [0, 0, 0, 0], ["iteration"]),
        ({"step_axis": "iteration"}, [0, 10, 20, 20], ["iteration"]),
    ],
)
def test_each_row_has_both_axes_and_curves_are_drawn_over_one(
    wandb: StandIn, tmp_path: Path, settings: dict[str, Any], env_steps: list[int], axes: list[str]
) -> None:
    logger = WandbLogger(**settings)
    logger.on_train_start(train_start(tmp_path))
    for iteration, made in zip([-1, 0, 1, -1], env_steps, strict=True):
        logger.on_metrics(metrics(iteration, made, {"a": 1.0}))
    logger.on_metrics(metrics(1, 20, {}))
    (run,) = wandb.runs
    assert run.axes == axes
    expected = zip([0, 0, 1, 1], env_steps, strict=True)
    assert run.rows == [{"a": 1.0, "iteration": i, "env_steps": made} for i, made in expected]


def test_values_with_a_step_of_their_own_are_written_at_it_and_move_no_others(
    wandb: StandIn, tmp_path: Path
) -> None:
    logger, steps = WandbLogger(), [5, 0, 1000, 3, -1, -7]
    logger.on_train_start(train_start(tmp_path))
    for own in steps:
        logger.on_metrics(metrics(own, own, {"loss": 1.0}))
    logger.on_metrics(metrics(1, 0, {"loss": 1.0}))
    logger.on_train_end(train_end())
    (run,) = wandb.runs
    expected = [(step, step) for step in steps] + [(1, 0)]
    assert run.rows == [{"loss": 1.0, "iteration": i, "env_steps": made} for i, made in expected]


@pytest.mark.parametrize(
    ("status", "expected"), [("completed", 0), ("stopped", 0), ("interrupted", 255), ("failed", 1)]
)
def test_the_run_is_closed_once_and_says_how_it_ended(
    wandb: StandIn, tmp_path: Path, status: str, expected: int
) -> None:
    logger = WandbLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_exception(ph.TrainFailed(iteration=1, exception=RuntimeError("broken")))
    logger.on_train_end(
        ph.TrainEnd(status=status, iterations=2, env_steps=20, stop_reasons=("a: b", "c: d"))  # type: ignore[arg-type]
    )
    logger.on_metrics(metrics(1, 2, {"a": 2.0}))
    logger.on_train_end(train_end())
    (run,) = wandb.runs
    assert run.exit_codes == [expected]
    assert run.tags[-1] == f"status:{status}"
    assert run.summary == {
        "error": "RuntimeError('broken')",
        "status": status,
        "stop_reasons": "a: b; c: d",
    }
    assert (run.rows, wandb.teardowns) == ([], 1)


def test_an_end_without_a_start_does_nothing(wandb: StandIn) -> None:
    logger = WandbLogger()
    logger.on_metrics(metrics(0, 1, {"a": 1.0}))
    logger.on_exception(ph.TrainFailed(iteration=0, exception=RuntimeError("broken")))
    logger.on_train_end(train_end("failed"))
    assert (wandb.runs, wandb.teardowns) == ([], 0)


def test_a_second_start_closes_the_run_before_as_failed(wandb: StandIn, tmp_path: Path) -> None:
    logger = WandbLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_train_start(train_start(tmp_path))
    logger.on_train_end(train_end())
    assert [run.exit_codes for run in wandb.runs] == [[1], [0]]


def test_wandb_is_stopped_when_no_run_of_the_process_is_open_any_more(wandb: StandIn, tmp_path: Path) -> None:
    loggers = [WandbLogger(), WandbLogger()]
    for logger in loggers:
        logger.on_train_start(train_start(tmp_path))
    loggers[0].on_train_end(train_end())
    assert wandb.teardowns == 0
    loggers[1].on_train_end(train_end())
    assert wandb.teardowns == 1


def test_files_are_kept_if_they_are_there_and_the_user_wants_it(wandb: StandIn, tmp_path: Path) -> None:
    train(tmp_path)
    names = ("state.json", "arrays.npz", "manifest.json")
    kept = {"config.toml", "run.json", *(f"policies/{name}" for name in names)}
    assert set(wandb.runs[0].files) == kept
    assert {name for name in kept if Path(wandb.runs[0].dir, name).is_file()} == kept
    (directory,) = tmp_path.iterdir()
    logger = WandbLogger(log_files=False)
    logger.on_train_start(train_start(directory))
    logger.on_train_end(train_end())
    assert wandb.runs[1].files == []


def test_a_client_that_fails_during_a_run_loses_no_run(wandb: StandIn, tmp_path: Path) -> None:
    wandb.fails_at = "log"
    results = train(tmp_path)
    assert results.iterations == 5
    assert results.hook_failures == (
        "Plugin 'wandb' failed 5 times in on_metrics: OSError: [Errno 28] No space left on device.",
        (
            "Plugin 'wandb' failed once in on_train_end: HookError: 5 events were not written: OSError: "
            "[Errno 28] No space left on device."
        ),
    )
    assert wandb.runs[0].exit_codes == [0]


@pytest.mark.parametrize("is_at_the_end", [False, True])
def test_rows_that_the_client_did_not_take_are_written_first_next_time_or_at_the_end(
    wandb: StandIn, tmp_path: Path, *, is_at_the_end: bool
) -> None:
    logger = WandbLogger()
    logger.on_train_start(train_start(tmp_path))
    (run,) = wandb.runs
    logger.on_metrics(metrics(0, 0, {"a": 0.0}))
    run.fails_at = "log"
    for step in (1, 2):
        with pytest.raises(OSError, match="No space left"):
            logger.on_metrics(metrics(step, 10 * step, {"a": float(step)}))
    run.fails_at = ""
    if not is_at_the_end:
        logger.on_metrics(metrics(3, 30, {"a": 3.0}))
    logger.on_train_end(train_end())
    assert [row["iteration"] for row in run.rows] == [0, 1, 2] + [3] * (not is_at_the_end)
    assert run.axes == ["iteration", "env_steps"]
    assert run.exit_codes == [0]


def test_a_client_that_fails_at_the_start_refuses_the_run_which_is_closed(
    wandb: StandIn, tmp_path: Path
) -> None:
    wandb.fails_at = "save"
    with pytest.raises(ph.errors.HookError, match="Plugin 'wandb' failed in on_train_start: OSError"):
        train(tmp_path)
    assert wandb.runs[0].exit_codes == [1]
    wandb.fails_at = "init"
    with pytest.raises(ph.errors.HookError, match="ValueError: no such entity"):
        train(tmp_path)
    assert len(wandb.runs) == 1


def test_rows_that_come_late_into_the_file_are_waited_for(
    wandb: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counts = iter([0, 1, 2])
    monkeypatch.setattr("phantom_wandb.wandb_run.count_rows", lambda _: next(counts))
    logger = WandbLogger()
    logger.on_train_start(train_start(tmp_path))
    for step in range(2):
        logger.on_metrics(metrics(step, step, {"a": 1.0}))
    logger.on_train_end(train_end())
    assert (next(counts, None), wandb.runs[0].exit_codes) == (None, [0])


@pytest.mark.usefixtures("wandb")
def test_a_file_that_is_missing_lacks_all_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("phantom_wandb.wandb_run.count_rows", count_rows)
    monkeypatch.setattr("phantom_wandb.wandb_run._MAX_WAIT", 0.0)
    logger = WandbLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_metrics(metrics(0, 0, {"a": 1.0}))
    with pytest.raises(
        ph.errors.HookError, match=r"1 of 1 events are not in .*run-abc\.wandb: W&B could not"
    ):
        logger.on_train_end(train_end())


def test_the_folder_is_absolute(wandb: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    logger = WandbLogger()
    logger.on_train_start(train_start(Path("run")))
    logger.on_train_end(train_end())
    assert wandb.runs[0].settings["dir"] == str(tmp_path / "run")


@pytest.mark.parametrize(("num_sent", "written"), [(1, [1, 2, 3, 4]), (2, [2, 3, 4]), (4, [4])])
def test_online_what_the_server_has_is_not_sent_again_and_what_it_lacks_is(
    wandb: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_sent: int, written: list[int]
) -> None:
    logger = WandbLogger(mode="online")
    logger.on_train_start(train_start(tmp_path))
    for iteration in range(2):
        logger.on_metrics(metrics(iteration, 10, {"a": 1.0}))
    rows = [{"iteration": i, "env_steps": 10, "values": {"a": 1.0}} for i in range(2)]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    monkeypatch.setattr(StandInRun, "starting_step", num_sent)
    resumed = WandbLogger(mode="online")
    resumed.load_state_dict(logger.state_dict())
    resumed.on_train_start(replace(train_start(tmp_path), is_resumed=True))
    for iteration in range(2, 5):
        resumed.on_metrics(metrics(iteration, 10, {"a": 1.0}))
    before, after = wandb.runs
    assert (before.settings["id"], before.settings["resume"]) == (None, None)
    assert (after.settings["id"], after.settings["resume"]) == ("abc", "allow")
    assert after.steps == [row["iteration"] for row in after.rows] == written
