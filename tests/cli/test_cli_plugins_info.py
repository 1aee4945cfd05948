"""`phantom plugins info NAME` shows what a distribution offers, and imports nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phantom_core.installed.registry import DISTRIBUTION_BY_NAME

ENTRY_POINTS = {
    "phantom_core.loggers": {"a-late": "acme_order:Late"},
    "phantom_core.plugins": {"early": "acme_order:Early", "made": "acme_order:Made"},
}


@pytest.fixture
def acme(fake_distribution: Callable[..., Path]) -> Path:
    """A distribution with a logger and two plugin objects."""
    return fake_distribution(
        "acme", ENTRY_POINTS, {"acme_order": ""}, requires="phantom-rl-core>=0.2", summary="Order."
    )


def test_info_shows_a_distribution_and_what_it_offers(phantom: Callable[..., Any], acme: Path) -> None:
    outcome = phantom("plugins", "info", "acme")
    rows = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert rows == [
        "acme 1.0",
        "Order.",
        "source index",
        f"found in {acme}",
        "needs phantom-rl-core>=0.2",
        "",
        "kind name version status target",
        "logger a-late 1.0 ok acme_order:Late",
        "plugin early 1.0 ok acme_order:Early",
        "plugin made 1.0 ok acme_order:Made",
    ]
    (table,) = json.loads(phantom("plugins", "info", "A_Late", "--json").out)
    assert (table["distribution"], table["entries"][0]["status"]) == ("acme", "ok")


def test_info_of_what_is_not_installed_says_how_to_install_it(
    phantom: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DISTRIBUTION_BY_NAME, "abacus", "phantom-abacus")
    assert phantom("plugins", "info", "abacus").err == (
        "Error: Nothing is installed under the name 'abacus'. To install it: pip install phantom-abacus\n"
    )
    assert phantom("plugins", "info", "jsonll").err == (
        "Error: Nothing is installed under the name 'jsonll'. Did you mean 'jsonl'? See: "
        "phantom plugins list\n"
    )


@pytest.mark.parametrize("arguments", [["list"], ["info", "acme"]])
def test_what_says_how_things_are_imports_no_plugin(arguments: list[str], acme: Path) -> None:
    code = (
        "import sys\n"
        "from phantom_core.cli.main import main\n"
        "try:\n    main(['plugins', *sys.argv[1:]])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "heavy = ('numpy', 'gymnasium', 'rich', 'tensorboardX', 'torch', 'acme_order')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(acme)},
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "acme" in done.stdout
