"""The logger `mlflow`: values, settings and files of a run in MLflow."""

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
    "diverged": "FAILED",
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
    """Writes all scalars of a run, its settings, its files and its status to an MLflow store.

    MLflow is imported when a run starts. Its global state, such as the active run, is neither used nor
    changed. Values that cannot be written are kept and written first next time. A run that is resumed goes on
    as the same run of MLflow; what its store has already is not written again.

    Attributes:
        tracking_uri: the store of the latest run; None before the first run.
        run_id: the MLflow id of the latest run; None before the first run.
    """

    config_class: ClassVar[type] = MlflowConfig
    config: MlflowConfig
    tracking_uri: str | None = None
    run_id: str | None = None
    _run: MlflowRun | None = None
    _directory: Path | None = None
    _iteration: int = 0
    _error: str | None = None
    _saved: Mapping[str, Any] | None = None

    def on_train_start(self, event: ph.TrainStart) -> None:
        """Create a run in MLflow, or go on with it; write its settings, tags and files.

        Raises:
            ConfigError: if there is neither a `tracking_uri` nor a run directory, or MLflow is missing.
        """
        self._end("FAILED", {})
        saved, self._saved = (self._saved or {}) if event.is_resumed else {}, None
        self._directory, self._error = event.run_directory, None
        self._iteration = saved.get("iteration", 0)
        self._run = self._create(event, saved)
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

    def state_dict(self) -> dict[str, Any]:
        """Return the id of the run in MLflow, and the names of its values there."""
        if self._run is None:
            return {}
        names = dict(self._run.names.by_name)
        return {"run_id": self._run.run_id, "names": names, "iteration": self._iteration}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Keep what `state_dict` returned until the run goes on."""
        self._saved = state

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        """Write the values of one iteration, or of a step of their own."""
        is_of_no_iteration = event.iteration < 0 <= event.env_steps  # a step of its own is the same in both
        if not is_of_no_iteration:
            self._iteration = event.iteration
        if self._run is not None and event.values:
            has_steps = self.config.step_axis == "env_steps" and event.env_steps > 0
            self._run.log_metrics(event.values, event.env_steps if has_steps else self._iteration)

    def on_exception(self, event: ph.TrainFailed) -> None:
        """Remember the exception; `on_train_end` writes it."""
        self._error = repr(event.exception)

    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Write the values that were kept, the status and the policies, and end the run in MLflow.

        Raises:
            HookError: if values are left that could not be written; it says of how many events.
        """
        tags: dict[str, object] = {"phantom.status": event.status}
        if self._error is not None:
            tags["phantom.error"] = self._error
        if event.stop_reasons:
            tags["phantom.stop_reasons"] = "; ".join(event.stop_reasons)
        self._end(_STATUS[event.status], tags)

    def _create(self, event: ph.TrainStart, saved: Mapping[str, Any]) -> MlflowRun:
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
                uri,
                self.config.experiment,
                event.run_name,
                artifact_location=_beside_the_store(uri),
                resumed=saved.get("run_id", ""),
                names=saved.get("names"),
            )
        except ModuleNotFoundError as error:
            raise ph.errors.ConfigError(
                f"The logger 'mlflow' needs MLflow, which could not be imported: {error}. "
                "Run: pip install 'phantom-mlflow[mlflow]'"
            ) from error

    def _end(self, status: MlflowStatus, tags: Mapping[str, object]) -> None:
        """End the run in MLflow, whatever else fails."""
        run, self._run = self._run, None
        if run is None:
            return
        with run.closing():
            try:
                if tags:
                    run.set_tags(tags)
                if self._directory is not None and self.config.log_files:
                    run.log_files(self._directory / "policies")
            finally:
                run.end(status)


def _beside_the_store(uri: str) -> str | None:
    """Return where the files of a SQLite store go; MLflow's default is the working directory.

    Creates the folder, which SQLite does not. Returns None for any other store, which has its own default.
    """
    if not uri.startswith(_SQLITE):
        return None
    folder = Path(uri.removeprefix(_SQLITE).partition("?")[0]).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "mlartifacts").as_uri()


def _versions(run_directory: Path | None) -> dict[str, str]:
    """Return version by name from `run.json`, or of Python and the core if there is none."""
    path = None if run_directory is None else run_directory / "run.json"
    if path is None or not path.is_file():
        return {"python": platform.python_version(), "phantom-rl-core": ph.__version__}
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    plugins = {plugin["distribution"]: plugin["version"] for plugin in facts["plugins"]}
    return {**facts["versions"], **plugins}
