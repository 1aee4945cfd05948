"""What everybody in a process shares besides generators: whether it was changed, and how to undo that."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

_SHARED_MODULES: Final[Mapping[str, ModuleType]] = {
    "np": np,
    "np.random": np.random,
    "np.linalg": np.linalg,
    "random": random,
    "time": time,
}
_GRACE: Final = 0.5


class ProcessState:
    """A look at the process, to tell later what has changed since."""

    def __init__(self) -> None:
        self._errors = np.geterr()
        self._print_options = np.get_printoptions()
        self._functions = {name: _functions(module) for name, module in _SHARED_MODULES.items()}
        self._filters = list(warnings.filters)
        self._environment = dict(os.environ)
        self._folder = _folder()
        self._recursion_limit = sys.getrecursionlimit()
        self._signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self._threads = set(threading.enumerate())
        self._libraries = _libraries()

    def changes(self) -> list[str]:
        """Return what is another thing now, each as a user would call it."""
        found = []
        if np.geterr() != self._errors:
            found.append("np.seterr()")
        if np.get_printoptions() != self._print_options:
            found.append("np.set_printoptions()")
        for module, before in self._functions.items():
            now = _functions(_SHARED_MODULES[module])
            found += [
                f"{module}.{name}" for name in {**before, **now} if before.get(name) is not now.get(name)
            ]
        if _libraries() <= self._libraries:  # else it may have been a library that was imported only now
            if list(warnings.filters) != self._filters:
                found.append("the warning filters")
            found += [
                f"the environment variable {name}"
                for name in sorted({*self._environment, *os.environ})
                if self._environment.get(name) != os.environ.get(name) and name != "PYTEST_CURRENT_TEST"
            ]
        if _folder() != self._folder:
            found.append("the working directory")
        if sys.getrecursionlimit() != self._recursion_limit:
            found.append("sys.setrecursionlimit()")
        found += [
            f"the handler of {signal.Signals(number).name}"
            for number, handler in self._signals.items()
            if signal.getsignal(number) is not handler and number in list(signal.Signals)
        ]
        return found

    def threads(self) -> list[str]:
        """Return the names of threads that were started since and do not end within half a second."""
        started = [thread for thread in threading.enumerate() if thread not in self._threads]
        end = time.monotonic() + _GRACE
        for thread in started:
            if thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))
        return sorted({thread.name for thread in started if thread.is_alive()})

    def restore(self) -> None:
        """Give NumPy, the functions and the warning filters back as they were."""
        np.seterr(**self._errors)
        np.set_printoptions(**self._print_options)
        for module, before in self._functions.items():
            for name, function in before.items():
                if getattr(_SHARED_MODULES[module], name, None) is not function:
                    setattr(_SHARED_MODULES[module], name, function)
        if list(warnings.filters) != self._filters:
            warnings.filters[:] = self._filters  # type: ignore[index]  # a list
            warnings._filters_mutated()  # type: ignore[attr-defined]  # noqa: SLF001  so that it is noticed


def _functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    return {name: value for name, value in vars(module).items() if callable(value)}


def _libraries() -> set[str]:
    return {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  Path.cwd() raises likewise
    except FileNotFoundError:
        return None


def open_files() -> dict[str, str]:
    """Return the name of each file, pipe and connection that the process has open, by number.

    Devices and what the operating system keeps for itself are left out; empty where this cannot be known.
    """
    folder = Path("/proc/self/fd")
    found: dict[str, str] = {}
    for entry in folder.iterdir() if folder.is_dir() else ():
        try:
            target = os.readlink(entry)  # noqa: PTH115  a name that is none, such as pipe:[7]
        except OSError:
            continue  # closed since, such as the folder itself
        if target.startswith(("/dev/", "/proc/", "anon_inode:")):
            continue
        is_path = target.startswith("/")
        found[entry.name] = (
            Path(target.removesuffix(" (deleted)")).name if is_path else f"a {target.partition(':')[0]}"
        )
    return found


class Writing:
    """The files that are opened for writing, or made, in a process that runs for this alone.

    Audit hooks cannot be taken away again.
    """

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}
        self._is_watching = False
        sys.addaudithook(self._note)

    def begin(self) -> None:
        """Watch from now on."""
        self._is_watching = True

    def left_outside(self, folder: str) -> list[str]:
        """Watch no longer; return the paths that are still there and lie outside of a folder."""
        self._is_watching = False
        own = os.path.realpath(folder)
        outside = [path for path in self._paths if os.path.commonpath([own, path]) != own]
        return [path for path in outside if Path(path).exists() and not _is_passing(path)]

    def _note(self, event: str, arguments: Sequence[Any]) -> None:
        if not self._is_watching:
            return
        if event == "open":
            path, mode, flags = arguments
            is_writing = any(sign in (mode or "") for sign in "wax+") or bool(
                isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            )
            path = path if is_writing else None
        elif event in ("os.mkdir", "sqlite3.connect"):
            path = arguments[0]
        elif event in ("os.rename", "os.link", "os.symlink"):
            path = arguments[1]
        else:
            return
        if isinstance(path, (str, bytes, os.PathLike)) and not Path(os.fsdecode(path)).is_dir():
            self._paths[os.path.realpath(os.fsdecode(path))] = None


def _is_passing(path: str) -> bool:
    return path.startswith(("/dev/", "/proc/")) or "__pycache__" in path
