"""One run of Weights & Biases; other runs of the process are not touched."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import phantom_core as ph
from phantom_wandb.offline_file import count_rows

_MAX_EXACT: Final = 2**53  # W&B keeps numbers as floats, which are not exact beyond it
_MAX_TAG: Final = 64  # characters
_MAX_WAIT: Final = 10.0  # seconds until W&B's process has written a run that ended
_REPORTING: Final = "WANDB_ERROR_REPORTING"


class WandbRun:
    """Writes one run. It is not `wandb.run`, and does not change it.

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
            directory: the folder in which the folder `wandb` is created.
            mode: `"offline"` writes to this folder only; `"online"` also sends everything to the server.
            project: the project of the run.
            entity: the user or team that owns the project; None for the default of the user.
            name: the name of the run.
            tags: its tags.
            config: its settings.

        Raises:
            ModuleNotFoundError: if wandb is not installed.
        """
        directory = directory.absolute()  # W&B's process may be one that started in another folder
        directory.mkdir(parents=True, exist_ok=True)
        with _reporting_off(is_wanted=mode == "offline"), _no_arguments():
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
        self._is_offline = mode == "offline"
        self._rows = ph.writing.RetryQueue(self._write_row, name="wandb")
        self._num_rows = 0
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
        """Write one row, after those that could not be written before; curves are drawn over `axis`."""
        row = {_text(name): value for name, value in values.items()}
        self._num_rows += 1
        self._rows.write((axis, {**row, "iteration": iteration, "env_steps": env_steps}))

    def closing(self) -> AbstractContextManager[None]:
        """Write the rows that were kept, run the block, and raise if rows are left.

        Raises:
            HookError: if rows are left that could not be written; it says how many.
        """
        return self._rows.closing()

    def set_summary(self, values: Mapping[str, Any]) -> None:
        """Write values of the whole run."""
        for name, value in values.items():
            self._run.summary[name] = _plain(value)

    def add_tag(self, tag: str) -> None:
        """Add a tag."""
        self._run.tags = (*self._run.tags, _tag(tag))

    def log_files(self, *paths: Path) -> None:
        """Copy files, and folders with their contents, into the run; missing ones are skipped."""
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
        """End the run; if it is the last open one of this process, stop W&B's threads and its process too."""
        try:
            self._run.finish(exit_code=exit_code)
        finally:
            if self._wandb.setup().most_recent_active_run is None:
                self._wandb.teardown()

    def check_rows(self) -> None:
        """Raise if the file of an offline run that ended lacks rows.

        W&B's own process writes the file. It does not report a failed write, such as on a full disk, and
        writes nothing after it. While it serves other runs it goes on, and nothing says when it has written
        this one: rows that are missing are waited for.

        Raises:
            HookError: how many rows are missing.
        """
        if not self._is_offline:
            return
        file = self.directory / f"run-{self.run_id}.wandb"
        end = time.monotonic() + _MAX_WAIT
        while (num_missing := self._num_rows - count_rows(file)) > 0:
            if time.monotonic() > end:
                raise ph.errors.HookError(
                    f"{num_missing:,} of {self._num_rows:,} events are not in {file}: W&B could not write "
                    "them. See logs/debug-internal.log beside it.",
                    plugin="wandb",
                )
            time.sleep(0.05)

    def _write_row(self, item: tuple[str, Mapping[str, float]]) -> None:
        axis, row = item
        if axis != self._axis:
            self._run.define_metric("iteration")
            self._run.define_metric("env_steps")
            self._run.define_metric("*", step_metric=axis)
            self._axis = axis
        self._run.log(dict(row))


@contextmanager
def _reporting_off(*, is_wanted: bool) -> Iterator[None]:
    """Turn W&B's error reporting over the network off, unless the user has set it."""
    if not is_wanted or _REPORTING in os.environ:
        yield
        return
    os.environ[_REPORTING] = "false"
    try:
        yield
    finally:
        del os.environ[_REPORTING]


@contextmanager
def _no_arguments() -> Iterator[None]:
    """Keep the program's arguments from W&B, which writes them: they may hold secrets (`--set api_key=…`)."""
    arguments, sys.argv = sys.argv, sys.argv[:1]
    try:
        yield
    finally:
        sys.argv = arguments


def _plain(value: Any) -> Any:
    """Return a value that W&B keeps exactly: text if a float cannot represent it."""
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
