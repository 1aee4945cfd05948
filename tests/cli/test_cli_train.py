"""`phantom train FILE.toml`."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def run_of(out: str) -> Path:
    """Return the run directory that the command printed."""
    (line,) = [line for line in out.splitlines() if line.startswith("run directory: ")]
    return Path(line.removeprefix("run directory: "))


def facts_of(out: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((run_of(out) / "run.json").read_text())
    return facts


def test_train_says_where_the_run_is_and_last_what_it_is_worth(
    phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    path = run_file("[evaluate]\nepisodes = 3\nreference_return = 5.0\n", iterations="60")
    outcome = phantom("train", path)
    assert (outcome.code, outcome.err) == (0, "")
    first, last = outcome.out.splitlines()
    assert first.startswith("run directory: runs/guess-")
    assert last == "mean return 5.0 = 100.0 % of 5.0"
    directory = run_of(outcome.out)
    assert sorted(part.name for part in directory.iterdir()) == [
        "checkpoints",
        "config.toml",
        "metrics.jsonl",
        "policies",
        "run.json",
    ]


def test_train_says_how_to_open_tensorboard(
    phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    outcome = phantom("train", run_file(), "--logger", "tensorboard")
    assert outcome.out.splitlines()[1] == (
        "to see curves: pip install tensorboard && tensorboard --logdir runs"
    )


def test_every_option_goes_before_the_file(
    phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    outcome = phantom(
        *("train", run_file(trainer='"other"', loggers='["other"]'), "--trainer", "q-learning"),
        *("--logger", "jsonl", "--iterations", "1", "--seed", "9", "--run-dir", "elsewhere"),
        *("--set", "name=mine", "--set", "trainer.q-learning.alpha=0.5"),
    )
    facts = facts_of(outcome.out)
    assert run_of(outcome.out).parts[0] == "elsewhere"
    assert (facts["seed"], facts["name"], facts["trainer"], facts["iterations"]) == (
        9,
        ("mine"),
        "q-learning",
        1,
    )
    assert facts["origins"] == {
        "env": "file",
        "iterations": "--iterations",
        "loggers": "--logger",
        "name": "--set",
        "seed": "--seed",
        "trainer.name": "--trainer",
        "trainer.q-learning.alpha": "--set",
    }


def test_a_run_that_a_plugin_stops_says_why_and_names_the_plugins_that_failed(
    phantom: Callable[..., Any], run_file: Callable[..., Path], fake_distribution: Callable[..., Path]
) -> None:
    source = """
import phantom_core as ph
class Patience(ph.Hooks):
    def on_metrics(self, event):
        raise OSError("no disk")
    def should_stop(self, event):
        return "good enough"
"""
    fake_distribution(
        ("acme"), {"phantom_core.loggers": {"patience": "acme_patience:Patience"}}, {"acme_patience": source}
    )
    outcome = phantom("train", run_file(), "--logger", "patience")
    assert outcome.code == 0
    assert outcome.err == "Warning: Plugin 'patience' failed once in on_metrics: OSError: no disk.\n"
    assert outcome.out.splitlines()[0] == "Stopped after 1 iteration: patience: good enough."


def test_an_interrupted_run_ends_with_130(
    phantom: Callable[..., Any], run_file: Callable[..., Path], fake_distribution: Callable[..., Path]
) -> None:
    source = """
import os, signal
import phantom_core as ph
class Interrupter(ph.Hooks):
    def on_iteration_start(self, event):
        os.kill(os.getpid(), signal.SIGINT)
"""
    fake_distribution("acme", {"phantom_core.loggers": {"int": "acme_int:Interrupter"}}, {"acme_int": source})
    outcome = phantom("train", run_file(), "--logger", "int")
    assert (outcome.code, outcome.err) == (130, "")
    lines = outcome.out.splitlines()
    assert lines == [
        "Interrupted after 1 iteration: SIGINT.",
        f"run directory: {run_of(outcome.out)}",
        f"to evaluate it: phantom evaluate {run_of(outcome.out)}",
        f"to go on: phantom resume {run_of(outcome.out)}",
    ]
    assert facts_of(outcome.out)["status"] == "interrupted"


def test_the_console_logger_says_alone_how_a_run_ended(
    phantom: Callable[..., Any], run_file: Callable[..., Path], fake_distribution: Callable[..., Path]
) -> None:
    source = """
import phantom_core as ph
class Stop(ph.Hooks):
    def should_stop(self, event):
        return "enough"
"""
    fake_distribution("acme", {"phantom_core.loggers": {"stop": "acme_stop:Stop"}}, {"acme_stop": source})
    outcome = phantom("train", run_file(), "--logger", "stop", "--logger", "console")
    assert "Stopped" not in outcome.out
    assert "Stopped: 1 iteration" in outcome.err


def test_the_console_logger_names_alone_the_plugins_that_failed(
    phantom: Callable[..., Any], run_file: Callable[..., Path], fake_distribution: Callable[..., Path]
) -> None:
    source = """
import phantom_core as ph
class Broken(ph.Hooks):
    def on_metrics(self, event):
        raise OSError("no disk")
"""
    fake_distribution("acme", {"phantom_core.loggers": {"bad": "acme_bad:Broken"}}, {"acme_bad": source})
    outcome = phantom("train", run_file(), "--logger", "bad", "--logger", "console", "--iterations", "1")
    failure = "Plugin 'bad' failed once in on_metrics: OSError: no disk."
    assert outcome.err.splitlines()[-1] == f"Problem: {failure}"
    assert "Warning" not in outcome.err


def test_a_pipe_that_nobody_reads_to_its_end_is_no_failure(run_file: Callable[..., Path]) -> None:
    path = run_file("[evaluate]\nepisodes = 1\n")
    command = [sys.executable, "-m", "phantom_core", "train", path.name, "--plugin-times"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=path.parent, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 0
    (directory,) = (path.parent / "runs").iterdir()
    assert json.loads((directory / "run.json").read_text())["status"] == "completed"


@pytest.mark.parametrize(
    ("arguments", "imported"),
    [
        (["--help"], "['importlib_metadata']"),
        (["--version"], "[]"),
        (["train", "--help"], "[]"),
        (["evaluate", "--help"], "[]"),
    ],
)
def test_help_is_instant_for_it_imports_nothing_heavy(arguments: list[str], imported: str) -> None:
    code = (
        "import sys\n"
        "from phantom_core.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print(sorted({'numpy', 'gymnasium', 'pluggy', 'msgspec', 'importlib_metadata'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, ("-c"), code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == imported  # help lists the commands of distributions
    assert done.stderr == ""
