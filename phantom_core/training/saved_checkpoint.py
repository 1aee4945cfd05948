"""`SavedCheckpoint`: what there is to say of a checkpoint without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from phantom_core.errors import CheckpointError
from phantom_core.training.checkpoint import check_files, is_signed


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A checkpoint of a run, or its final policies.

    Attributes:
        path: its folder.
        iterations: after how many iterations it was written; None for the final policies.
        size: the bytes of its files.
        problem: a sentence that says why it cannot be loaded; empty if its files are as they were written.
        is_signed: whether it was written here, see `ph.trust`.
    """

    path: Path
    iterations: int | None
    size: int
    problem: str
    is_signed: bool

    @classmethod
    def read(cls, folder: Path, iterations: int | None) -> SavedCheckpoint:
        """Read the files of a checkpoint, and compare them with its manifest."""
        problem = ""
        try:
            check_files(folder)
        except CheckpointError as error:
            problem = str(error)
        size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        return cls(folder, iterations, size, problem, is_signed(folder))
