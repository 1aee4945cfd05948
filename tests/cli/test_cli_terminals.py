"""What is printed steers no terminal, and is printed in any encoding."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TITLE = "\x1b]0;owned\x07"
SHOWN = r"\x1b]0;owned\x07"


def test_an_error_shows_control_sequences_and_does_not_send_them(
    phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    path = run_file(trainer=json.dumps(f"q-learning{TITLE}\u202e\r\u009b"))
    outcome = phantom("train", path)
    assert outcome.code == 2
    assert SHOWN in outcome.err
    assert outcome.err.rstrip("\n").isprintable()


def test_names_of_agents_and_files_are_shown_as_text(
    phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    path = run_file("[evaluate]\nepisodes = 1\n", env='"./odd_world.py:OddEnv"')
    world = (path.parent / "guess_world.py").read_text().replace('f"G{number}"', repr(f"G{TITLE}"))
    (path.parent / "odd_world.py").write_text(world.replace("GuessEnv", "OddEnv"))
    run = Path(phantom("train", path).out.splitlines()[0].removeprefix("run directory: "))
    outcome = phantom("evaluate", run)
    assert outcome.out.startswith(f"G{SHOWN}: mean ")
    assert phantom("evaluate", run / "checkpoints" / f"x{TITLE}").err.rstrip("\n").isprintable()


def in_c_locale(mode: str, folder: Path, *arguments: str) -> tuple[int, str]:
    """Call `phantom` with LC_ALL=C and PYTHONUTF8; return its exit code, and all that it printed."""
    surroundings = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": mode, "PYTHONCOERCECLOCALE": "0"}
    surroundings.pop("PYTHONIOENCODING", None)
    done = subprocess.run(
        [sys.executable, "-m", "phantom_core", *arguments],
        cwd=folder,
        env=surroundings,
        capture_output=True,
        timeout=50,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "backslashreplace")


@pytest.mark.parametrize("mode", ["0", "1"])
def test_a_locale_without_umlauts_ends_no_command(
    mode: str, guess_folder: Path, run_file: Callable[..., Path]
) -> None:
    path = run_file("[evaluate]\nepisodes = 1\n", env='"./umlaut.py:OddEnv"')
    world = (guess_folder / "guess_world.py").read_text().replace('f"G{number}"', "'Müller'")
    (guess_folder / "umlaut.py").write_text(world.replace("GuessEnv", "OddEnv"), encoding="utf-8")
    code, said = in_c_locale(
        mode, guess_folder, "train", path.name, "--set", "name=übung", "--logger", "console"
    )
    assert (code, "Error" in said) == (0, False), said
    (run,) = (guess_folder / "runs").iterdir()
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["name"] == "übung"
    code, said = in_c_locale(mode, guess_folder, "evaluate", str(run))
    assert (code, said.splitlines()[0].partition(":")[0]) == (0, "Müller")  # click prints UTF-8
    code, said = in_c_locale(mode, guess_folder, "train", "übung.toml")
    assert code == 2
    assert "cannot be read: No such file or directory. Name a TOML file." in said
    code, said = in_c_locale(mode, guess_folder, "train", path.name, "--set", "trainer=übung")
    assert (code, said.partition(".")[0]) == (2, "Error: No trainer named 'übung'")
