"""The logger `tensorboard`: all values of a run as curves in TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import phantom_core as ph

if TYPE_CHECKING:
    from phantom_tensorboard.event_file import EventFile


@dataclass(frozen=True)
class TensorboardConfig:
    """Settings of the logger `tensorboard`."""

    directory: str | None = None
    """The folder to write to; without it, `tensorboard` inside the run directory."""

    step_axis: Literal["env_steps", "iteration"] = "env_steps"
    """What curves are drawn over: env steps (iterations, while none are counted) or iterations."""

    replaces_earlier: bool = True
    """Whether TensorBoard drops what earlier files in the folder have at the run's first step and later."""


class TensorboardLogger(ph.Hooks):
    """Writes an event file with all scalars of a run and its hyper-parameters.

    The values of an iteration are on disk when the iteration ends; values that cannot be written are kept
    and written first next time. Names are not changed; NaN and infinities are written as such. A run that is
    resumed goes on in a new file, after its earlier ones are cut back to where its checkpoint was written.

    Attributes:
        directory: the folder of the latest run; None before the first run.
    """

    config_class: ClassVar[type] = TensorboardConfig
    config: TensorboardConfig
    directory: Path | None = None
    _file: EventFile | None = None
    _iteration: int = 0
    _earlier: Mapping[str, int] = MappingProxyType({})  # sizes of the files before this one, by name
    _saved: Mapping[str, Any] | None = None

    def on_train_start(self, event: ph.TrainStart) -> None:
        """Open an event file and write the hyper-parameters, once.

        Raises:
            ConfigError: if there is neither a `directory` nor a run directory.
        """
        # Here, because tensorboardX imports torch where that is installed, which takes a second.
        from phantom_tensorboard.event_file import EventFile, cut_back

        self._close(is_success=False)
        self.directory = directory = self._directory(event)
        self._iteration, self._earlier, first = 0, {}, ""
        replaces_earlier, is_told = self.config.replaces_earlier, False
        saved, self._saved = self._saved, None
        if event.is_resumed and saved is not None:
            self._iteration, self._earlier = saved["iteration"], saved["files"]
            first, replaces_earlier = min(self._earlier), saved["has_to_replace"]
            cut_back(directory, self._earlier)
            is_told = (directory / first).exists()
        self._file = EventFile(directory, replaces_earlier=replaces_earlier, first=first)
        if not is_told:
            self._file.write_hyper_parameters(event.hyper_parameters)

    def state_dict(self) -> dict[str, Any]:
        """Return the sizes of the event files, and what the next step depends on."""
        if self._file is None:
            return {}
        path = self._file.path
        return {
            "files": {**self._earlier, path.name: path.stat().st_size},
            "iteration": self._iteration,
            "has_to_replace": self._file.has_to_replace,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Keep what `state_dict` returned until the run goes on."""
        self._saved = state

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        """Write the values of one iteration, or of a step of their own."""
        is_of_no_iteration = event.iteration < 0 <= event.env_steps  # a step of its own is the same in both
        if not is_of_no_iteration:
            self._iteration = event.iteration
        if self._file is not None and event.values:
            has_steps = self.config.step_axis == "env_steps" and event.env_steps > 0
            self._file.write_scalars(event.values, event.env_steps if has_steps else self._iteration)

    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Write the values that were kept, and how the run ended.

        Raises:
            HookError: if values are left that could not be written; it says of how many events.
        """
        self._close(is_success=event.status in ("completed", "stopped"))

    def _directory(self, event: ph.TrainStart) -> Path:
        if self.config.directory is not None:
            return Path(self.config.directory).expanduser()
        if event.run_directory is None:
            raise ph.errors.ConfigError(
                "The logger 'tensorboard' has no folder to write to: the run has no directory. "
                "Give the run one, or set the logger's directory."
            )
        return event.run_directory / "tensorboard"

    def _close(self, *, is_success: bool) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close(is_success=is_success)
