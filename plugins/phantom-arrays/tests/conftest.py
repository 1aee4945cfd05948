"""The worlds beside the tests, which are loaded by their file, as those of a run file are."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import phantom_core as ph


def loaded(file: str, *names: str) -> SimpleNamespace:
    """Return some classes of a file beside this one."""
    path = Path(__file__).with_name(file)
    return SimpleNamespace(
        **{n: ph.tools.load_reference(f"{path}:{n}", setting="env", folder=Path()) for n in names}
    )


@pytest.fixture(scope="session")
def zoo() -> Any:
    """A world that uses everything that populations have."""
    return loaded("array_zoo.py", "ZooEnv", "Traders")


@pytest.fixture(scope="session")
def counting() -> Any:
    """A game that is easily learned."""
    return loaded("counting_world.py", "CounterEnv", "Counter")
