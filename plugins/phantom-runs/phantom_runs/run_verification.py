"""`verify_run`: whether a run that is cut and resumed ends as one that was never cut."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

import phantom_core as ph
from phantom_runs.cut_hook import CUT_AFTER, Cut
from phantom_runs.run_diff import in_step

_RESUME: Final = "import sys, phantom_core as ph; ph.resume(sys.argv[1], trust=True)"
_ENDED: Final = ("completed", "stopped", "diverged")
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """The first fact in which a resumed run differs from one that was not cut.

    Attributes:
        name: the name of a logged value, such as `"rewards/group"`, or of a part of the final policies.
        iteration: the iteration in which the value was logged; None for a part of the final policies.
        whole: its value in the run that was not cut; None if it has none.
        resumed: its value in the run that was resumed; None if it has none.
    """

    name: str
    iteration: int | None
    whole: Any
    resumed: Any

    def __str__(self) -> str:
        """Return such as `rewards/group @ 6 on, 0.46 → 0.38`."""
        place = "" if self.iteration is None else f" @ {self.iteration} on"
        return f"{self.name}{place}, {self.whole} → {self.resumed}"


@dataclass(frozen=True, slots=True)
class VerifiedCut:
    """A run that was cut and resumed.

    Attributes:
        iterations: after how many iterations it was cut.
        sha256: the hash of its final policies and of all that it logged but times.
        difference: the first fact in which it differs from the run that was not cut; None if there is none.
    """

    iterations: int
    sha256: str
    difference: FirstDifference | None

    @property
    def is_exact(self) -> bool:
        """Whether it ended as the run that was not cut, bit for bit."""
        return self.difference is None

    @property
    def is_repeatable(self) -> bool:
        """Whether all is alike before the cut, in which resuming has no part."""
        if self.difference is None or self.difference.iteration is None:
            return True
        return self.difference.iteration >= self.iterations


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify_run` found.

    Attributes:
        iterations: how many iterations the run that was not cut made.
        sha256: the hash of its final policies and of all that it logged but times.
        cuts: the runs that were cut and resumed.
    """

    iterations: int
    sha256: str
    cuts: tuple[VerifiedCut, ...]

    @property
    def is_exact(self) -> bool:
        """Whether all of them ended as the run that was not cut, bit for bit."""
        return all(cut.is_exact for cut in self.cuts)


def verify_run(
    run: str | Path,
    *,
    at: Sequence[float] = (0.3, 0.7),
    num_iterations: int | None = None,
    report: Callable[[str], None] = lambda sentence: None,  # noqa: ARG005  says nothing
) -> Verification:
    """Find out whether resuming a run is exact, for its env, trainer, policies and hooks.

    The settings of the run are trained anew in a temporary folder, with its seed and without its loggers;
    the run itself is not touched. Each part is a process of its own: one trains the whole run; then for each
    share one trains until a checkpoint is written there, and is killed at once by SIGKILL, as the kernel
    kills a process when memory runs out, and another one resumes it by `ph.resume`. Then final policies and
    logged values (but `time/…`) are compared.

    Args:
        run: the run directory. It must have been written or signed here, since its code is run.
        at: shares of the run, between 0 and 1, at which it is cut.
        num_iterations: how many iterations to train; None: as many as the run was to make.
        report: called with a sentence when a part is done.

    Returns:
        What was found. A run that diverges, or that hooks stop, is compared as well.

    Raises:
        RunDirectoryError: if it is no run directory, or its settings cannot be trained or resumed.
        ConfigError: if a share is not between 0 and 1, or the run is too short to be cut.
        TrustError: if the run was not written here.
    """
    for share in at:
        if not 0 < share < 1:
            raise ph.errors.ConfigError(
                f"A run was to be cut at {share}. Expected shares between 0 and 1, such as 0.3,0.7."
            )
    saved = ph.tools.SavedRun.read(run)
    if not saved.is_signed:
        raise ph.errors.TrustError(
            f"The run {run} was not written here, or was changed since. To verify it, all the code that it "
            f"names is run. If you trust who wrote it, sign it: phantom runs trust {run}"
        )
    with tempfile.TemporaryDirectory(prefix="phantom-verify-") as folder:
        trial = _Trial(saved, Path(folder), num_iterations)
        whole = trial.trained_whole()
        iterations, sha256 = whole.progress().iterations, _hash(whole)
        noun = "iteration" if iterations == 1 else "iterations"
        report(f"whole: {iterations:,} {noun}")
        if iterations <= 1:
            raise ph.errors.ConfigError(
                f"The run {run} makes {iterations:,} {noun}, so it cannot be cut. Expected at least 2."
            )
        cuts = []
        for number in sorted({min(max(1, round(share * iterations)), iterations - 1) for share in at}):
            resumed = trial.cut_and_resumed(number)
            cuts.append(VerifiedCut(number, _hash(resumed), _first_difference(whole, resumed)))
            found = "exact" if cuts[-1].is_exact else f"differs from {cuts[-1].difference}"
            report(f"cut after {number:,} {'iteration' if number == 1 else 'iterations'}, resumed: {found}")
    return Verification(iterations, sha256, tuple(cuts))


