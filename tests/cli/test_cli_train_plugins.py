"""`phantom train` with plugins of one's own: `-p`, hooks in the run file, strictness, and what they cost."""

import json
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph

MODULE = """
import phantom_core as ph
@ph.hookimpl
def on_train_end(event):
    print('the end')
"""
CLASS = """
import phantom_core as ph
class Mine(ph.Hooks):
    def on_train_end(self, event):
        print('mine')
"""
BROKEN = CLASS.replace("on_train_end", "on_metrics").replace("print('mine')", "1 / 0")
SLOW = CLASS.replace("on_train_end", "on_iteration_end").replace("print('mine')", "time.sleep(0.2)")
TWO = CLASS + "class Yours(Mine):\n    pass\n"


@pytest.fixture
def importable(guess_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let modules of the folder be imported by name."""
    monkeypatch.syspath_prepend(guess_folder)


def facts_of(outcome: Any) -> dict[str, Any]:
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("run directory: ")]
    facts: dict[str, Any] = json.loads(Path(line.removeprefix("run directory: "), "run.json").read_text())
    return facts


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (MODULE, "./mine.py"),
        (CLASS, "./mine.py"),
        (CLASS, "./mine.py:Mine"),
        (CLASS, "mine"),
        (CLASS, "mine:Mine"),
    ],
)
@pytest.mark.usefixtures("importable")
def test_p_lets_a_module_file_or_class_follow_the_run(
    source: str,
    place: str,
    phantom: Callable[..., Any],
    run_file: Callable[..., Path],
    guess_folder: Path,
) -> None:
    (guess_folder / "mine.py").write_text(source)
    outcome = phantom("train", run_file(), "-p", place)
    assert (outcome.code, outcome.out.splitlines()[0]) == (0, "the end" if source == MODULE else "mine")
    (hooks,) = facts_of(outcome)["hooks"]
    assert (hooks["file"], len(hooks["sha256"])) == (str(guess_folder / "mine.py"), 64)


def test_hooks_of_a_run_file_are_relative_to_it_and_p_to_the_current_folder(
    phantom: Callable[..., Any],
    run_file: Callable[..., Path],
    guess_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (guess_folder / "mine.py").write_text(CLASS)
    (elsewhere / "other.py").write_text(MODULE)
    path = run_file(hooks='["./mine.py:Mine"]', run_dir=f'"{tmp_path / "runs"}"')
    monkeypatch.chdir(elsewhere)
    outcome = phantom("train", path, "-p", "./other.py")
    assert outcome.out.splitlines()[:2] == ["mine", "the end"]
    assert facts_of(outcome)["origins"]["hooks"] == "-p"
    again = phantom("evaluate", next((tmp_path / "runs").iterdir()))
    assert (again.code, again.err) == (0, "")


def test_nothing_in_the_working_directory_is_executed_that_nobody_named(
    phantom: Callable[..., Any], run_file: Callable[..., Path], guess_folder: Path
) -> None:
    for name in ("phantom_hooks.py", "conftest.py", "sitecustomize.py", "phantom.py"):
        (guess_folder / name).write_text("import os\nos._exit(1)\n")
    assert phantom("train", run_file()).code == 0


def test_a_file_with_several_classes_of_hooks_must_name_one(
    phantom: Callable[..., Any], run_file: Callable[..., Path], guess_folder: Path
) -> None:
    (guess_folder / "mine.py").write_text(TWO)
    path = (guess_folder / "mine.py").resolve()
    assert phantom("train", run_file(), "-p", "./mine.py").err == (
        f"Error: hooks = '{path}' has several classes of hooks: 'Mine', 'Yours'. Name one: {path}:Mine.\n"
    )


def test_a_place_that_leads_nowhere_is_told(
    phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    outcome = phantom("train", run_file(), "-p", "no_such_module")
    assert outcome.code == 2
    assert outcome.err == (
        f"Error: No hook named 'no_such_module'. Registered: early-stopping (phantom-loggers "
        f"{version('phantom-loggers')}). A place is named './file.py:Class' or 'package.module:Class'.\n"
    )


def test_python_takes_the_same_places(
    guess_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (guess_folder / "mine.py").write_text(CLASS)
    monkeypatch.chdir(guess_folder)
    results = ph.train(
        "q-learning",
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        num_iterations=1,
        hooks=["./mine.py:Mine"],
        run_dir="runs",
    )
    assert capsys.readouterr().out == "mine\n"
    assert results.run_directory is not None
    config = (results.run_directory / "config.toml").read_text()
    assert f'"{guess_folder.resolve() / "mine.py"}:Mine"' in config


def test_strict_plugins_end_the_run_with_an_error(
    phantom: Callable[..., Any], run_file: Callable[..., Path], guess_folder: Path
) -> None:
    (guess_folder / "mine.py").write_text(BROKEN)
    assert phantom("train", run_file(), "-p", "./mine.py").code == 0
    outcome = phantom("train", run_file(), "-p", "./mine.py", "--strict-plugins")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "Error: Plugin 'Mine' failed in on_metrics: ZeroDivisionError: division by zero. Mend it, or leave "
        "it out of the run.\n"
    )


def test_plugin_times_names_who_takes_the_time(
    phantom: Callable[..., Any], run_file: Callable[..., Path], guess_folder: Path
) -> None:
    (guess_folder / "mine.py").write_text(f"import time\n{SLOW}")
    outcome = phantom("train", run_file(), "-p", "./mine.py", "--plugin-times")
    rows = [line.split() for line in outcome.out.splitlines()]
    assert rows[0] == ["plugin", "hook", "calls", "seconds", "share", "of", "the", "run"]
    assert rows[1][:2] == ["Mine", "all"]
    assert rows[2][:2] == ["on_iteration_end", "2"]
    assert float(rows[2][2]) >= 0.4
    assert re.fullmatch(r"\d+\.\d%", rows[1][3])
    assert rows[3][:2] == ["jsonl", "all"]
