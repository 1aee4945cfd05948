"""One run in an MLflow store, through a client of its own."""

from __future__ import annotations

import importlib
import logging
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import phantom_core as ph
from phantom_mlflow.mlflow_names import MlflowNames

MlflowStatus: TypeAlias = Literal["FINISHED", "FAILED", "KILLED"]

_log = logging.getLogger("phantom_core")

_BATCH: Final = 100  # MLflow takes 100 parameters and 1000 metrics at once
TAGS_OF_THE_END: Final = ("phantom.status", "phantom.error", "phantom.stop_reasons")
_SQL: Final = ("sqlalchemy", "alembic")
_TELEMETRY: Final = "MLFLOW_DISABLE_TELEMETRY"


@dataclass(frozen=True, slots=True)
class _Values:
    """What one event logged and the store does not have yet."""

    values: list[tuple[str, float]]
    step: int
    timestamp: int


class MlflowRun:
    """Writes one run. MLflow's global state is not changed.

    Attributes:
        run_id: its id in MLflow.
        names: the names under which its values are written.
        is_resumed: whether it goes on with a run that was there.
    """

    def __init__(
        self,
        tracking_uri: str,
        experiment: str,
        name: str,
        *,
        artifact_location: str | None = None,
        resumed: str = "",
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Go on with a run, or create it, and the experiment if it does not exist.

        Args:
            tracking_uri: the store.
            experiment: the name of the experiment.
            name: the name of the run.
            artifact_location: where a new experiment keeps its files; None for the default of the store.
            resumed: the id of the run to go on with; a warning says if the store does not have it.
            names: the names of values that the run to go on with has.

        Raises:
            ModuleNotFoundError: if MLflow, or a library that it needs for this store, is not installed.
        """
        with _telemetry_off():
            from mlflow import entities, exceptions
            from mlflow.tracking import MlflowClient
        for needed in _SQL if tracking_uri.startswith("sqlite:") else ():
            importlib.import_module(needed)  # without them MLflow reports an unknown store
        self._entities = entities
        self._refusal = exceptions.MlflowException
        self._client = MlflowClient(tracking_uri=tracking_uri)
        self._metrics = ph.writing.RetryQueue(self._write_metrics, name="mlflow")
        self._stored: dict[str, dict[int, float]] | None = None
        self.is_resumed = bool(resumed) and self._go_on(resumed, tracking_uri)
        self.names = MlflowNames(names if self.is_resumed else None)
        if self.is_resumed:
            self.run_id = resumed
            return
        experiment_id = self._experiment_id(experiment, artifact_location)
        self.run_id = str(self._client.create_run(experiment_id, run_name=name).info.run_id)

    def log_parameters(self, values: Mapping[str, Any]) -> None:
        """Write the settings of the run, as text. Those of a run that goes on stay: MLflow changes none."""
        if self.is_resumed:
            return
        names = MlflowNames()
        pairs = ((names[name], _text(value)) for name, value in values.items())
        while some := list(islice(pairs, _BATCH)):
            params = [self._entities.Param(name, value) for name, value in some]
            self._client.log_batch(self.run_id, params=params)

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Write values of one step, after those that could not be written before."""
        now = time.time_ns() // 1_000_000
        self._metrics.write(_Values([(self.names[name], value) for name, value in values.items()], step, now))

    def closing(self) -> AbstractContextManager[None]:
        """Write the values that were kept, run the block, and raise if values are left.

        Raises:
            HookError: if values are left that could not be written; it says of how many events.
        """
        return self._metrics.closing()

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Write tags, as text."""
        found = [self._entities.RunTag(name, _text(value)) for name, value in tags.items()]
        self._client.log_batch(self.run_id, tags=found)

    def log_files(self, *paths: Path) -> None:
        """Upload files, and folders with their contents; missing ones are skipped."""
        for path in paths:
            if path.is_dir():
                self._client.log_artifacts(self.run_id, str(path), path.name)
            elif path.is_file():
                self._client.log_artifact(self.run_id, str(path))

    def end(self, status: MlflowStatus) -> None:
        """Close the run, and the connections to a database, which MLflow keeps open for the process."""
        try:
            self._client.set_terminated(self.run_id, status)
        finally:
            store = getattr(getattr(self._client, "_tracking_client", None), "store", None)
            for name in ("engine", "read_engine"):  # MLflow itself has no way to close a store
                engine = getattr(store, name, None)
                if engine is not None:
                    engine.dispose()  # whoever uses it again connects anew

    def _write_metrics(self, event: _Values) -> None:
        """Write one event in batches; what is written is not written again if a later batch fails."""
        if self._stored is not None:
            self._take_out_what_is_stored(event)
        while some := event.values[:_BATCH]:
            found = [self._entities.Metric(name, value, event.timestamp, event.step) for name, value in some]
            self._client.log_batch(self.run_id, metrics=found)
            del event.values[:_BATCH]

    def _go_on(self, run_id: str, tracking_uri: str) -> bool:
        """Let a run be running again, and forget how it ended; return False if it is not there any more."""
        try:
            run = self._client.get_run(run_id)
            is_there = run.info.lifecycle_stage == "active"
        except self._refusal:
            is_there = False
        if not is_there:
            _log.warning("%s has no run %s any more. The run goes on in a new one.", tracking_uri, run_id)
            return False
        self._client.update_run(run_id, status="RUNNING")
        for tag in run.data.tags.keys() & set(TAGS_OF_THE_END):
            self._client.delete_tag(run_id, tag)
        self._stored = {}
        return True

    def _take_out_what_is_stored(self, event: _Values) -> None:
        """Take out what the store got between the checkpoint and the end: it would keep both."""
        assert self._stored is not None
        for name, _ in event.values:
            if name not in self._stored:
                found = self._client.get_metric_history(self.run_id, name)
                self._stored[name] = {metric.step: metric.value for metric in found}
        known = {name: self._stored[name].get(event.step) for name, _ in event.values}
        event.values[:] = [
            (name, value) for name, value in event.values if not _is_same(name, value, known[name])
        ]
        if all(value is None for value in known.values()):
            self._stored = None  # nor has it what comes later

    def _experiment_id(self, name: str, artifact_location: str | None) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name, artifact_location))
            except self._refusal:  # another run may have created it in between
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)


def _is_same(name: str, value: float, stored: float | None) -> bool:
    """Return whether the store, which keeps infinities as large numbers, has a value. Times always differ."""
    if stored is None or name.startswith("time/"):
        return stored is not None
    largest = sys.float_info.max
    return stored == min(max(value, -largest), largest) or (math.isnan(stored) and math.isnan(value))


@contextmanager
def _telemetry_off() -> Iterator[None]:
    """Turn MLflow's telemetry off while it is imported, unless the user has set it."""
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
