"""The logger `mlflow` with a stand-in for MLflow's client: what it does when MLflow is missing or fails."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import phantom_core as ph
from phantom_mlflow import MlflowConfig, MlflowLogger

RUN_ID = "run-id"


class StandIn:
    """Notes what MLflow's client did; fails where it is told to, after so many calls."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.fails_at: str = ""
        self.fails_after: int = 0
        self.telemetry: str | None = None
        self.experiments: dict[str, str] = {}

    def __call__(self, tracking_uri: str) -> "StandIn":
        self._note("client", tracking_uri)
        return self

    def get_experiment_by_name(self, name: str) -> Any:
        found = self.experiments.get(name)
        return None if found is None else SimpleNamespace(experiment_id=found)

    def create_experiment(self, name: str, location: str | None) -> str:
        self._note("experiment", name, location)
        return self.experiments.setdefault(name, "7")

    def create_run(self, experiment_id: str, run_name: str) -> Any:
        self._note("run", experiment_id, run_name)
        return SimpleNamespace(info=SimpleNamespace(run_id=RUN_ID))

    def log_batch(self, run_id: str, **entities: list[Any]) -> None:
        for kind, found in entities.items():
            self._note(kind, found)

    def log_artifact(self, run_id: str, path: str) -> None:
        self._note("file", Path(path).name)

    def log_artifacts(self, run_id: str, path: str, name: str) -> None:
        self._note("folder", name)

    def set_terminated(self, run_id: str, status: str) -> None:
        self._note("end", run_id, status)

    def of(self, kind: str) -> list[Any]:
        return [asked[1:] if len(asked) > 2 else asked[1] for asked in self.asked if asked[0] == kind]

    def _note(self, kind: str, *what: Any) -> None:
        self.telemetry = os.environ.get("MLFLOW_DISABLE_TELEMETRY")
        if kind == self.fails_at and len(self.of(kind)) >= self.fails_after:
            raise OSError(28, "No space left on device")
        self.asked.append((kind, *what))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    package = ModuleType("mlflow")
    package.entities = SimpleNamespace(  # type: ignore[attr-defined]
        Param=lambda *of: of, Metric=lambda name, value, _, step: (name, value, step), RunTag=lambda *of: of
    )
    package.exceptions = SimpleNamespace(MlflowException=RuntimeError)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", package)
    monkeypatch.setitem(sys.modules, "mlflow.tracking", SimpleNamespace(MlflowClient=made))
    for name in ("alembic", "sqlalchemy"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
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
        loggers=["mlflow"],
        run_dir=run_dir,
    )


def test_settings_have_defaults_and_are_checked() -> None:
    assert MlflowLogger().config == MlflowConfig(
        tracking_uri=None, experiment="phantom", step_axis="env_steps", log_files=True
    )
    with pytest.raises(ph.errors.ConfigError):
        MlflowLogger(step_axis="episodes")


def test_mlflow_is_not_imported_before_a_run_starts() -> None:
    code = "import sys, phantom_mlflow as m; m.MlflowLogger(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"mlflow", "sqlalchemy"}.isdisjoint(done.stdout.split())


def test_a_missing_mlflow_is_a_sentence_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(tmp_path)
    assert str(caught.value) == (
        "Plugin 'mlflow': The logger 'mlflow' needs MLflow, which could not be imported: import of mlflow "
        "halted; None in sys.modules. Run: pip install 'phantom-mlflow[mlflow]'"
    )


@pytest.mark.usefixtures("client")
def test_so_is_what_mlflow_needs_for_a_store_in_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(tmp_path)
    assert str(caught.value) == (
        "Plugin 'mlflow': The logger 'mlflow' needs MLflow, which could not be imported: import of "
        "sqlalchemy halted; None in sys.modules. Run: pip install 'phantom-mlflow[mlflow]'"
    )
    MlflowLogger(tracking_uri="http://mlflow.example").on_train_start(train_start(None))


def test_without_any_store_the_run_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        MlflowLogger().on_train_start(train_start(None))
    assert str(caught.value) == (
        "The logger 'mlflow' has no store to write to: the run has no directory. "
        "Give the run one, or set the logger's tracking_uri."
    )


def test_the_store_is_in_the_run_directory(client: StandIn, tmp_path: Path) -> None:
    logger = MlflowLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_train_end(train_end())
    assert logger.tracking_uri == f"sqlite:///{tmp_path.as_posix()}/mlflow/mlflow.db"
    assert client.of("client") == [logger.tracking_uri]
    assert client.of("experiment") == [("phantom", (tmp_path / "mlflow" / "mlartifacts").as_uri())]
    assert client.of("run") == [("7", "run-1")]
    assert logger.run_id == RUN_ID


