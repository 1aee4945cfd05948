"""What a run writes whatever happens: its policies, how it ended, and a word on where they are."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phantom_core.errors import PhantomError
from phantom_core.hooks.events import CheckpointSaved
from phantom_core.training.run import Run
from phantom_core.training.run_directory import POLICIES, RunDirectory

_log = logging.getLogger("phantom_core")


def save_somewhere(run: Run, directory: RunDirectory | None) -> None:
    """Save the policies; if the run directory does not take them, put them with the temporary files."""
    if directory is None or not run.policies:
        return
    with run.saving():
        path = _saved(run, directory)
    if path is not None:
        event = CheckpointSaved(iteration=run.iteration, env_steps=run.env_steps, path=path)
        run.dispatcher.fire("on_checkpoint", event)


@contextmanager
def contained(run: Run) -> Iterator[None]:
    """Note that the run's own files could not be written: a full disk must not lose a run."""
    try:
        with run.saving():
            yield
    except PhantomError as error:
        run.add_problem(str(error))


def say_what_is_left(run: Run, directory: RunDirectory) -> None:
    """Tell whoever waited for a run that broke off where to find what it learned."""
    if run.iterations and (directory.path / POLICIES).is_dir():
        noun = "iteration" if run.iterations == 1 else "iterations"
        _log.warning(
            "The run broke off after %s %s. What it learned is saved, for phantom evaluate and "
            "ph.load_policies, in %s.",
            f"{run.iterations:,}", noun, directory.path,
        )  # fmt: skip


def _saved(run: Run, directory: RunDirectory) -> Path | None:
    """Return where the policies are in the run directory; None: elsewhere or nowhere, which is told."""
    try:
        return directory.save_policies(run.policies)
    except PhantomError as error:
        try:
            path = RunDirectory(Path(tempfile.mkdtemp(prefix=f"{run.name}-"))).save_policies(run.policies)
        except (PhantomError, OSError):
            run.add_problem(f"The policies are not saved. {error}")
        else:
            run.add_problem(f"{error} They are elsewhere. When that is mended: mv {path} {directory.path}/")
    return None
