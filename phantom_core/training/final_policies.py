"""Save the final policies of a run, also if it fails or its run directory cannot be written."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phantom_core.errors import PhantomError
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.hooks.events import CheckpointSaved
from phantom_core.training.run_directory import POLICIES, RunDirectory
from phantom_core.training.run_state import RunState

_log = logging.getLogger("phantom_core")


def save_final_policies(
    name: str, state: RunState, dispatcher: Dispatcher, directory: RunDirectory | None
) -> None:
    """Save the policies in the run directory or, if it cannot be written, in a temporary directory.

    Args:
        name: the name of the run.
        state: the state of the run.
        dispatcher: calls the plugins of the run.
        directory: the run directory; None if the run writes none.
    """
    if directory is None or not state.policies:
        return
    with state.saving():
        path = _save(name, state, directory)
    if path is not None:
        event = CheckpointSaved(iteration=state.iteration, env_steps=state.env_steps, path=path)
        dispatcher.fire("on_checkpoint", event)


@contextmanager
def recorded_write_failures(state: RunState) -> Iterator[None]:
    """Record a failure to write the run's files and continue: a full disk must not end a run."""
    try:
        with state.saving():
            yield
    except PhantomError as error:
        state.add_problem(str(error))


def warn_where_policies_are(state: RunState, directory: RunDirectory) -> None:
    """Log a warning that says where the policies of a failed run are saved."""
    if state.iterations and (directory.path / POLICIES).is_dir():
        noun = "iteration" if state.iterations == 1 else "iterations"
        _log.warning(
            "The run broke off after %s %s. What it learned is saved, for phantom evaluate and "
            "ph.load_policies, in %s.",
            f"{state.iterations:,}", noun, directory.path,
        )  # fmt: skip


def _save(name: str, state: RunState, directory: RunDirectory) -> Path | None:
    """Save the policies; return their folder, or None if saved elsewhere or not at all."""
    try:
        return directory.save_policies(state.policies)
    except PhantomError as error:
        try:
            path = RunDirectory(Path(tempfile.mkdtemp(prefix=f"{name}-"))).save_policies(state.policies)
        except (PhantomError, OSError):
            state.add_problem(f"The policies are not saved. {error}")
        else:
            state.add_problem(f"{error} They are elsewhere. When that is mended: mv {path} {directory.path}/")
    return None
