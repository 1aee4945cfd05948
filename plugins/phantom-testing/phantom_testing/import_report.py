"""What importing a component does to a process: found out in a process of its own, with a time-out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

DISABLED: Final = "PHANTOM_DISABLED_PLUGINS"
"""The environment variable of plugins that take no part."""

HEAVY_MODULES: Final = (
    "jax",
    "keras",
    "matplotlib",
    "mlflow",
    "pandas",
    "ray",
    "sklearn",
    "tensorflow",
    "torch",
    "wandb",
)
"""Libraries that take long to import, and that nobody should pay for who does not use them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What was seen in a new process; what other libraries did while they were imported is left out.

    Attributes:
        error: why the component could not be imported, as half a sentence; empty if it could.
        heavy_before: heavy modules that were there before it was imported: something installed
            imports them in every run.
        heavy: heavy modules that its import brought in.
        global_random: process-wide generators that the import drew from.
        threads: names of threads that it left running.
        signals: names of signals whose handler it changed.
        warning_filters: warning filters that it added or removed.
        environment: environment variables that it set, changed or removed.
        printed: what it printed.
        seconds: how long it took.
        unpickled: what an object that was sent along answered; see `import_report`.
        pickle_error: why it could not be unpickled there.
        misfit: why it is not what its entry point promises, as sentences; empty if that was not asked.
        training: the fields of a `TrainingReport`; empty if that was not asked.
    """

    error: str = ""
    heavy_before: Sequence[str] = ()
    heavy: Sequence[str] = ()
    global_random: Sequence[str] = ()
    threads: Sequence[str] = ()
    signals: Sequence[str] = ()
    warning_filters: Sequence[str] = ()
    environment: Sequence[str] = ()
    printed: str = ""
    seconds: float = 0.0
    unpickled: str = ""
    pickle_error: str = ""
    misfit: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)


def import_report(
    target: str,
    *,
    pickled: bytes = b"",
    timeout: float = 60.0,
    disabled: Sequence[str] = (),
    entry: tuple[str, str] | None = None,
    training: Mapping[str, Any] | None = None,
    variables: Mapping[str, str] | None = None,
) -> ImportReport:
    """Import `package.module:Name` in a new process and report what that did.

    Args:
        target: what to import.
        pickled: an object to unpickle there afterwards; if it has a method `answer`, its answer is
            reported, else the name of its class.
        timeout: after so many seconds the process is given up.
        disabled: plugin objects that take no part there, though they are installed.
        entry: kind and `distribution:name` of the entry point, to check also what it leads to.
        training: what to train afterwards, as `training_request` returns it.
        variables: environment variables to set there.
    """
    asked = {"target": target, "pickled": pickled.hex(), "entry": entry, "training": training}
    request = json.dumps({**asked, "heavy": HEAVY_MODULES})
    try:
        done = run_module("phantom_testing.import_child", request, timeout, disabled, variables)
    except subprocess.TimeoutExpired:
        return ImportReport(error=f"its import took more than {timeout:g} seconds")
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return ImportReport(error=f"its import ended the process with exit code {done.returncode}: {last}")
    facts: dict[str, Any] = json.loads(lines[-1])
    return ImportReport(**facts)


def assert_no_import(modules: Sequence[str], statement: str) -> None:
    """Run a statement in a new process, and fail if that imports one of these modules.

    >>> assert_no_import(["torch", "ray"], "import phantom_core")

    Args:
        modules: names of modules, such as `["torch"]`.
        statement: Python code, such as `"import acme_rl"`.

    Raises:
        AssertionError: that names the modules; or says what went wrong in the other process.
    """
    code = f"import sys\n{statement}\nprint(*(name for name in {list(modules)!r} if name in sys.modules))"
    done = subprocess.run(  # noqa: S603  this interpreter, and the caller's own code
        [sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise AssertionError(f"{statement!r} failed in a new process: {last}. Expected it to run.")
    found = done.stdout.split("\n")[-2].split()
    if found:
        raise AssertionError(
            f"{statement!r} imports {', '.join(found)}. Expected neither of {', '.join(modules)}: import "
            "them inside the functions that need them."
        )


def run_module(
    module: str,
    request: str,
    timeout: float,
    disabled: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a module as a program in a new process that sees what this one sees; hand it a text.

    Environment variables may be set there in addition.
    """
    return subprocess.run(  # noqa: S603  this interpreter, and a module of ours
        [sys.executable, "-m", module],
        env={**_environment(disabled), **(variables or {})},
        input=request,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _environment(disabled: Sequence[str] = ()) -> dict[str, str]:
    path = os.pathsep.join(str(Path(path).absolute()) for path in sys.path)
    names = [name for name in (os.environ.get(DISABLED), *disabled) if name]
    return {**os.environ, "PYTHONPATH": path, **({DISABLED: ",".join(names)} if names else {})}
