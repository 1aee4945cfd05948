"""Run as a process of its own by `import_report`: imports a component and writes down what that did."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

import phantom_core as ph
from phantom_testing.entry_objects import misfit
from phantom_testing.global_random import GlobalRandom
from phantom_testing.import_report import DISABLED

TRAIN_CHILD: Final = "phantom_testing.train_child"
"""Imported only where something is trained: it takes longer than all else here."""


class Footprints:
    """What has changed in this process since the last look, added up."""

    def __init__(self) -> None:
        self._written: dict[str, Any] = {}
        sys.addaudithook(self._note_writing)
        self.found: dict[str, list[str]] = {kind: [] for kind in self._state()}
        self._random = GlobalRandom()
        self._before = self._state()

    def look(self) -> None:
        """Add what has changed since the last look."""
        self._compare(count=True)

    def forgive(self) -> None:
        """Forget what has changed since the last look: somebody else did it."""
        self._compare(count=False)

    def _compare(self, *, count: bool) -> None:
        drawn, now = self._random.used(), self._state()
        if count:
            self.found.setdefault("global_random", []).extend(drawn)
            for kind, values in now.items():
                before = self._before[kind]
                changed = [name for name in {**before, **values} if before.get(name) != values.get(name)]
                self.found[kind] += [name for name in changed if name not in self.found[kind]]
        self._before = now

    def _note_writing(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Notice also what sets a variable to the value that it had already."""
        if event in ("os.putenv", "os.unsetenv"):
            self._written[os.fsdecode(arguments[0])] = len(self._written)

    def _state(self) -> dict[str, dict[str, Any]]:
        return {
            "threads": {thread.name: thread.ident for thread in threading.enumerate()},
            "signals": {s.name: signal.getsignal(s) for s in signal.valid_signals() if hasattr(s, "name")},
            "warning_filters": {str(entry[:3]): entry for entry in warnings.filters},
            "environment": dict(self._written),
        }


class OtherLibraries(MetaPathFinder):
    """Keeps what other libraries do while they are imported from being blamed on the component."""

    def __init__(self, own: str, footprints: Footprints) -> None:
        self._own, self._footprints = own, footprints
        self._depth = 0

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Let the others find it; look before and after it is executed."""
        if self._depth or fullname.partition(".")[0] == self._own:
            return None
        finders = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(fullname, path, target) for finder in finders)), None)
        loader: Any = None if spec is None else spec.loader
        if loader is not None and not isinstance(loader, type) and hasattr(loader, "exec_module"):
            loader.exec_module = self._watched(loader.exec_module)
        return spec

    def _watched(self, execute: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
        def watched(module: ModuleType) -> None:
            self._footprints.look()
            self._depth += 1
            try:
                execute(module)
            finally:
                self._depth -= 1
                self._footprints.forgive()

        return watched


def main() -> None:
    """Read what to import from the standard input; write what it did to the standard output."""
    request = json.load(sys.stdin)
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) == signal.SIG_IGN:  # inherited from who started this process
            signal.signal(number, signal.SIG_DFL)
    logging.getLogger("phantom_core").disabled = True  # what is wrong with others is not this one's affair
    if request["training"]:
        ph.tools.import_object(f"{TRAIN_CHILD}:move_clock")(request["training"]["clock"])
    with contextlib.redirect_stdout(io.StringIO()):
        ph.components()  # as every run looks at what is installed
        heavy = [name for name in request["heavy"] if name in sys.modules]
        facts = _import(request["target"])
        facts["heavy"] = [name for name in request["heavy"] if name in sys.modules and name not in heavy]
        if request["pickled"] and not facts["error"]:
            facts |= _unpickle(bytes.fromhex(request["pickled"]))
        if request["entry"] and not facts["error"]:
            kind, name = request["entry"]
            facts["misfit"] = _misfit(kind, name, request["target"])
        if request["training"] and not facts["error"]:
            facts["training"] = ph.tools.import_object(f"{TRAIN_CHILD}:train")(request["training"])
    sys.stdout.write(f"\n{json.dumps({'heavy_before': heavy, **facts})}\n")


def _import(target: str) -> dict[str, Any]:
    footprints, printed, error = Footprints(), io.StringIO(), ""
    sys.meta_path.insert(0, OtherLibraries(target.partition(":")[0].partition(".")[0], footprints))
    started = time.perf_counter()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            ph.tools.import_object(target)
        except (Exception, SystemExit) as problem:
            error = ph.tools.error_text(problem)
    seconds = time.perf_counter() - started
    footprints.look()
    found = {kind: list(names) for kind, names in footprints.found.items()}  # later imports are not its own
    return {**found, "printed": printed.getvalue(), "error": error, "seconds": seconds}


def _misfit(kind: str, name: str, target: str) -> str:
    """Return why it is not what its entry point promises; a plugin object takes part for this, too."""
    disabled = os.environ.get(DISABLED, "").split(",")
    os.environ[DISABLED] = ",".join(other for other in disabled if other != name)
    logging.getLogger("phantom_core").disabled = False
    return misfit(kind, name, target)


def _unpickle(pickled: bytes) -> dict[str, str]:
    try:
        value = pickle.loads(pickled)  # noqa: S301  made by the process that started this one
        answer = value.answer() if hasattr(value, "answer") else type(value).__qualname__
    except Exception as problem:
        return {"pickle_error": ph.tools.error_text(problem)}
    return {"unpickled": answer}


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # a thread that the component left running must not keep the process
