"""One run in an MLflow store, through a client of its own."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from phantom_mlflow.mlflow_names import MlflowNames

MlflowStatus: TypeAlias = Literal["FINISHED", "FAILED", "KILLED"]

_BATCH: Final = 100  # MLflow takes 100 parameters and 1000 metrics at once
_SQL: Final = ("sqlalchemy", "alembic")
_TELEMETRY: Final = "MLFLOW_DISABLE_TELEMETRY"


class MlflowRun:
    """Writes one run. Nothing that MLflow keeps for the whole process is changed.

    Attributes:
        run_id: its id in MLflow.
    """

    def __init__(
        self, tracking_uri: str, experiment: str, name: str, *, artifact_location: str | None = None
    ) -> None:
        """Create the run, and its experiment if there is none of this name.

        Args:
            tracking_uri: the store.
            experiment: the name of the experiment.
            name: the name of the run.
            artifact_location: where files of a new experiment are kept; None: where the store says.

        Raises:
            ModuleNotFoundError: if MLflow is not installed, or what it needs for this store.
        """
        with _telemetry_off():
            from mlflow import entities, exceptions
            from mlflow.tracking import MlflowClient
        for needed in _SQL if tracking_uri.startswith("sqlite:") else ():
            importlib.import_module(needed)  # without them MLflow says that it knows no such store
        self._entities = entities
        self._conflict = exceptions.MlflowException
        self._client = MlflowClient(tracking_uri=tracking_uri)
        self._names = MlflowNames()
        experiment_id = self._experiment_id(experiment, artifact_location)
        self.run_id: str = self._client.create_run(experiment_id, run_name=name).info.run_id

    def log_parameters(self, values: Mapping[str, Any]) -> None:
        """Write the settings of the run, as text."""
        names = MlflowNames()
        pairs = ((names[name], _text(value)) for name, value in values.items())
        while some := list(islice(pairs, _BATCH)):
            params = [self._entities.Param(name, value) for name, value in some]
            self._client.log_batch(self.run_id, params=params)

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Write values of one step."""
        now = time.time_ns() // 1_000_000
        pairs = iter(values.items())
        while some := list(islice(pairs, _BATCH)):
            found = [self._entities.Metric(self._names[name], value, now, step) for name, value in some]
            self._client.log_batch(self.run_id, metrics=found)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Write tags, as text."""
        found = [self._entities.RunTag(name, _text(value)) for name, value in tags.items()]
        self._client.log_batch(self.run_id, tags=found)

    def log_files(self, *paths: Path) -> None:
        """Keep copies of files, and of folders with all that they hold; those that are missing are not."""
        for path in paths:
            if path.is_dir():
                self._client.log_artifacts(self.run_id, str(path), path.name)
            elif path.is_file():
                self._client.log_artifact(self.run_id, str(path))

    def end(self, status: MlflowStatus) -> None:
        """Close the run."""
        self._client.set_terminated(self.run_id, status)

    def _experiment_id(self, name: str, artifact_location: str | None) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name, artifact_location))
            except self._conflict:  # another run may have created it in between
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)


@contextmanager
def _telemetry_off() -> Iterator[None]:
    """Import MLflow such that it does not report its use over the network, unless the user wants it to."""
    if _TELEMETRY in os.environ:
        yield
        return
    os.environ[_TELEMETRY] = "true"
    try:
        yield
    finally:
        del os.environ[_TELEMETRY]


def _text(value: object) -> str:
    """Return a value as text that is valid UTF-8."""
    return str(value).encode(errors="replace").decode()
