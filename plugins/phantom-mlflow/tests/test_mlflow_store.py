"""Runs in a SQLite store, read back with MLflow's own client."""

import json
import math
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, nullcontext
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import phantom_core as ph
from phantom_mlflow import MlflowLogger

if find_spec("mlflow") is None:
    pytest.skip("mlflow is not installed: run make check-integrations", allow_module_level=True)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(180),  # MLflow takes seconds to create a store
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # what MLflow uses is its matter
]


class LossTrainer(ph.Trainer):
    """Logs a loss and env steps; ends its third iteration as it is told to."""

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
        loggers=["mlflow"],
        run_dir=run_dir,
        **settings,
    )


def read(tracking_uri: str | None, experiment: str = "phantom") -> tuple[Any, Any]:
    """Return MLflow's client, and the only run of an experiment."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri)
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return client, run


def history(client: Any, run: Any, name: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


def train_start(run_directory: Path | None = None, **hyper_parameters: Any) -> ph.TrainStart:
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


def test_mlflow_shows_what_the_run_measured_its_settings_and_its_files(tmp_path: Path) -> None:
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
    client, run = read(f"sqlite:///{directory.resolve()}/mlflow/mlflow.db")
    assert (run.info.run_name, run.info.status) == ("walk", "FINISHED")
    assert run.data.params["env_config.env"] == "FrozenLake-v1"
    assert run.data.params["trainer.q-learning.alpha"] == "0.25"
    assert run.data.params["seed"] == str(2**63 - 1)
    for name in ("rewards/group", "default/episode_return"):
        expected = [(row["env_steps"], row[name]) for row in results.history]
        assert history(client, run, name) == expected
    evaluations = [(row["env_steps"], row["eval/mean_return"]) for row in results.history[1::2]]
    assert history(client, run, "eval/mean_return") == evaluations
    tags = run.data.tags
    assert (tags["phantom.seed"], tags["phantom.trainer"]) == (str(2**63 - 1), "q-learning")
    assert (tags["phantom.status"], tags["phantom.run_directory"]) == ("completed", str(directory))
    versions = json.loads((directory / "run.json").read_text())["versions"]
    assert {name: tags[f"version.{name}"] for name in versions} == versions
    for name in ("phantom-mlflow", "phantom-qlearning"):
        assert tags[f"version.{name}"] == version(name)
    kept = Path(client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    assert (kept / "config.toml").read_text() == (directory / "config.toml").read_text()
    (kept / "run.json").write_text((directory / "run.json").read_text())
    (policy,) = ph.load_policies(kept).values()
    np.testing.assert_equal(policy.state_dict(), results.policies["default"].state_dict())


@pytest.mark.parametrize(
    ("exception", "status", "expected"),
    [(RuntimeError("broken"), "failed", "FAILED"), (KeyboardInterrupt(), "interrupted", "KILLED")],
)
def test_a_run_that_breaks_off_is_closed_and_says_why(
    tmp_path: Path,
    store: str,
    monkeypatch: pytest.MonkeyPatch,
    exception: BaseException,
    status: str,
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    class Breaking(LossTrainer):
        raises = exception

    with pytest.raises(type(exception)):
        train(
            tmp_path,
            trainer=Breaking,
            logger_config={"mlflow": {"tracking_uri": store, "experiment": status}},
        )
    client, run = read(store, status)
    assert run.info.status == expected
    assert (run.data.tags["phantom.status"], run.data.tags["phantom.error"]) == (status, repr(exception))
    assert history(client, run, "loss") == [(0, 0.0), (1, 0.5)]
    assert [file.path for file in client.list_artifacts(run.info.run_id, "policies")] != []
    assert [path for path in tmp_path.iterdir() if not path.name.startswith("Breaking")] == []


def test_values_and_settings_of_every_kind_are_kept(store: str) -> None:
    logger = MlflowLogger(tracking_uri=store, experiment="kinds")
    settings = {"sizes": [1, 2], "nothing": None, "text": "", "limit": math.inf, "lone \udc80": "\udc80"}
    logger.on_train_start(train_start(**settings, long="x" * 7000))
    values = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "Lager (Köln)/a, in %": 1e300, "n": 2**60}
    logger.on_metrics(metrics(0, 2**40, values))
    logger.on_train_end(ph.TrainEnd(status="completed", iterations=1, env_steps=1))
    client, run = read(store, "kinds")
    largest = sys.float_info.max
    assert math.isnan(run.data.metrics.pop("nan"))
    assert run.data.metrics == {
        "inf": largest,
        "-inf": -largest,
        "Lager _Köln_/a_ in _": 1e300,
        "n": float(2**60),
    }
    assert history(client, run, "n") == [(2**40, 2.0**60)]
    assert len(run.data.params.pop("long")) == 6000
    assert run.data.params == {
        "sizes": "[1, 2]",
        "nothing": "None",
        "text": "",
        "limit": "inf",
        "lone _": "?",
    }


def test_runs_beside_each_other_and_the_programs_own_are_kept_apart(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere.db")
    environment, tracking_uri = dict(os.environ), mlflow.get_tracking_uri()
    loggers = [MlflowLogger(tracking_uri=store, experiment=f"beside-{i}") for i in range(2)]
    for logger in loggers:
        logger.on_train_start(train_start())
    for step in range(3):
        for value, logger in enumerate(loggers):
            logger.on_metrics(metrics(step, 0, {"a": float(value)}))
    loggers[0].on_train_end(ph.TrainEnd(status="failed", iterations=3, env_steps=0))
    loggers[1].on_train_end(ph.TrainEnd(status="completed", iterations=3, env_steps=0))
    for value, status in enumerate(["FAILED", "FINISHED"]):
        client, run = read(store, f"beside-{value}")
        assert run.info.status == status
        assert history(client, run, "a") == [(step, float(value)) for step in range(3)]
    assert mlflow.active_run() is None
    assert mlflow.get_tracking_uri() == tracking_uri
    assert dict(os.environ) == environment
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_process_that_is_killed_loses_no_values_and_nothing_is_sent(store: str, tmp_path: Path) -> None:
    code = (
        "import os, sys, threading\n"
        "watched = ('socket.connect', 'socket.getaddrinfo')\n"
        "sys.addaudithook(lambda event, args: event in watched and print(event, args, flush=True))\n"
        "import phantom_core as ph\n"
        "from phantom_mlflow import MlflowLogger\n"
        f"logger = MlflowLogger(tracking_uri={store!r}, experiment='killed')\n"
        "start = ph.TrainStart(run_name='r', run_directory=None, trainer_name='t', num_iterations=1,\n"
        "    total_steps=None, seed=1)\n"
        "logger.on_train_start(start)\n"
        "logger.on_metrics(ph.MetricsRecorded(iteration=0, env_steps=5, values={'a': 1.5}))\n"
        "print([thread.name for thread in threading.enumerate()], flush=True)\n"
        "os._exit(0)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "['MainThread']\n", done.stderr
    client, run = read(store, "killed")
    assert run.info.status == "RUNNING"
    assert history(client, run, "a") == [(5, 1.5)]
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_locked_for_a_moment_has_every_value_once_and_in_order(tmp_path: Path) -> None:
    from mlflow.exceptions import MlflowException

    database = tmp_path / "mlflow.db"
    logger = MlflowLogger(tracking_uri=f"sqlite:///{database}?timeout=0")
    logger.on_train_start(train_start())
    with closing(sqlite3.connect(database)) as other:
        for step in range(6):
            if step == 2:
                other.execute("BEGIN EXCLUSIVE")
            if step == 4:
                other.rollback()
            with pytest.raises(MlflowException) if step in {2, 3} else nullcontext():
                logger.on_metrics(metrics(step, 0, {f"a{i}": float(step) for i in range(150)}))
    logger.on_train_end(ph.TrainEnd(status="completed", iterations=6, env_steps=0))
    client, run = read(logger.tracking_uri)
    for name in ("a0", "a149"):
        assert history(client, run, name) == [(step, float(step)) for step in range(6)]
    assert run.info.status == "FINISHED"


def test_a_start_and_an_end_leave_no_thread(store: str) -> None:
    before = set(threading.enumerate())  # some of which may be ending
    logger = MlflowLogger(tracking_uri=store, experiment="threads")
    logger.on_train_start(train_start())
    assert set(threading.enumerate()) <= before
    logger.on_train_end(ph.TrainEnd(status="completed", iterations=0, env_steps=0))


def test_secrets_are_masked_in_the_store_and_in_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_USER", "sesame-3")

    class Telling(LossTrainer):
        raises = RuntimeError("no access with sesame-1 for sesame-3")

    with pytest.raises(RuntimeError, match=r"^no access with \*\*\*masked\*\*\* for env:LAKE_USER$"):
        train(tmp_path, trainer=Telling, env=SecretLake, env_config=SECRETS)
    (directory,) = tmp_path.iterdir()
    _, run = read(f"sqlite:///{directory.resolve()}/mlflow/mlflow.db")
    assert run.data.params["env_config.api_key"] == "***masked***"
    assert run.data.params["env_config.uri"] == "http://bob:***@host"
    assert run.data.params["env_config.user"] == "env:LAKE_USER"
    assert run.data.tags["phantom.error"] == "RuntimeError('no access with ***masked*** for env:LAKE_USER')"
    assert written_with(b"sesame", tmp_path) == []
