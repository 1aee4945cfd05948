"""What a short training does in a process of its own, where names hash otherwise and it is another time."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import phantom_core as ph
from phantom_testing.import_report import run_module
from phantom_testing.trial_runs import GLOBAL_SEED, Trial

DAY: Final = 86_400.0
MOVED: Final = 403 * DAY + 7.3 * 3600
"""How far the clock of the other process is moved: another year, month, day of the week and hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What may differ between two processes, and should not count.

    Attributes:
        hash_seed: `PYTHONHASHSEED`, which orders sets of strings.
        global_seed: what `random` and `np.random` are seeded with.
        clock: by how many seconds the clock is moved.
    """

    hash_seed: str = "0"
    global_seed: int = GLOBAL_SEED
    clock: float = 0.0

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the process."""
        return {"PYTHONHASHSEED": self.hash_seed, "PYTHONDONTWRITEBYTECODE": "1"}


_OTHER_HASH_SEED: Final = "3" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
ELSEWHERE: Final = Surroundings(hash_seed=_OTHER_HASH_SEED, global_seed=20_260_101, clock=MOVED)
SUSPECTS: Final[Mapping[str, Surroundings]] = {
    "PYTHONHASHSEED": replace(ELSEWHERE, hash_seed="2"),
    "the global seed": replace(ELSEWHERE, global_seed=20_260_202),
    "the clock": replace(ELSEWHERE, clock=0.0),
}
"""By what may be to blame: the same surroundings but for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What was seen in the other process.

    Attributes:
        error: why nothing was trained, as sentences; empty if it was.
        curve: what was logged in each iteration, without times.
        states: a text for each policy that is equal for equal states.
        changes: what everybody in a process shares and the training changed.
        threads: names of threads that it left running.
        written: files and folders that it left outside of the run directory.
    """

    error: str = ""
    curve: Sequence[Mapping[str, float]] = ()
    states: Mapping[str, str] = field(default_factory=dict)
    changes: Sequence[str] = ()
    threads: Sequence[str] = ()
    written: Sequence[str] = ()


def training_request(trial: Trial, surroundings: Surroundings) -> dict[str, Any]:
    """Return what a process is asked to train, as plain values; raises what pickling the config raises."""
    parts = {name: getattr(trial, name) for name in ("config", "form", "subject", "warm_up_iterations")}
    return {
        "trainer": f"{trial.trainer.__module__}:{trial.trainer.__qualname__}",
        "trial": pickle.dumps(parts).hex(),
        "global_seed": surroundings.global_seed,
        "clock": surroundings.clock,
        "torch_threads": torch.get_num_threads() if (torch := sys.modules.get("torch")) else None,
    }


def training_report(trial: Trial, surroundings: Surroundings, *, timeout: float = 120.0) -> TrainingReport:
    """Train in a new process and report what that did.

    Args:
        trial: the trainer and how it is tried.
        surroundings: what is different there.
        timeout: after so many seconds the process is given up.
    """
    try:
        request = json.dumps(training_request(trial, surroundings))
    except Exception as error:  # whatever pickling raises
        return TrainingReport(error=f"Its config cannot be pickled: {ph.tools.error_text(error)}.")
    try:
        done = run_module("phantom_testing.train_child", request, timeout, variables=surroundings.variables)
    except subprocess.TimeoutExpired:
        return TrainingReport(error=f"{trial.subject} trained for more than {timeout:g} seconds there.")
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return TrainingReport(error=f"The process ended with exit code {done.returncode}: {last}.")
    return TrainingReport(**json.loads(lines[-1]))
