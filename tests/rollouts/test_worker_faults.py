"""Worker processes end with their driver, wait in the open, and say what they cannot import."""

import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.rollouts import worker_handle
from phantom_core.training import stop_signals

WORLD = '''
"""Envs that worker processes can import, and that hang, fork or return what they should not."""

import multiprocessing
import os
import signal
import subprocess
import time

import gymnasium as gym

import phantom_core as ph


class Walker(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)

    def decode_action(self, ctx, action):
        pass

    def encode_observation(self, ctx):
        return 0

    def compute_reward(self, ctx):
        return 1.0


class WalkEnv(ph.PhantomEnv):
    def __init__(self):
        super().__init__(4, ph.Network([Walker("W")]))


IS_WORKER = multiprocessing.parent_process() is not None


class HangingEnv(WalkEnv):
    """Takes so many seconds for a step, a reset or, in a worker, to be closed."""

    def __init__(self, *, step=0.0, reset=0.0, close=0.0, terminates_driver=False):
        super().__init__()
        self.seconds = {"step": step, "reset": reset, "close": close}
        self.terminates_driver = terminates_driver

    def on_reset(self):
        time.sleep(self.seconds["reset"])

    def pre_message_resolution(self):
        super().pre_message_resolution()
        if self.terminates_driver:
            os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(self.seconds["step"])

    def close(self):
        time.sleep(self.seconds["close"] * IS_WORKER)


class ParentEnv(HangingEnv):
    """Has a process of its own in a worker, and does not end it."""

    def __init__(self, **options):
        super().__init__(**options)
        if IS_WORKER:
            multiprocessing.Process(target=time.sleep, args=(3600,), daemon=True).start()


class SpawningEnv(WalkEnv):
    """Has a server in a process of its own, as an env with a simulator does."""

    def __init__(self):
        super().__init__()
        self.mine, other = multiprocessing.Pipe()
        self.server = multiprocessing.get_context("spawn").Process(target=serve, args=(other,))
        self.server.start()

    def on_reset(self):
        self.mine.send("ready?")
        assert self.mine.recv() == "ready"

    def close(self):
        self.mine.send("end")
        self.server.join()


def serve(connection):
    while connection.recv() != "end":
        connection.send("ready")


class SecretiveWalker(Walker):
    observation_space = gym.spaces.Tuple([gym.spaces.Discrete(1)])

    def encode_observation(self, ctx):
        return (lambda: 0,)


class SecretiveEnv(ph.PhantomEnv):
    def __init__(self):
        super().__init__(4, ph.Network([SecretiveWalker("W")]))
'''

SCRIPT = """
import os, signal, sys, threading, time
import phantom_core as ph
import fault_world

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
if __name__ == "__main__":
    {body}
"""


