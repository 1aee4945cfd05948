"""How the tests of the command line call it: in this process, as a user would."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from phantom_core.cli.main import main

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def phantom(
    guess_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Call `phantom` with arguments, in the folder with `guess_world.py`."""
    monkeypatch.chdir(guess_folder)
    for name in THREADS:
        monkeypatch.setenv(name, "1")

    def call(*arguments: str | Path) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Outcome(int(caught.value.code or 0), out, err)

    return call


@pytest.fixture
def run_file(guess_folder: Path) -> Callable[..., Path]:
    """Write a run file: a short run of the guessing game, with lines changed, added or left out."""

    def write(tail: str = "", **lines: str | None) -> Path:
        given = {
            "env": '"./guess_world.py:GuessEnv"',
            "trainer": '"q-learning"',
            "iterations": "2",
            "seed": "1",
        }
        kept = [f"{key} = {value}\n" for key, value in (given | lines).items() if value is not None]
        path = guess_folder / "guess.toml"
        path.write_text("".join(kept) + tail)
        return path

    return write
