"""What the architecture tests look at."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def core_modules(repository: Path) -> list[Path]:
    """Every module of the core."""
    return sorted(repository.glob("phantom_core/**/*.py"))


@pytest.fixture(scope="session")
def plugin_modules(repository: Path) -> list[Path]:
    """Every module that a plugin ships."""
    return sorted(repository.glob("plugins/*/phantom*/**/*.py"))


@pytest.fixture(scope="session")
def plugin_tests(repository: Path) -> list[Path]:
    """Every module of tests of a plugin."""
    return sorted(repository.glob("plugins/*/tests/**/*.py"))
