"""Trains in a toy env, in a process that exists for this alone, and says what that did.

Run as a program by `training_report`; `import_child` does it after it has looked at the import.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import json
import logging
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import phantom_core as ph
from phantom_testing.process_state import ProcessState, Writing
from phantom_testing.toy_agents import ToyForm
from phantom_testing.toy_trainer import ToyTrainer
from phantom_testing.trial_runs import Trial, crowd, curve, states


def main() -> None:
    """Read what to train from the standard input; write what happened to the standard output."""
    request = json.load(sys.stdin)
    logging.getLogger("phantom_core").disabled = True
    move_clock(request["clock"])
    with contextlib.redirect_stdout(sys.stderr):
        answer = train(request)
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def train(request: Mapping[str, Any]) -> dict[str, Any]:
    """Train as `training_request` says; return the fields of a `TrainingReport`."""
    trial = Trial(
        trainer=ph.tools.import_object(request["trainer"]),
        **pickle.loads(bytes.fromhex(request["trial"])),  # noqa: S301  made by the process that started this
    )
    if request["torch_threads"]:  # sums of several threads are rounded otherwise than those of one
        importlib.import_module("torch").set_num_threads(request["torch_threads"])
    writing = Writing()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as here:
        os.chdir(here)
        Trial(trainer=ToyTrainer, form=ToyForm(), subject="The kit's own trainer").run(run_dir=folder)
        before = ProcessState()
        writing.begin()
        try:
            results = crowd(trial, run_dir=folder, global_seed=request["global_seed"], restores=False)
        except AssertionError as error:
            answer: dict[str, Any] = {"error": str(error)}
        else:
            answer = {
                "curve": curve(results),
                "states": states(results.policies),
                "changes": before.changes(),
                "threads": before.threads(),
                "written": [
                    path.removeprefix(f"{os.path.realpath(here)}/") for path in writing.left_outside(folder)
                ],
            }
        os.chdir("/")
    return answer


def move_clock(seconds: float) -> None:
    """Let Python's clocks show another time; what is measured between two looks stays as it is."""
    for name in ("time", "monotonic", "perf_counter"):
        _move(name, seconds)
        _move(f"{name}_ns", int(seconds * 1e9))
    moved = dt.timedelta(seconds=seconds)

    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, cls.__mro__[1])

    class Datetime(dt.datetime, metaclass=Meta):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return super().now(tz) + moved

        @classmethod
        def utcnow(cls) -> Any:
            return super().utcnow() + moved

        @classmethod
        def today(cls) -> Any:
            return cls.now()

    class Date(dt.date, metaclass=Meta):
        @classmethod
        def today(cls) -> Any:
            return super().today() + moved

    dt.datetime, dt.date = Datetime, Date  # type: ignore[misc]  # on purpose


def _move(name: str, by: float) -> None:
    original = getattr(time, name)
    setattr(time, name, lambda: original() + by)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # a thread that the component left running must not keep the process
