"""Which process a run belongs to, so that a killed run is told from one that is running."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def mark_of_this_process() -> dict[str, Any]:
    """Return `pid`, `host`, `started` and `pid_namespace`; None: unknown.

    `started` is the process's start in clock ticks since boot. Containers may have one host name, and numbers
    of their own for processes: `pid_namespace` tells them apart.
    """
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "started": _start_of(os.getpid()),
        "pid_namespace": _pid_namespace(),
    }


def is_running(mark: Mapping[str, Any]) -> bool:
    """Return whether it is certain that the process with this mark runs, here."""
    is_here = mark.get("host") == platform.node() and mark.get("pid_namespace") == _pid_namespace()
    return is_here and not is_gone(mark)


def is_gone(mark: Mapping[str, Any]) -> bool:
    """Return whether it is certain that the process with this mark runs no more."""
    pid = mark.get("pid")
    if mark.get("host") != platform.node() or mark.get("pid_namespace") != _pid_namespace():
        return False
    if not isinstance(pid, int) or pid < 1 or os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # it is somebody else's, or no number of a process
        return False
    now = _start_of(pid)
    return None not in (now, mark.get("started")) and now != mark["started"]  # the number was given anew


def _pid_namespace() -> str | None:
    with contextlib.suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return None


def _start_of(pid: int) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        after_name = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        )
        return int(after_name.split()[19])
    return None
