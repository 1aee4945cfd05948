"""PettingZoo's own tests."""

import importlib
import warnings
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def zoo_kit() -> ModuleType:
    """PettingZoo's own tests; importing them warns of the names of PettingZoo's own envs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("pettingzoo.test")