def start(folder: Path, body: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start a script, or what `arguments` say; every process that it starts holds its output open."""
    (folder / "fault_world.py").write_text(WORLD)
    (folder / "script.py").write_text(SCRIPT.format(body=body.replace("\n", "\n    ")))
    return subprocess.Popen(
        [sys.executable, *(arguments or ("script.py",))],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def output_of(process: subprocess.Popen[str], given: str | None = None) -> tuple[str, str]:
    """Return what was written, when the process and all that it started are gone."""
    try:
        return process.communicate(given, timeout=12.0)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def world(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    forgotten_modules: None,  # noqa: ARG001  cleans up
) -> ModuleType:
    """The module above, importable here and in worker processes."""
    (tmp_path / "fault_world.py").write_text(WORLD)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return importlib.import_module("fault_world")


MAKE = 'envs = ph.make_vector_env(fault_world.WalkEnv, 2, workers=2); print("made", flush=True)\n'


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("pass", 0),
        ("1 / 0", 1),
        ("sys.exit(3)", 3),
        ("os._exit(4)", 4),
        ("os.kill(os.getpid(), signal.SIGTERM)", -15),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9),
    ],
)
def test_workers_end_with_their_driver_however_it_ends(end: str, code: int, tmp_path: Path) -> None:
    process = start(tmp_path, MAKE + end)
    written, _ = output_of(process)
    assert written == "made\n"
    assert process.returncode == code


def test_workers_end_when_nobody_has_the_vector_env(world: ModuleType) -> None:
    envs: Any = ph.make_vector_env(world.WalkEnv, 2, workers=2)
    processes = [worker.process for worker in envs.workers]
    del envs
    assert not any(process.is_alive() for process in processes)


@pytest.mark.parametrize(
    ("make", "end"),
    [
        ("fault_world.HangingEnv, step=3600.0", "os.kill(os.getpid(), signal.SIGKILL)"),
        ("fault_world.HangingEnv, close=3600.0", "os._exit(0)"),
        ("fault_world.ParentEnv, step=3600.0", "os.kill(os.getpid(), signal.SIGKILL)"),
        ("fault_world.ParentEnv, step=3600.0", "os.kill(os.getpid(), signal.SIGINT)"),
        ("fault_world.ParentEnv, close=3600.0", "sys.exit(0)"),
        ("fault_world.ParentEnv", "sys.exit(0)"),
    ],
)
def test_workers_that_hang_and_their_children_end_with_their_driver(
    make: str, end: str, tmp_path: Path
) -> None:
    body = (
        f"import functools\nenvs = ph.make_vector_env(functools.partial({make}), 2, workers=2)\n"
        'print("made", flush=True)\nenvs.reset([0, 1], [1, 2])\n'
    )
    if "step" in make:
        body += (
            f"timer = threading.Timer(0.5, lambda: {end})\ntimer.start()\n"
            'envs.step([0, 1], [{"W": 0}, {"W": 0}])\n'
        )
    written, _ = output_of(start(tmp_path, body + ("" if "step" in make else end)))
    assert written == "made\n"


def test_a_second_interruption_while_workers_are_closed_leaves_none(world: ModuleType) -> None:
    envs: Any = ph.make_vector_env(functools.partial(world.HangingEnv, close=3600.0), 2, workers=2)
    main = threading.main_thread().ident
    assert main is not None
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            envs.close()
    finally:
        signal.signal(signal.SIGINT, before)
    for worker in envs.workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker.process.pid, signal.SIGCONT)


TRAIN = """
results = ph.train(
    "q-learning", env=fault_world.WalkEnv, num_iterations=3, workers=2, run_dir="runs", seed=1
)
print(results.status)
"""


def signalled_while_starting(folder: Path, body: str, number: int) -> tuple[subprocess.Popen[str], str, str]:
    """Send a signal to the driver and its workers while these import the script, as a terminal does."""
    process = start(folder, body)
    script = folder / "script.py"
    script.write_text(script.read_text() + 'else:\n    open("starting", "w").close()\n    time.sleep(0.5)\n')
    deadline = time.monotonic() + 10.0
    while not (folder / "starting").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, number)
    return process, *output_of(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_workers_start_interrupts_the_run(number: int, tmp_path: Path) -> None:
    _, written, errors = signalled_while_starting(tmp_path, TRAIN, number)
    assert written == "interrupted\n", errors
    (directory,) = (tmp_path / "runs").iterdir()
    facts = json.loads((directory / "run.json").read_text())
    assert (facts["status"], facts["stop_reasons"]) == ("interrupted", [signal.Signals(number).name])


def test_an_interruption_while_workers_start_leaves_none(tmp_path: Path) -> None:
    process, written, errors = signalled_while_starting(tmp_path, MAKE.strip(), signal.SIGINT)
    assert (process.returncode, written) == (-signal.SIGINT, "")
    assert errors.endswith("KeyboardInterrupt\n")
    assert "exit code" not in errors


@pytest.mark.parametrize("doing", ["step", "reset"])
def test_a_worker_that_takes_long_is_named_again_and_again(
    doing: str, world: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_handle, "LONG", 0.2)
    envs = ph.make_vector_env(functools.partial(world.HangingEnv, **{doing: 0.5}), 2, workers=1)
    caplog.clear()
    try:
        envs.reset([0, 1], [1, 2])
        if doing == "step":
            envs.step([1], [{"W": 0}])
    finally:
        envs.close()
    last = {"step": 1, "reset": 0}[doing]
    assert caplog.messages[:2] == [
        f"Worker 0 has not answered for {seconds} seconds: {doing} of copy {last} of HangingEnv. "
        "If the env hangs, Ctrl-C (in a run: twice) breaks it off."
        for seconds in (0, 0)
    ]


def test_sigterm_ends_a_run_whose_worker_hangs(
    world: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop_signals, "GRACE", 0.01)
    with pytest.raises(KeyboardInterrupt):
        ph.train(
            "q-learning",
            env=world.HangingEnv,
            env_config={"step": 3600.0, "terminates_driver": True},
            num_iterations=1,
            workers=2,
            run_dir=tmp_path / "runs",
        )
    (directory,) = (tmp_path / "runs").iterdir()
    assert json.loads((directory / "run.json").read_text())["status"] == "interrupted"


def test_an_env_in_a_worker_may_have_processes_of_its_own(world: ModuleType) -> None:
    envs = ph.make_vector_env(world.SpawningEnv, 2, workers=2)
    assert len(envs.reset([0, 1], [1, 2])) == 2
    envs.close()


CLASS = WORLD.partition("\n\nclass HangingEnv")[0]
SHOWN = """
try:
    {call}
except ph.errors.PhantomError as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""
NO_MODULE = (
    " A worker imports classes and functions by name, which cannot be done with those of a notebook, of "
    '`python -c`, of stdin or under `if __name__ == "__main__":`. Put them into a module, or use workers=0.\n'
)


@pytest.mark.parametrize("way", ["-c", "stdin"])
@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("ph.make_vector_env(WalkEnv, 2, workers=2)", "WalkEnv"),
        (
            'ph.train("q-learning", env=WalkEnv, num_iterations=1, workers=2, run_dir=None, seed=1)',
            "WalkEnv",
        ),
        (
            ('ph.make_vector_env(fault_world.WalkEnv, 2, workers=2).measure({"m": Metric()}, "train")'),
            "The metrics",
        ),
    ],
)
def test_what_a_worker_cannot_import_belongs_into_a_module(
    call: str, what: str, way: str, tmp_path: Path
) -> None:
    metric = "import fault_world\nclass Metric(ph.Metric):\n    def extract(self, env):\n        return 1.0\n"
    text = CLASS + "\n" + metric + SHOWN.format(call=call)
    if way == "-c":
        found = output_of(start(tmp_path, "pass", "-c", text))
    else:
        found = output_of(start(tmp_path, "pass", "-", stdin=subprocess.PIPE), text)
    name = "Metric" if what == "The metrics" else "WalkEnv"
    assert found == (
        (
            f"ConfigError: {what} cannot be imported by worker 0: AttributeError: Can't get attribute "
            f"'{name}' on <module '__main__' (built-in)>.{NO_MODULE}"
        ),
        "",
    )


