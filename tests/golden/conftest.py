"""How a golden file is compared, and how it is accepted."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def compare_with_golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name; `--update-golden` accepts the text instead."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / name
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"There is no {path}. Run pytest with --update-golden and read what it wrote."
        assert text.splitlines() == path.read_text(encoding="utf-8").splitlines()

    return compare
