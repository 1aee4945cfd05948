"""The run file that tests of the command line write."""

from collections.abc import Callable
from pathlib import Path

import pytest


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
