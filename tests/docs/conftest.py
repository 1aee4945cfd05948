"""The scripts of `docs/site/`, which are no package."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

SITE = Path(__file__).resolve().parents[2] / "docs" / "site"


@pytest.fixture(scope="session")
def reference_blocks() -> ModuleType:
    """What writes the generated parts of the pages."""
    return site_module("reference_blocks")


@pytest.fixture(scope="session")
def api_pages() -> ModuleType:
    """What writes the API reference."""
    return site_module("api_pages")


@pytest.fixture(scope="session")
def stage_site() -> ModuleType:
    """What puts the pages of the site together."""
    return site_module("stage_site")


def site_module(name: str) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SITE)
        return importlib.import_module(name)
