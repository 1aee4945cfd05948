"""What every test of this distribution needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from phantom.telemetry import logger


@pytest.fixture(autouse=True)
def quiet_logger() -> Iterator[None]:
    """The logger is the one global of the predecessor: each test leaves it as it was at import."""
    yield
    kinds = ("actions", "observations", "rewards", "terminations", "truncations", "infos", "messages")
    off: Any = {f"print_{kind}": False for kind in kinds}
    logger.configure_print_logging(enable=False, metrics={}, **off)
    logger.configure_file_logging(None, human_readable=False, metrics={})
