"""Cut real runs in every way, resume them, and compare them with runs that were not cut."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import phantom_core as ph

HERE = Path(__file__).resolve().parent
WRITES = ("sync", "rename", "append", "rmtree", "start")
SIGNALS = ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGINT twice", "SIGTERM twice")
OTHERS = ("worker", "driver with workers", "twice")
KINDS = (*WRITES, *SIGNALS, *OTHERS)
ITERATIONS = 8

RUN_FILE = """
env = "{world}:{env}"
iterations = {iterations}
seed = {seed}
workers = {workers}
run_dir = "{folder}"

[trainer]
name = "q-learning"

[trainer.q-learning]
copies = 2
steps_per_iteration = 24

[policies.a]
agents = ["A"]

[policies.b]
agents = ["B"]
trainer = {trainer}

[evaluate]
episodes = 2
every = 3

[checkpoint]
every = 1
keep_last = 2
keep_best = 1
"""


@dataclass(frozen=True)
class Trial:
    """What came of one cut."""

    kind: str
    seed: int
    cut_after: int  # iterations that were logged; -1: there was no run yet
    problem: str = ""  # empty: it went as it should


class Harness:
    """Makes runs in a folder, cuts them, and compares."""

    def __init__(self, folder: Path, *, trainer: str = "", seed: int = 1, env: str = "SoakMarket") -> None:
        self.folder, self.seed, self.env = folder, seed, env
        self.trainer = trainer or f"{HERE / 'soak_world.py'}:SoakTrainer"
        self._expected: tuple[Any, Any] | None = None

    def trial(self, kind: str, number: int) -> Trial:
        """Cut one run, resume it, and compare it with one that was not cut."""
        rng = random.Random(f"{kind}-{number}-{self.seed}")  # noqa: S311  for simulations
        folder = self.folder / f"{kind.replace(' ', '-')}-{number}"
        folder.mkdir(parents=True)
        mark, before = uuid.uuid4().hex, _shared_memory()
        workers = 2 if kind in ("worker", "driver with workers") else 0
        file = self._run_file(folder, workers)
        try:
            self._cut(kind, rng, ["train", str(file)], folder, mark)
            run = next((path.parent for path in folder.glob("*/run.json")), None)
            cut_after = -1 if run is None else len(_logged(run))
            if run is not None and kind == "twice":
                self._cut("SIGKILL", rng, ["resume", str(run)], folder, mark)
            problem = self._problem(run, mark, before)
        finally:
            for pid in _marked(mark):
                os.kill(pid, signal.SIGKILL)
        return Trial(kind, number, cut_after, problem)

    def memory_of_a_long_run(self, iterations: int) -> tuple[float, float]:
        """Train for many iterations; return the memory in MB after a fifth of them, and before the end."""
        folder = self.folder / "long"
        folder.mkdir(parents=True)
        file = self._run_file(folder, 0)
        settings = [f"iterations={iterations}", "env_config.seconds=0.0", "checkpoint.every=1000"]
        settings += ["trainer.q-learning.steps_per_iteration=2", "evaluate.every=1000"]
        assignments = [part for setting in settings for part in ("--set", setting)]
        process = self._start(["-m", "phantom_core", "train", str(file), *assignments], uuid.uuid4().hex)
        early = late = 0.0
        while process.poll() is None:
            files = list(folder.glob("*/metrics.jsonl"))
            done = files[0].read_bytes().count(b"\n") if files else 0
            late = _megabytes(process.pid) or late
            early = early or (late if done >= iterations // 5 else 0.0)
            time.sleep(0.2)
        process.communicate()
        return early, late

    def _problem(self, run: Path | None, mark: str, before: set[str]) -> str:
        """Resume a run, and return what is not as it should be."""
        if run is None:
            return ""  # killed before it had begun
        outcome = self._phantom(["resume", str(run)], mark)
        if outcome.returncode:
            if "it has no checkpoint" in outcome.stderr:
                return "" if not list(run.glob("checkpoints/iteration-*")) else outcome.stderr
            if "is complete" not in outcome.stderr:
                return f"resume ended with {outcome.returncode}: {outcome.stderr}"
        return (
            self._difference(run)
            or _named("temporary files", [str(path) for path in run.rglob(".*")])
            or _named("processes", [str(pid) for pid in _marked(mark, patience=5.0)])
            or _named("shared memory", sorted(_shared_memory() - before))
        )

    def _difference(self, run: Path) -> str:
        expected, found = self._whole(), (_logged(run), _weights(run))
        if expected == found:
            return ""
        for one, other in zip(expected[0], found[0], strict=False):
            if one != other:
                return f"iteration {one['iteration']} differs: {one} and {other}"
        if len(expected[0]) != len(found[0]):
            return f"{len(found[0])} lines were logged, not {len(expected[0])}"
        return f"weights differ: {expected[1]} and {found[1]}"

    def _whole(self) -> tuple[Any, Any]:
        """Return the values and weights of a run that is not cut."""
        if self._expected is None:
            folder = self.folder / "whole"
            folder.mkdir()
            outcome = self._phantom(["train", str(self._run_file(folder, 0))], uuid.uuid4().hex)
            assert outcome.returncode == 0, outcome.stderr
            (run,) = (path.parent for path in folder.glob("*/run.json"))
            self._expected = _logged(run), _weights(run)
        return self._expected

    def _run_file(self, folder: Path, workers: int) -> Path:
        file = folder / "soak.toml"
        text = RUN_FILE.format(
            world=HERE / "soak_world.py",
            env=self.env,
            iterations=ITERATIONS,
            seed=self.seed,
            workers=workers,
            folder=folder,
            trainer=json.dumps(self.trainer),
        )
        file.write_text(text)
        return file

    def _cut(self, kind: str, rng: random.Random, arguments: list[str], folder: Path, mark: str) -> None:
        if kind in WRITES:
            most = {"sync": 45, "rename": 12, "append": 9, "rmtree": 5, "start": 60}[kind]
            child = [str(HERE / "cut_child.py"), kind, str(rng.randint(1, most))]
            self._start([*child, *arguments], mark).communicate(timeout=60)
            return
        process = self._start(["-m", "phantom_core", *arguments], mark)
        self._wait_for(folder, rng.randint(0, ITERATIONS - 1), process)
        time.sleep(rng.random() * 0.05)
        if kind == "worker":
            children = _children(process.pid)
            if children:
                os.kill(rng.choice(children), signal.SIGKILL)
        else:
            name = {"driver with workers": "SIGKILL", "twice": "SIGKILL"}.get(kind, kind.partition(" ")[0])
            process.send_signal(getattr(signal, name))
            if kind.endswith(" twice"):
                time.sleep(rng.random() * 0.02)
                process.send_signal(getattr(signal, name))
        process.communicate(timeout=60)

    def _wait_for(self, folder: Path, num_lines: int, process: subprocess.Popen[str]) -> None:
        """Wait until a run has logged so many iterations, or has ended."""
        while process.poll() is None:
            files = list(folder.glob("*/metrics.jsonl"))
            if files and files[0].read_bytes().count(b"\n") >= num_lines:
                return
            time.sleep(0.002)

    def _phantom(self, arguments: list[str], mark: str) -> subprocess.CompletedProcess[str]:
        process = self._start(["-m", "phantom_core", *arguments], mark)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def _start(self, arguments: list[str], mark: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PHANTOM_SOAK": mark},
            start_new_session=True,
            preexec_fn=_hear_hangups,  # noqa: PLW1509  there are no threads
        )


def _logged(run: Path) -> list[dict[str, Any]]:
    rows = [
        {"iteration": row.iteration, "env_steps": row.env_steps, **row.values}
        for row in ph.tools.SavedRun.read(run).logged_values()
    ]
    return [{n: repr(v) for n, v in row.items() if not n.startswith("time/")} for row in rows]


def _weights(run: Path) -> dict[str, Any]:
    return {
        policy_id: {name: np.asarray(part).tolist() for name, part in policy.state_dict().items()}
        for policy_id, policy in ph.load_policies(run).items()
    }


def _hear_hangups() -> None:
    """Let SIGHUP end the process, also if this one was started with nohup, which ignores it."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _named(what: str, found: list[str]) -> str:
    return f"{what} are left: {', '.join(found)}" if found else ""


def _shared_memory() -> set[str]:
    folder = Path("/dev/shm")  # noqa: S108  where POSIX shared memory is
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _megabytes(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = [line.split() for line in text.splitlines() if line.startswith("VmRSS:")]
    return int(found[0][1]) / 1024 if found else 0.0


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def _marked(mark: str, patience: float = 0.0) -> list[int]:
    """Return the processes that were started with a mark, and do not end within some seconds."""
    end = time.monotonic() + patience
    while True:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.05)
