"""Sweeping what killed runs left under temporary names in their run directories."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from phantom_core.reading import read_file
from phantom_core.training.process_mark import is_gone

OLD: Final = "-old"
"""The end of the temporary name that a folder has while another one takes its place."""

REMOVED: Final = "-removed"
"""The end of the temporary name of a folder that is being removed."""

_TEMPORARY: Final = re.compile(rf"\.(?P<name>.+)-[0-9a-f]{{8}}(?P<ending>{OLD}|{REMOVED})?")


def sweep_runs(parent: Path) -> None:
    """Remove what killed runs in a folder left under temporary names, and restore what they were replacing.

    The temporary files of a run belong to the process that its `run.json` names. Those of a process that may
    still run, here or on another host, are left alone. Nothing is raised.
    """
    with contextlib.suppress(OSError):
        for run in list(parent.iterdir()):
            sweep_run(run)


def sweep_run(run: Path) -> None:
    """Do for one run directory what `sweep_runs` does for all in a folder."""
    stale = [*_temporaries(run), *_temporaries(run / "checkpoints")]
    if stale and _is_killed(run):
        for path, name, ending in stale:
            _sweep(path, name, ending)


def _temporaries(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield the path of each temporary file or folder, what it is for, and how its name ends."""
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            found = _TEMPORARY.fullmatch(path.name)
            if found is not None:
                yield path, found["name"], found["ending"] or ""


def _is_killed(run: Path) -> bool:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        facts = msgspec.json.decode(read_file(run / "run.json"))
        mark = facts.get("process") if isinstance(facts, dict) else None
        return isinstance(mark, Mapping) and is_gone(mark)
    return False


def _sweep(path: Path, name: str, ending: str) -> None:
    with contextlib.suppress(OSError):
        if ending == OLD and not path.with_name(name).exists():
            path.rename(path.with_name(name))  # a crash came before the new one took its place
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
