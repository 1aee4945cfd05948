"""Real runs are cut in every way and resumed: they end as one that was not cut, and leave nothing behind."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _cuts() -> ModuleType:
    """Import `cuts.py`, which `make soak` runs too."""
    spec = importlib.util.spec_from_file_location("cuts_of_the_tests", Path(__file__).with_name("cuts.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CUTS = _cuts()


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What cuts runs and compares them, with one run that is not cut."""
    return CUTS.Harness(tmp_path_factory.mktemp("cuts"))


@pytest.mark.parametrize("kind", CUTS.KINDS)
def test_a_run_that_was_cut_ends_as_one_that_was_not(kind: str, harness: Any) -> None:
    assert harness.trial(kind, 1).problem == ""


@pytest.mark.parametrize("kind", ["SIGKILL", "driver with workers"])
def test_so_does_one_whose_env_saves_its_episodes(kind: str, tmp_path: Path) -> None:
    assert CUTS.Harness(tmp_path, env="SavedMarket").trial(kind, 2).problem == ""
