"""`ResumePoint`: where a run is resumed from, read from its run directory."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phantom_core.errors import CheckpointError, RunDirectoryError, listing, without_stop
from phantom_core.training.checkpoint import is_signed, load_checkpoint
from phantom_core.training.process_mark import is_gone, is_running
from phantom_core.training.run_directory import CHECKPOINTS, CONFIG_FILE, RunDirectory
from phantom_core.training.run_json import StateToResume, check_facts
from phantom_core.training.stale_files import sweep_run

_log = logging.getLogger("phantom_core")


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """A checkpoint from which a run is resumed.

    Attributes:
        directory: the run directory.
        facts: what `run.json` said before.
        checkpoint: the folder of the checkpoint.
        state: what it holds.
        changes: the settings that are others now, such as `"iterations: 10 → 20"`.
    """

    directory: RunDirectory
    facts: Mapping[str, Any]
    checkpoint: Path
    state: Mapping[str, Any]
    changes: Sequence[str] = ()

    @classmethod
    def read(cls, run: str | Path, checkpoint: str | Path | None = None) -> ResumePoint:
        """Read a run, and its newest checkpoint that is whole, or the one that is given.

        Raises:
            RunDirectoryError: if it is no run directory, is still running, or has no such checkpoint.
            CheckpointError: if the checkpoint that is given cannot be read.
        """
        directory = RunDirectory.open(run)
        facts = directory.read_run()
        _check_has_ended(directory, facts)
        sweep_run(directory.path)
        if checkpoint is not None:
            folder = Path(checkpoint)
            known = [path for _, path in directory.numbered_checkpoints()]
            if folder.resolve() not in [path.resolve() for path in known]:
                there = listing(list(map(str, known))) or "none"
                raise RunDirectoryError(
                    f"{folder} is no checkpoint of the run {directory.path}. Its checkpoints: {there}."
                )
            return cls(directory, facts, folder, _load(folder))
        for folder, state in _whole(directory):
            return cls(directory, facts, folder, state)
        raise RunDirectoryError(
            f"The run {directory.path} cannot be resumed: it has no checkpoint in {CHECKPOINTS} that can be "
            f"read. Train it anew: phantom train {directory.path / CONFIG_FILE}"
        )

    @property
    def iterations(self) -> int:
        """How many iterations were completed."""
        return int(self.state["iterations"])

    @property
    def is_trusted(self) -> bool:
        """Whether the settings and the checkpoint were written here, see `ph.trust`."""
        return self.directory.is_signed() and is_signed(self.checkpoint)

    def stop_reasons(self) -> list[str]:
        """Return why the run was about to stop when it was killed; one that did stop is to go on."""
        return list(self.state["stop_reasons"]) if self.facts.get("status") == "running" else []


def _check_has_ended(directory: RunDirectory, facts: Mapping[str, Any]) -> None:
    """Raise if a run is still running; warn if it may be, on another machine."""
    mark = facts.get("process")
    if facts.get("status") != "running" or not isinstance(mark, Mapping) or is_gone(mark):
        return
    if is_running(mark):
        pid = mark.get("pid")
        raise RunDirectoryError(
            f"The run {directory.path} is still running, as process {pid}. Wait for its end, or end it: "
            f"kill {pid}"
        )
    _log.warning(
        "The run %s was started on %s, and it is not known here whether it still runs there. If it does, "
        "both write into one folder: end one of them.",
        directory.path, mark.get("host"),
    )  # fmt: skip


def _load(folder: Path) -> Mapping[str, Any]:
    """Return what a checkpoint holds; raise `CheckpointError` if a run cannot go on from that."""
    state = load_checkpoint(folder)
    try:
        check_facts(state, StateToResume)
    except ValueError as error:
        raise CheckpointError(f"The checkpoint {folder} cannot be read: {without_stop(error)}.") from error
    return state


def _whole(directory: RunDirectory) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the checkpoints that can be read, from the newest on; a warning names the others."""
    for _, folder in reversed(directory.numbered_checkpoints()):
        try:
            yield folder, _load(folder)
        except CheckpointError as error:
            _log.warning("%s It is passed over.", error)
