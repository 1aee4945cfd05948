"""`phantom plugins order HOOK` and `phantom plugins info NAME`: nothing is imported."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.hooks.registry import DISTRIBUTION_BY_NAME

HEAD = "import os\nimport phantom_core as ph\nos._exit(1)\n"
SOURCE = HEAD + (
    "class Late(ph.Hooks):\n    after = ('jsonl',)\n    def on_metrics(self, event, /): ...\n"
    "class Early(ph.Hooks):\n    before = ('jsonl',)\n    def on_metrics(self, event, /): ...\n"
    "Made = type('Made', (ph.Hooks,), {})\n"
)


@pytest.fixture
def acme(fake_distribution: Callable[..., Path]) -> Path:
    """A distribution that ends the process when it is imported."""
    groups = {
        "phantom_core.loggers": {"a-late": "acme_order:Late"},
        "phantom_core.plugins": {"early": "acme_order:Early", "made": "acme_order:Made"},
    }
    requires = "phantom-rl-core>=0.1,<0.2"
    return fake_distribution("acme", groups, {"acme_order": SOURCE}, summary="Order.", requires=requires)


@pytest.mark.usefixtures("acme")
def test_order_shows_who_runs_when_and_why(phantom: Callable[..., Any]) -> None:
    outcome = phantom("plugins", "order", "on_metrics", "--logger", "a-late")
    assert (outcome.code, outcome.err) == (0, "")
    rows = [" ".join(line.split()) for line in outcome.out.splitlines()]
    core = f"logger of phantom-rl-core {ph.__version__}"
    assert rows == [
        "1 acme:early before jsonl, as it says itself installed with acme 1.0",
        f"2 jsonl before a-late, as a-late says; after acme:early, as acme:early says {core}",
        "3 a-late after jsonl, as it says itself logger of acme 1.0",
        "",
        "What these do is not fully known until they are imported:",
        "? acme:made Made is made when acme_order is imported installed with acme 1.0",
    ]


@pytest.mark.usefixtures("acme")
def test_order_takes_the_plugins_of_a_run_file(
    phantom: Callable[..., Any], run_file: Callable[..., Path], guess_folder: Path
) -> None:
    (guess_folder / "mine.py").write_text(HEAD + "@ph.hookimpl\ndef on_metrics(event): ...\n")
    tail = "[plugins]\ndisable = ['acme:made', 'early']\n"
    path = run_file(tail, loggers='["a-late"]', hooks='["./mine.py"]')
    found = json.loads(phantom("plugins", "order", "on_metrics", path, "--json").out)
    assert [(p["plugin"], p["why"]) for p in found["order"]] == [
        ("jsonl", "before a-late, as a-late says"),
        ("a-late", "after jsonl, as it says itself"),
        ("mine", "by name"),
    ]
    assert found["unknown"] == []


def test_order_of_what_is_no_hook_suggests_the_nearest(phantom: Callable[..., Any]) -> None:
    outcome = phantom("plugins", "order", "on_metric")
    assert outcome.code == 2
    assert outcome.err == (
        "Error: There is no hook 'on_metric' of runs. Did you mean 'on_metrics'? There are: on_train_start, "
        "on_iteration_start, on_episode_end, on_evaluation_end, on_metrics, on_iteration_end, should_stop, "
        "on_checkpoint, on_exception, on_train_end.\n"
    )


def test_info_shows_a_distribution_and_what_it_offers(phantom: Callable[..., Any], acme: Path) -> None:
    outcome = phantom("plugins", "info", "acme")
    rows = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert rows == [
        "acme 1.0",
        "Order.",
        "source index",
        f"found in {acme}",
        "needs phantom-rl-core>=0.1,<0.2",
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


@pytest.mark.parametrize(
    "arguments", [["list"], ["info", "acme"], ["order", "on_metrics", "-p", "acme_order"]]
)
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
