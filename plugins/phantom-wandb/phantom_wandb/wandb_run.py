"""One run of Weights & Biases, beside whatever other runs the process has."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

_MAX_EXACT: Final = 2**53  # W&B keeps numbers as floats: beyond it they would not be exact
_MAX_TAG: Final = 64  # characters
_REPORTING: Final = "WANDB_ERROR_REPORTING"


class WandbRun:
    """Writes one run. It is not `wandb.run`, and leaves that as it is.

    Attributes:
        directory: the folder of the run.
        run_id: its id.
    """

    def __init__(
        self,
        directory: Path,
        *,
        mode: Literal["offline", "online"],
        project: str,
        entity: str | None,
        name: str,
        tags: Sequence[str],
        config: Mapping[str, Any],
    ) -> None:
        """Start the run.

        Args:
            directory: the folder in which the folder `wandb` is made.
            mode: `"offline"` writes to it only; `"online"` sends everything to the server too.
            project: the project it belongs to.
            entity: the user or team that owns the project; None: the user's own default.
            name: what it is called.
            tags: its tags.
            config: its settings.

        Raises:
            ModuleNotFoundError: if wandb is not installed.
        """
        directory.mkdir(parents=True, exist_ok=True)
        with _reporting_off(is_wanted=mode == "offline"):
            import wandb

            self._wandb = wandb
            self._run = wandb.init(
                dir=str(directory),
                mode=mode,
                project=project,
                entity=entity,
                name=_text(name),
                tags=[_tag(tag) for tag in tags],
                config={_text(key): _plain(value) for key, value in config.items()},
                reinit="create_new",
                settings=wandb.Settings(console="off", silent=True),
            )
        self._axis: str | None = None
        self.run_id: str = self._run.id
        self.directory = Path(self._run.dir).parent

    def log_metrics(
        self,
        values: Mapping[str, float],
        *,
        iteration: int,
        env_steps: int,
        axis: Literal["iteration", "env_steps"],
    ) -> None:
        """Write one row; `axis` says which of its columns curves are drawn over."""
        if axis != self._axis:
            self._run.define_metric("iteration")
            self._run.define_metric("env_steps")
            self._run.define_metric("*", step_metric=axis)
            self._axis = axis
        row = {_text(name): value for name, value in values.items()}
        self._run.log({**row, "iteration": iteration, "env_steps": env_steps})

    def set_summary(self, values: Mapping[str, Any]) -> None:
        """Write values that stand for the whole run."""
        for name, value in values.items():
            self._run.summary[name] = _plain(value)

    def add_tag(self, tag: str) -> None:
        """Add a tag."""
        self._run.tags = (*self._run.tags, _tag(tag))

    def log_files(self, *paths: Path) -> None:
        """Keep copies of files, and of folders with all that they hold; those that are missing are not."""
        for path in paths:
            if path.is_dir():
                shutil.copytree(path, Path(self._run.dir, path.name), dirs_exist_ok=True)
            elif path.is_file():
                shutil.copy(path, self._run.dir)
        for path in paths:
            inside = Path(self._run.dir, path.name)
            for file in inside.rglob("*") if inside.is_dir() else [inside]:
                if file.is_file():
                    self._run.save(str(file), base_path=self._run.dir, policy="now")

    def end(self, exit_code: int) -> None:
        """Close the run; if no other run of the process is open, stop W&B's threads and its process too."""
        try:
            self._run.finish(exit_code=exit_code)
        finally:
            if self._wandb.setup().most_recent_active_run is None:
                self._wandb.teardown()


@contextmanager
def _reporting_off(*, is_wanted: bool) -> Iterator[None]:
    """Keep W&B from reporting its own errors over the network, unless the user says that it may."""
    if not is_wanted or _REPORTING in os.environ:
        yield
        return
    os.environ[_REPORTING] = "false"
    try:
        yield
    finally:
        del os.environ[_REPORTING]


def _plain(value: Any) -> Any:
    """Return a value as W&B keeps it exactly: what a float cannot hold is text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {_text(key): _plain(part) for key, part in value.items()}
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) <= _MAX_EXACT:
        return value
    return _text(value)


def _tag(text: str) -> str:
    return _text(text)[:_MAX_TAG]


def _text(value: object) -> str:
    """Return a value as text that is valid UTF-8."""
    return str(value).encode(errors="replace").decode()