class _Trial:
    """Trains the settings of a run in a folder."""

    def __init__(self, saved: ph.tools.SavedRun, folder: Path, num_iterations: int | None) -> None:
        self._saved, self._folder = saved, folder
        self._length = [] if num_iterations is None else ["--iterations", str(num_iterations)]
        path = [str(Path(entry).absolute()) for entry in sys.path]  # modules are found as in this process
        self._environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}

    def trained_whole(self) -> ph.tools.SavedRun:
        """Train the run as it is."""
        ending = self._python(*self._train("whole"))
        return self._ended("whole", ending)

    def cut_and_resumed(self, iterations: int) -> ph.tools.SavedRun:
        """Train the run, kill it after so many iterations, and resume it."""
        name = f"cut-{iterations}"
        hooks = ["-p", f"{Cut.__module__}:{Cut.__name__}"]
        ending = self._python(*self._train(name), *hooks, **{CUT_AFTER: str(iterations)})
        if ending.returncode != -signal.SIGKILL:
            raise self._failure(f"wrote no checkpoint after {iterations} iterations", ending)
        return self._ended(name, self._python("-c", _RESUME, str(self._run(name))))

    def _train(self, name: str) -> list[str]:
        config = str(self._saved.path / "config.toml")
        seed = ["--seed", str(self._saved.facts.get("seed"))]
        others = ["--set", f"name={name}", "--set", "loggers=[]", "--set", "logger={}"]
        folder = ["--run-dir", str(self._folder)]
        return ["-m", "phantom_core", "train", config, *seed, *others, *folder, *self._length]

    def _python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python in a process of its own, which does not look into the current folder first."""
        return subprocess.run(  # noqa: S603  this interpreter, and the code of a run of the user's own
            [sys.executable, "-P", *arguments],
            env=self._environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _run(self, name: str) -> Path:
        return next(self._folder.glob(f"{name}-*"), self._folder / name)

    def _ended(self, name: str, ending: subprocess.CompletedProcess[str]) -> ph.tools.SavedRun:
        """Return a run that has ended by itself."""
        path = self._run(name)
        if path.is_dir():
            saved = ph.tools.SavedRun.read(path)
            if saved.status in _ENDED and not saved.facts.get("problems"):
                return saved
        raise self._failure("could not be trained" if name == "whole" else "could not be resumed", ending)

    def _failure(self, what: str, ending: subprocess.CompletedProcess[str]) -> ph.errors.RunDirectoryError:
        lines = [line for line in ending.stderr.splitlines() if line.strip()] or [
            f"its process ended with {ending.returncode}"
        ]
        reason = re.sub(r"^(Error|phantom_core\.errors\.\w+): ", "", lines[-1])
        return ph.errors.RunDirectoryError(f"A copy of the run {self._saved.path} {what}: {reason}")


def _first_difference(whole: ph.tools.SavedRun, resumed: ph.tools.SavedRun) -> FirstDifference | None:
    for iteration, one, other in in_step(whole, resumed):
        for name in {**one, **other}:
            pair = one.get(name), other.get(name)
            if repr(pair[0]) != repr(pair[1]) and not name.startswith("time/"):
                return FirstDifference(name, iteration, *pair)
    parts, others = dict(_parts(_policies(whole))), dict(_parts(_policies(resumed)))
    for name in parts | others:
        pair = parts.get(name), others.get(name)
        if _bits(pair[0]) != _bits(pair[1]):
            return FirstDifference(f"policy {name}", None, *_that_differ(*pair))
    return None


def _hash(saved: ph.tools.SavedRun) -> str:
    """Return the hash of the final policies of a run, and of all that it logged but times."""
    digest = hashlib.sha256()
    for iteration, values, _ in in_step(saved, saved):
        plain = {name: repr(value) for name, value in values.items() if not name.startswith("time/")}
        digest.update(json.dumps([iteration, plain]).encode())
    for name, part in _parts(_policies(saved)):
        digest.update(name.encode() + b"\0" + _bits(part))
    return digest.hexdigest()


def _policies(saved: ph.tools.SavedRun) -> Mapping[str, Any]:
    """Return the final policies; a run that diverged has none."""
    folder = saved.path / "policies"
    return ph.tools.load_checkpoint(folder) if folder.is_dir() else {}


def _parts(state: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the arrays and values in a state, by dotted name."""
    if isinstance(state, Mapping):
        for key, part in state.items():
            yield from _parts(part, f"{name}.{key}" if name else key)
    elif isinstance(state, list):
        for number, part in enumerate(state):
            yield from _parts(part, f"{name}[{number}]")
    else:
        yield name, state


def _bits(part: Any) -> bytes:
    """Return a text that is another one as soon as one bit of an array or a value is."""
    if isinstance(part, np.ndarray):
        return f"{part.dtype}{part.shape}".encode() + part.tobytes()
    return repr(part).encode()


def _that_differ(one: Any, other: Any) -> tuple[Any, Any]:
    """Return two values, or the first two elements that differ of two arrays of one shape."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.shape == other.shape:
        for first, second in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True):
            if repr(first) != repr(second):
                return first, second
    return one, other
