"""What a run writes whatever happens: its policies, how it ended, and a word on where they are."""

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


def save_somewhere(
    name: str, state: RunState, dispatcher: Dispatcher, directory: RunDirectory | None
) -> None:
    """Save the policies; if the run directory cannot be written, save them in the temporary directory.

    Args:
        name: what the run is called.
        state: where it stands.
        dispatcher: the plugins that follow it.
        directory: where it writes; None: nowhere.
    """
    if directory is None or not state.policies:
        return
    with state.saving():
        path = _saved(name, state, directory)
    if path is not None:
        event = CheckpointSaved(iteration=state.iteration, env_steps=state.env_steps, path=path)
        dispatcher.fire("on_checkpoint", event)


@contextmanager
def contained(state: RunState) -> Iterator[None]:
    """Note that the run's own files could not be written: a full disk must not lose a run."""
    try:
        with state.saving():
            yield
    except PhantomError as error:
        state.add_problem(str(error))


def say_what_is_left(state: RunState, directory: RunDirectory) -> None:
    """Warn where a run that broke off left what it learned."""
    if state.iterations and (directory.path / POLICIES).is_dir():
        noun = "iteration" if state.iterations == 1 else "iterations"
        _log.warning(
            "The run broke off after %s %s. What it learned is saved, for phantom evaluate and "
            "ph.load_policies, in %s.",
            f"{state.iterations:,}", noun, directory.path,
        )  # fmt: skip


def _saved(name: str, state: RunState, directory: RunDirectory) -> Path | None:
    """Return where the policies are in the run directory; None if saved elsewhere or not at all."""
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