def test_a_store_that_is_given_is_used_and_keeps_files_where_it_wants(client: StandIn) -> None:
    logger = MlflowLogger(tracking_uri="http://mlflow.example", experiment="Köln")
    for _ in range(2):
        logger.on_train_start(train_start(None))
        logger.on_train_end(train_end())
    assert client.of("client") == ["http://mlflow.example"] * 2
    assert client.of("experiment") == [("Köln", None)]


def test_the_files_of_a_sqlite_store_are_kept_beside_it_and_not_in_the_current_folder(
    client: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    MlflowLogger(tracking_uri="sqlite:///runs/new/mlflow.db?timeout=9").on_train_start(train_start(None))
    assert client.of("client") == ["sqlite:///runs/new/mlflow.db?timeout=9"]
    assert client.of("experiment") == [("phantom", (tmp_path / "runs" / "new" / "mlartifacts").as_uri())]
    assert (tmp_path / "runs" / "new").is_dir()


def test_an_experiment_that_another_run_creates_in_between_is_used(
    client: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(name: str, _: str | None) -> str:
        client.experiments[name] = "8"
        raise RuntimeError("RESOURCE_ALREADY_EXISTS")

    monkeypatch.setattr(client, "create_experiment", create)
    MlflowLogger(tracking_uri="http://mlflow.example").on_train_start(train_start(None))
    assert client.of("run") == [("8", "run-1")]


@pytest.mark.usefixtures("client")
def test_telemetry_is_off_while_mlflow_is_imported_and_the_environment_is_left_alone(tmp_path: Path) -> None:
    seen: list[str | None] = []

    class Watched(ModuleType):
        def __getattr__(self, name: str) -> Any:
            seen.append(os.environ.get("MLFLOW_DISABLE_TELEMETRY"))
            return SimpleNamespace(MlflowException=RuntimeError, RunTag=lambda *of: of)

    sys.modules["mlflow"] = Watched("mlflow")
    MlflowLogger().on_train_start(train_start(tmp_path))
    assert set(seen) == {"true"}
    assert "MLFLOW_DISABLE_TELEMETRY" not in os.environ


def test_telemetry_is_the_users_choice(
    client: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    MlflowLogger().on_train_start(train_start(tmp_path))
    assert client.telemetry == "false"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"


@pytest.mark.parametrize(
    ("settings", "env_steps", "steps"),
    [
        ({}, [0, 10, 20, 20], [0, 10, 20, 20]),
        ({}, [0, 0, 0, 0], [0, 0, 1, 1]),
        ({"step_axis": "iteration"}, [0, 10, 20, 20], [0, 0, 1, 1]),
    ],
)
def test_steps_are_env_steps_or_iterations(
    client: StandIn, tmp_path: Path, settings: dict[str, Any], env_steps: list[int], steps: list[int]
) -> None:
    logger = MlflowLogger(**settings)
    logger.on_train_start(train_start(tmp_path))
    for iteration, made in zip([-1, 0, 1, -1], env_steps, strict=True):
        logger.on_metrics(metrics(iteration, made, {"a": 1.0}))
    logger.on_train_end(train_end())
    assert [step for ((_, _, step),) in client.of("metrics")] == steps


@pytest.mark.parametrize("step_axis", ["env_steps", "iteration"])
def test_values_with_a_step_of_their_own_are_written_at_it_and_move_no_others(
    client: StandIn, tmp_path: Path, step_axis: str
) -> None:
    logger, steps = MlflowLogger(step_axis=step_axis), [5, 0, 1000, 3, -1, -7]
    logger.on_train_start(train_start(tmp_path))
    for own in steps:
        logger.on_metrics(metrics(own, own, {"loss": 1.0}))
    logger.on_metrics(metrics(1, 0, {"a": 1.0}))
    logger.on_train_end(train_end())
    assert [step for ((_, _, step),) in client.of("metrics")] == [*steps, 1]


def test_many_values_are_handed_over_in_parts(client: StandIn, tmp_path: Path) -> None:
    logger = MlflowLogger()
    logger.on_train_start(train_start(tmp_path, **{f"p{i}": i for i in range(250)}))
    logger.on_metrics(metrics(0, 1, {f"m{i}": float(i) for i in range(250)}))
    logger.on_metrics(metrics(0, 1, {}))
    for kind in ("params", "metrics"):
        assert [len(part) for part in client.of(kind)] == [100, 100, 50]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("completed", "FINISHED"),
        ("stopped", "FINISHED"),
        ("interrupted", "KILLED"),
        ("failed", "FAILED"),
    ],
)
def test_the_run_is_closed_once_and_says_how_it_ended(
    client: StandIn, tmp_path: Path, status: str, expected: str
) -> None:
    logger = MlflowLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_train_end(train_end(status))
    logger.on_metrics(metrics(1, 2, {"a": 2.0}))
    logger.on_train_end(train_end(status))
    assert client.of("end") == [(RUN_ID, expected)]
    assert client.of("tags")[-1] == [("phantom.status", status)]
    assert client.of("metrics") == []


def test_an_end_without_a_start_does_nothing(client: StandIn) -> None:
    logger = MlflowLogger()
    logger.on_metrics(metrics(0, 1, {"a": 1.0}))
    logger.on_exception(ph.TrainFailed(iteration=0, exception=RuntimeError("broken")))
    logger.on_train_end(train_end("failed"))
    assert client.asked == []


def test_a_second_start_closes_the_run_before_as_failed(client: StandIn, tmp_path: Path) -> None:
    logger = MlflowLogger()
    logger.on_train_start(train_start(tmp_path))
    logger.on_train_start(train_start(tmp_path))
    logger.on_train_end(train_end())
    assert client.of("end") == [(RUN_ID, "FAILED"), (RUN_ID, "FINISHED")]


def test_files_are_kept_if_they_are_there_and_the_user_wants_it(client: StandIn, tmp_path: Path) -> None:
    train(tmp_path)
    assert client.of("file") == ["config.toml", "run.json"]
    assert client.of("folder") == ["policies"]
    client.asked.clear()
    logger = MlflowLogger(log_files=False)
    (directory,) = tmp_path.iterdir()
    logger.on_train_start(train_start(directory))
    logger.on_train_end(train_end())
    assert client.of("file") == client.of("folder") == []


def test_a_store_that_fails_during_a_run_loses_no_run(client: StandIn, tmp_path: Path) -> None:
    client.fails_at = "metrics"
    results = train(tmp_path)
    assert results.iterations == 5
    assert results.hook_failures == (
        "Plugin 'mlflow' failed 5 times in on_metrics: OSError: [Errno 28] No space left on device.",
        (
            "Plugin 'mlflow' failed once in on_train_end: HookError: 5 events were not written: OSError: "
            "[Errno 28] No space left on device."
        ),
    )
    assert client.of("end") == [(RUN_ID, "FINISHED")]


def test_what_a_store_did_not_take_is_written_first_next_time_each_part_once(
    client: StandIn, tmp_path: Path
) -> None:
    logger = MlflowLogger()
    logger.on_train_start(train_start(tmp_path))
    client.fails_at, client.fails_after = "metrics", 1
    for step in (1, 2):
        with pytest.raises(OSError, match="No space left"):
            logger.on_metrics(metrics(0, step, {f"m{i}": float(i) for i in range(150)}))
    client.fails_at = ""
    logger.on_metrics(metrics(0, 3, {"m0": 0.0}))
    parts = client.of("metrics")
    assert [len(part) for part in parts] == [100, 50, 100, 50, 1]
    expected = [(f"m{i}", float(i), step) for step in (1, 2) for i in range(150)]
    assert [value for part in parts for value in part] == [*expected, ("m0", 0.0, 3)]


def test_what_a_store_did_not_take_is_written_at_the_end_before_the_run_is_closed(
    client: StandIn, tmp_path: Path
) -> None:
    logger = MlflowLogger()
    logger.on_train_start(train_start(tmp_path))
    client.fails_at = "metrics"
    with pytest.raises(OSError, match="No space left"):
        logger.on_metrics(metrics(0, 1, {"a": 1.0}))
    client.fails_at = ""
    logger.on_exception(ph.TrainFailed(iteration=0, exception=RuntimeError("broken")))
    logger.on_train_end(train_end("failed"))
    assert [asked[0] for asked in client.asked[-3:]] == ["metrics", "tags", "end"]
    tags = {"phantom.status": "failed", "phantom.error": "RuntimeError('broken')"}
    assert dict(client.of("tags")[-1]) == tags


def test_a_run_is_closed_even_if_its_files_cannot_be_kept(client: StandIn, tmp_path: Path) -> None:
    client.fails_at = "folder"
    results = train(tmp_path)
    assert results.hook_failures == (
        "Plugin 'mlflow' failed once in on_train_end: OSError: [Errno 28] No space left on device.",
    )
    assert client.of("end") == [(RUN_ID, "FINISHED")]


@pytest.mark.parametrize(("fails_at", "ends"), [("run", []), ("tags", ["FAILED"])])
def test_a_store_that_fails_at_the_start_refuses_the_run(
    client: StandIn, tmp_path: Path, fails_at: str, ends: list[str]
) -> None:
    client.fails_at = fails_at
    with pytest.raises(ph.errors.HookError, match="Plugin 'mlflow' failed in on_train_start: OSError"):
        train(tmp_path)
    assert [status for _, status in client.of("end")] == ends
