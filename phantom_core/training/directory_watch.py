"""`DirectoryWatch`: says once that a run directory is lost in mid-run, and what failed because of it."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from phantom_core.errors import PhantomError
from phantom_core.training.run_directory import RunDirectory
from phantom_core.training.run_state import RunState


@dataclass(slots=True)
class DirectoryWatch:
    """Watches the run directory of one run. A run that loses it goes on, and nothing is made anew there.

    Attributes:
        directory: the run directory.
        refuge: the folder that has the policies instead; None while there is none.
    """

    directory: RunDirectory
    _state: RunState
    refuge: RunDirectory | None = None
    _was_said: bool = False

    def is_lost(self) -> bool:
        """Return whether nothing can be written any more, and say so the first time."""
        loss = self.directory.loss()
        if loss and not self._was_said:
            self._was_said = True
            self._state.add_problem(
                f"The run directory {self.directory.path} {loss}. The run goes on, but cannot write there. "
                "Put it back as it was, or its policies are saved elsewhere at the end."
            )
        return bool(loss)

    def explains(self, error: BaseException) -> bool:
        """Return whether an exception is a file in the run directory that failed because that is lost."""
        causes = (error, error.__cause__)  # a logger's last word is a HookError
        return any(isinstance(e, OSError) and self._is_inside(e.filename) for e in causes) and self.is_lost()

    @contextmanager
    def recorded_failures(self) -> Iterator[None]:
        """Record a failure to write the run's files and continue: a full disk must not end a run."""
        try:
            with self._state.saving():
                yield
        except PhantomError as error:
            if not self.is_lost():
                self._state.add_problem(str(error))

    def save_elsewhere(self, name: str, reason: PhantomError) -> None:
        """Save the policies in a temporary folder, since the run directory could not take them."""
        state, path, is_lost = self._state, self.directory.path, self.is_lost()
        folder = ""
        try:
            folder = tempfile.mkdtemp(prefix=f"{name}-")
            saved = RunDirectory(Path(folder)).save_policies(state.policies)
        except (PhantomError, OSError):
            shutil.rmtree(folder, ignore_errors=True)
            state.add_problem(f"The policies are not saved. {reason}")
            return
        if is_lost:
            self.refuge = RunDirectory(Path(folder))
            command = f"phantom evaluate {shlex.quote(folder)}"
            state.add_problem(f"The policies and the record of the run are in {folder}. To see: {command}")
        else:
            state.add_problem(f"{reason} They are elsewhere. When that is mended: mv {saved} {path}/")

    def _is_inside(self, file: object) -> bool:
        return isinstance(file, (str, Path)) and Path(file).absolute().is_relative_to(
            self.directory.path.absolute()
        )
