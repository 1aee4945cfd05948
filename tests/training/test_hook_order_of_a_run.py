"""`ph.tools.hook_order`: which plugins implement a hook in a run, in which order and why."""

from collections.abc import Callable
from pathlib import Path

import pytest

import phantom_core as ph

SOURCE = """
import phantom_core as ph

class Late(ph.Hooks):
    @ph.hookimpl(trylast=True)
    def on_metrics(self, event): ...

class Early(ph.Hooks):
    @ph.hookimpl(tryfirst=True)
    def on_metrics(self, event): ...
"""
MINE = "import phantom_core as ph\n@ph.hookimpl\ndef on_metrics(event): ...\n"
RUN_FILE = """
env = "./guess_world.py:GuessEnv"
trainer = "q-learning"
iterations = 2
loggers = ["a-late"]
hooks = ["./mine.py"]

[plugins]
disable = ["acme:early"]
"""


@pytest.fixture(autouse=True)
def acme(fake_distribution: Callable[..., Path]) -> None:
    """A distribution with a logger and a plugin object."""
    groups = {
        "phantom_core.loggers": {"a-late": "acme_order:Late"},
        "phantom_core.plugins": {"early": "acme_order:Early"},
    }
    fake_distribution("acme", groups, {"acme_order": SOURCE})


JSONL = ("jsonl", "by name", f"logger of phantom-rl-core {ph.__version__}")


def test_installed_plugins_the_record_and_what_is_named_are_in_calling_order() -> None:
    early = ("acme:early", "tryfirst", "installed with acme 1.0")
    assert ph.tools.hook_order("on_metrics") == [early, JSONL]
    assert ph.tools.hook_order("on_metrics", loggers=["a-late"]) == [
        early,
        JSONL,
        ("a-late", "trylast", "logger of acme 1.0"),
    ]
    assert ph.tools.hook_order("should_stop") == []


def test_a_run_file_says_what_takes_part(guess_folder: Path) -> None:
    (guess_folder / "mine.py").write_text(MINE)
    path = guess_folder / "guess.toml"
    path.write_text(RUN_FILE)
    called = ph.tools.hook_order("on_metrics", run_file=path)
    assert [plugin.plugin for plugin in called] == ["jsonl", "mine", "a-late"]
    assert called[1].origin == "named by its place"
    (stopping,) = ph.tools.hook_order("on_metrics", run_file=path, loggers=["jsonl"])[1:]
    assert stopping.plugin == "mine"


def test_hooks_are_found_from_the_current_folder(guess_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(guess_folder)
    (guess_folder / "mine.py").write_text(MINE)
    called = ph.tools.hook_order("on_metrics", hooks=["./mine.py"])
    assert [plugin.plugin for plugin in called] == ["acme:early", "jsonl", "mine"]


def test_what_is_no_hook_suggests_the_nearest() -> None:
    with pytest.raises(ph.errors.ConfigError, match="no hook 'on_metric' of runs"):
        ph.tools.hook_order("on_metric")