def test_an_env_of_a_module_is_played_from_stdin(tmp_path: Path) -> None:
    text = "import phantom_core as ph\nimport fault_world\n" + MAKE + "envs.close()\nprint(__file__)"
    assert output_of(start(tmp_path, "pass", "-", stdin=subprocess.PIPE), text) == ("made\n<stdin>\n", "")


def test_a_script_that_a_worker_cannot_import_is_named(tmp_path: Path) -> None:
    process = start(tmp_path, SHOWN.strip().format(call=MAKE.strip()))
    script = tmp_path / "script.py"
    script.write_text(script.read_text() + 'else:\n    raise OSError("no licence")\n')
    written, errors = output_of(process)
    assert written == (
        f"EnvError: Worker 0 died with exit code 1 before it began. A worker imports {script}: what it wrote "
        "says why that failed. Fix the script, or use workers=0.\n"
    )
    assert "OSError: no licence" in errors


def test_a_worker_that_died_between_two_steps_is_an_error(world: ModuleType) -> None:
    envs: Any = ph.make_vector_env(world.WalkEnv, 2, workers=2)
    policies = {"p": ph.RandomPolicy(world.Walker.observation_space, world.Walker.action_space)}
    collector = ph.Collector(envs, policies, {"W": "p"}, seed=1)
    try:
        collector.collect(ph.CollectPlan(steps=2, copies=2))
        envs.workers[1].process.kill()
        envs.workers[1].process.join()
        with pytest.raises(ph.errors.EnvError, match=r"Worker 1 died with exit code -9 \(SIGKILL\) while it"):
            collector.collect(ph.CollectPlan(steps=2, copies=2))
    finally:
        collector.close()


def test_what_a_worker_cannot_send_is_an_error(world: ModuleType) -> None:
    envs = ph.make_vector_env(world.SecretiveEnv, 1, workers=1)
    space = world.SecretiveWalker.observation_space
    policies = {"p": ph.RandomPolicy(space, world.Walker.action_space)}
    collector = ph.Collector(envs, policies, {"W": "p"}, seed=1)
    try:
        with pytest.raises(ph.errors.EnvError) as caught:
            collector.collect(ph.CollectPlan(steps=4))
    finally:
        collector.close()
    assert str(caught.value).startswith(
        "What it returned cannot be sent to the driver: AttributeError: Can't pickle local object "
    )
    assert "Use workers=0. (SecretiveEnv failed in reset of episode 0" in str(caught.value)
