"""The logger `wandb`: values, settings and files of a run in Weights & Biases."""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import phantom_core as ph
from phantom_wandb.wandb_run import WandbRun

_log = logging.getLogger("phantom_core")

_EXIT_CODE: Final[Mapping[str, int]] = {
    "completed": 0,
    "stopped": 0,
    "diverged": 1,
    "failed": 1,
    "interrupted": 255,
}
"""W&B shows the status of a run by its exit code; 255 is its code for Ctrl-C."""


@dataclass(frozen=True)
class WandbConfig:
    """Settings of the logger `wandb`."""

    mode: Literal["offline", "online"] = "offline"
    """`"offline"` writes to the disk only, for `wandb sync`; `"online"` also sends all to the server."""

    project: str = "phantom"
    """The project to which the run belongs."""

    entity: str | None = None
    """The user or team that owns the project; without it, the default of the user who is logged in."""

    directory: str | None = None
    """The folder in which W&B creates its folder `wandb`; without it, the run directory."""

    step_axis: Literal["env_steps", "iteration"] = "env_steps"
    """What curves are drawn over: env steps (iterations, while none are counted) or iterations."""

    log_files: bool = True
    """Whether `config.toml`, `run.json` and the final policies are kept in W&B too."""


class WandbLogger(ph.Hooks):
    """Writes all scalars of a run, its settings, its files and its status to a W&B run.

    The package wandb is imported when a run starts. The run is not `wandb.run`: other runs of the program
    are not touched. Rows that W&B does not accept are kept and written first next time. A run that is resumed
    goes on as the same W&B run, which gets each row once.

    Attributes:
        directory: the W&B folder of the latest run; None before the first run.
        run_id: the W&B id of the latest run; None before the first run.
    """

    config_class: ClassVar[type] = WandbConfig
    config: WandbConfig
    directory: Path | None = None
    run_id: str | None = None
    _run: WandbRun | None = None
    _run_directory: Path | None = None
    _iteration: int = 0
    _error: str | None = None
    _saved: Mapping[str, Any] | None = None

    def on_train_start(self, event: ph.TrainStart) -> None:
        """Start a W&B run, or go on with it; write its settings, tags and files.

        Raises:
            ConfigError: if there is neither a `directory` nor a run directory, or wandb is missing.
        """
        self._end("failed", {})
        saved, self._saved = (self._saved or {}) if event.is_resumed else {}, None
        self._run_directory, self._error = event.run_directory, None
        self._iteration = saved.get("iteration", 0)
        self._run = self._create(event, saved)
        self.directory, self.run_id = self._run.directory, self._run.run_id
        if event.run_directory is not None and self.config.log_files:
            self._run.log_files(event.run_directory / "config.toml", event.run_directory / "run.json")
        if event.run_directory is not None and saved:
            self._write_lost_rows(self._run, saved["rows"], event.run_directory / "metrics.jsonl")

    def state_dict(self) -> dict[str, Any]:
        """Return the W&B id of the run, and its number of rows."""
        if self._run is None:
            return {}
        return {"run_id": self._run.run_id, "rows": self._run.next_row, "iteration": self._iteration}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Keep what `state_dict` returned until the run goes on."""
        self._saved = state

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        """Write the values of one iteration as one row, or of a step of their own."""
        is_of_no_iteration = event.iteration < 0 <= event.env_steps  # a step of its own is the same in both
        if not is_of_no_iteration:
            self._iteration = event.iteration
        if self._run is not None and event.values:
            has_steps = self.config.step_axis == "env_steps" and event.env_steps > 0
            self._run.log_metrics(
                event.values,
                iteration=self._iteration,
                env_steps=event.env_steps,
                axis="env_steps" if has_steps else "iteration",
            )

    def on_exception(self, event: ph.TrainFailed) -> None:
        """Remember the exception; `on_train_end` writes it."""
        self._error = repr(event.exception)

    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Write the rows that were kept, the status and the policies, and end the W&B run.

        Raises:
            HookError: if rows are left that could not be written, or are missing in the file of an offline
                run; it says how many.
        """
        summary: dict[str, Any] = {"status": event.status}
        if self._error is not None:
            summary["error"] = self._error
        if event.stop_reasons:
            summary["stop_reasons"] = "; ".join(event.stop_reasons)
        self._end(event.status, summary)

    def _write_lost_rows(self, run: WandbRun, num_rows: int, file: Path) -> None:
        """Write the rows that W&B lost when it was killed, since it writes to the disk now and then.

        They are the last lines of the logger `jsonl`, which is called first and ends at the checkpoint.
        """
        num_lost = num_rows - run.next_row
        if not num_lost:
            return
        lines = file.read_bytes().splitlines()[-num_lost:] if file.exists() else []
        if len(lines) < num_lost:
            _log.warning(
                "W&B has lost %s of the %s rows that the run %s had when the checkpoint was written, and %s "
                "has %s of them. What is missing stays missing; the run goes on.",
                f"{num_lost:,}", f"{num_rows:,}", run.run_id, file, f"{len(lines):,}",
            )  # fmt: skip
        run.next_row = num_rows - len(lines)
        for line in lines:
            row = json.loads(line)
            values = {name: float(value) for name, value in row.pop("values").items()}
            self.on_metrics(ph.MetricsRecorded(values=values, **row))

    def _create(self, event: ph.TrainStart, saved: Mapping[str, Any]) -> WandbRun:
        given = self.config.directory
        directory = event.run_directory if given is None else Path(given).expanduser()
        if directory is None:
            raise ph.errors.ConfigError(
                "The logger 'wandb' has no folder to write to: the run has no directory. "
                "Give the run one, or set the logger's directory."
            )
        versions = _versions(event.run_directory)
        try:
            return WandbRun(
                directory,
                mode=self.config.mode,
                project=self.config.project,
                entity=self.config.entity,
                name=event.run_name,
                tags=[event.trainer_name, f"seed:{event.seed}", f"phantom-rl-core:{ph.__version__}"],
                config={**event.hyper_parameters, "versions": versions},
                resumed=saved.get("run_id", ""),
                next_row=saved.get("rows", 0),
            )
        except ModuleNotFoundError as error:
            raise ph.errors.ConfigError(
                f"The logger 'wandb' needs wandb, which could not be imported: {error}. "
                "Run: pip install 'phantom-wandb[wandb]'"
            ) from error

    def _end(self, status: str, summary: Mapping[str, Any]) -> None:
        """End the W&B run, whatever else fails."""
        run, self._run = self._run, None
        if run is None:
            return
        try:
            with run.closing():
                try:
                    run.add_tag(f"status:{status}")
                    run.set_summary(summary)
                    if self._run_directory is not None and self.config.log_files:
                        run.log_files(self._run_directory / "policies")
                finally:
                    run.end(_EXIT_CODE[status])
        finally:
            run.check_rows()


def _versions(run_directory: Path | None) -> dict[str, str]:
    """Return version by name from `run.json`, or of Python and the core if there is none."""
    path = None if run_directory is None else run_directory / "run.json"
    if path is None or not path.is_file():
        return {"python": platform.python_version(), "phantom-rl-core": ph.__version__}
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    plugins = {plugin["distribution"]: plugin["version"] for plugin in facts["plugins"]}
    return {**facts["versions"], **plugins}
