"""`phantom plugins order HOOK` imports the plugins in another process, and shows their order."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph

SOURCE = """
import phantom_core as ph
print("hello from acme")
class Late(ph.Hooks):
    @ph.hookimpl(trylast=True)
    def on_metrics(self, event): ...
class Early(ph.Hooks):
    @ph.hookimpl(tryfirst=True)
    def on_metrics(self, event): ...
Made = type("Made", (ph.Hooks,), {"on_metrics": lambda self, event: None})
"""

RUN_FILE = """
env = "./guess_world.py:GuessEnv"
trainer = "q-learning"
iterations = 2
loggers = ["a-late"]
hooks = ["./mine.py", "early-stopping"]

[plugins]
disable = ["acme:made", "early"]

[hook.early-stopping]
quantity = "x"
"""


@pytest.fixture
def acme(fake_distribution: Callable[..., Path]) -> Path:
    """A distribution with a logger and two plugin objects, of which one is made when it is imported."""
    groups = {
        "phantom_core.loggers": {"a-late": "acme_order:Late"},
        "phantom_core.plugins": {"early": "acme_order:Early", "made": "acme_order:Made"},
    }
    return fake_distribution("acme", groups, {"acme_order": SOURCE}, summary="Order.")


@pytest.fixture
def child_path(acme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let other processes find the distribution too."""
    monkeypatch.setenv("PYTHONPATH", str(acme))


SAID = "Importing the plugins in a process of their own ...\n"


@pytest.mark.usefixtures("child_path")
def test_order_shows_who_runs_when_and_why(phantom: Callable[..., Any]) -> None:
    outcome = phantom("plugins", "order", "on_metrics", "--logger", "a-late")
    assert (outcome.code, outcome.err) == (0, SAID)
    rows = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert rows == [
        "1 acme:early tryfirst installed with acme 1.0",
        "2 acme:made by name installed with acme 1.0",
        f"3 jsonl by name logger of phantom-rl-core {ph.__version__}",
        "4 a-late trylast logger of acme 1.0",
    ]


@pytest.mark.usefixtures("child_path")
def test_order_takes_the_plugins_of_a_run_file(phantom: Callable[..., Any], guess_folder: Path) -> None:
    source = "import phantom_core as ph\n@ph.hookimpl\ndef on_metrics(event): ...\n"
    (guess_folder / "mine.py").write_text(source)
    path = guess_folder / "guess.toml"
    path.write_text(RUN_FILE)
    found = json.loads(phantom("plugins", "order", "on_metrics", path, "--json").out)
    assert [(p["plugin"], p["why"], p["origin"]) for p in found["order"]] == [
        ("jsonl", "by name", f"logger of phantom-rl-core {ph.__version__}"),
        ("mine", "by name", "named by its place"),
        ("a-late", "trylast", "logger of acme 1.0"),
    ]
    found = json.loads(phantom("plugins", "order", "should_stop", path, "--json").out)
    assert [p["plugin"] for p in found["order"]] == ["early-stopping"]


def test_order_says_what_a_run_would_say_of_wrong_settings(phantom: Callable[..., Any]) -> None:
    outcome = phantom("plugins", "order", "on_metrics", "-p", "early-stopping")
    sentence = "Error: hook.early-stopping needs a value for 'quantity' (str). Give it one.\n"
    assert (outcome.code, outcome.err) == (2, SAID + sentence)


def test_order_of_nobody(phantom: Callable[..., Any]) -> None:
    assert phantom("plugins", "order", "should_stop").out == "No plugin implements should_stop.\n"


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        (
            "import os\nos._exit(3)\n",
            [],
            (
                "Importing the plugins ended their process with exit code 3. phantom plugins doctor says "
                "which of them does that."
            ),
        ),
        (
            "import time\ntime.sleep(60)\n",
            ["--timeout", "1.5"],
            (
                "Importing the plugins took more than 1.5 seconds. phantom plugins doctor says which of them "
                "is slow; --timeout gives them longer."
            ),
        ),
    ],
    ids=["ends", "hangs"],
)
def test_a_plugin_that_ends_or_holds_its_process_hurts_nobody(
    source: str,
    options: list[str],
    sentence: str,
    phantom: Callable[..., Any],
    fake_distribution: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = {"phantom_core.plugins": {"bad": "acme_bad:Bad"}}
    monkeypatch.setenv("PYTHONPATH", str(fake_distribution("acme", entries, {"acme_bad": source})))
    outcome = phantom("plugins", "order", "on_metrics", *options)
    assert (outcome.code, outcome.err.splitlines()[-1]) == (2, f"Error: {sentence}")


def test_order_of_what_is_no_hook_suggests_the_nearest(phantom: Callable[..., Any]) -> None:
    outcome = phantom("plugins", "order", "on_metric")
    assert outcome.code == 2
    assert outcome.err == SAID + (
        "Error: There is no hook 'on_metric' of runs. Did you mean 'on_metrics'? There are: on_train_start, "
        "on_iteration_start, on_episode_end, should_evaluate, on_evaluation_end, extra_values, on_metrics, "
        "on_iteration_end, should_stop, should_checkpoint, on_checkpoint, on_exception, on_train_end.\n"
    )
