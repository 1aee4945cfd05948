"""The logger `mlflow`: every value, the settings and the files of a run in MLflow."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import phantom_core as ph
from phantom_mlflow.mlflow_run import MlflowRun, MlflowStatus

_SQLITE: Final = "sqlite:///"
_STATUS: Final[Mapping[str, MlflowStatus]] = {
    "completed": "FINISHED",
    "stopped": "FINISHED",
    "interrupted": "KILLED",
    "failed": "FAILED",
}


@dataclass(frozen=True)
class MlflowConfig:
    """Settings of the logger `mlflow`."""

    tracking_uri: str | None = None
    """MLflow's store: `sqlite:///runs/mlflow.db` or `http://…`; without it, a SQLite file in `mlflow` inside
    the run directory. Files go to `mlartifacts` beside a SQLite file."""

    experiment: str = "phantom"
    """The experiment to which the run belongs; it is created if there is none of this name."""

    step_axis: Literal["env_steps", "iteration"] = "env_steps"
    """What curves are drawn over: env steps (iterations, while none are counted) or iterations."""

    log_files: bool = True
    """Whether `config.toml`, `run.json` and the final policies are kept in MLflow too."""


class MlflowLogger(ph.Hooks):
    """Writes every scalar of a run, its settings, its files and how it ended into an MLflow store.

    MLflow is imported when a run starts, not before. Its settings for the whole process, such as the
    active run, are neither used nor changed.

    Attributes:
        tracking_uri: the store of the latest run; None: there was none.
        run_id: the id of the latest run in MLflow; None: there was none.
    """

    config_class: ClassVar[type] = MlflowConfig
    config: MlflowConfig
    tracking_uri: str | None = None
    run_id: str | None = None
    _run: MlflowRun | None = None
    _directory: Path | None = None
    _iteration: int = 0

    def on_train_start(self, event: ph.TrainStart) -> None:
        """Create a run in MLflow; write its settings, tags and files.

        Raises:
            ConfigError: if there is neither a `tracking_uri` nor a run directory, or no MLflow.
        """
        self._end("FAILED", {})
        self._directory, self._iteration = event.run_directory, 0
        self._run = self._create(event)
        self.run_id = self._run.run_id
        self._run.set_tags(
            {
                "phantom.trainer": event.trainer_name,
                "phantom.seed": event.seed,
                "phantom.run_directory": event.run_directory,
                **{f"version.{name}": version for name, version in _versions(event.run_directory).items()},
            }
        )
        self._run.log_parameters(event.hyper_parameters)
        if self._directory is not None and self.config.log_files:
            self._run.log_files(self._directory / "config.toml", self._directory / "run.json")

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        """Write all values."""
        self._iteration = max(self._iteration, event.iteration)
        if self._run is not None and event.values:
            has_steps = self.config.step_axis == "env_steps" and event.env_steps > 0
            self._run.log_metrics(event.values, event.env_steps if has_steps else self._iteration)

    def on_exception(self, event: ph.TrainFailed) -> None:
        """Write what broke the run off."""
        if self._run is not None:
            self._run.set_tags({"phantom.error": repr(event.exception)})

    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Write how the run ended and its policies, and close it."""
        tags: dict[str, object] = {"phantom.status": event.status}
        if event.stop_reasons:
            tags["phantom.stop_reasons"] = "; ".join(event.stop_reasons)
        self._end(_STATUS[event.status], tags)

    def _create(self, event: ph.TrainStart) -> MlflowRun:
        uri = self.config.tracking_uri
        if uri is None:
            if event.run_directory is None:
                raise ph.errors.ConfigError(
                    "The logger 'mlflow' has no store to write to: the run has no directory. "
                    "Give the run one, or set the logger's tracking_uri."
                )
            uri = _SQLITE + (event.run_directory / "mlflow" / "mlflow.db").resolve().as_posix()
        self.tracking_uri = uri
        try:
            return MlflowRun(
                uri, self.config.experiment, event.run_name, artifact_location=_beside_the_store(uri)
            )
        except ModuleNotFoundError as error:
            raise ph.errors.ConfigError(
                f"The logger 'mlflow' needs MLflow, which could not be imported: {error}. "
                "Run: pip install 'phantom-mlflow[mlflow]'"
            ) from error

    def _end(self, status: MlflowStatus, tags: Mapping[str, object]) -> None:
        """Close the run, whatever else goes wrong."""
        run, self._run = self._run, None
        if run is None:
            return
        try:
            if tags:
                run.set_tags(tags)
            if self._directory is not None and self.config.log_files:
                run.log_files(self._directory / "policies")
        finally:
            run.end(status)


def _beside_the_store(uri: str) -> str | None:
    """Return where the files of a SQLite store go, for MLflow would put them into the current folder.

    The folder is made: SQLite makes none. For any other store it is None: a server has a place of its own.
    """
    if not uri.startswith(_SQLITE):
        return None
    folder = Path(uri.removeprefix(_SQLITE).partition("?")[0]).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "mlartifacts").as_uri()


def _versions(run_directory: Path | None) -> dict[str, str]:
    """Return version by name, as `run.json` has them; without one, of Python and the core."""
    path = None if run_directory is None else run_directory / "run.json"
    if path is None or not path.is_file():
        return {"python": platform.python_version(), "phantom-rl-core": ph.__version__}
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    plugins = {plugin["distribution"]: plugin["version"] for plugin in facts["plugins"]}
    return {**facts["versions"], **plugins}
