"""`phantom plugins list` and `phantom plugins describe NAME`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SUICIDAL = "import os\nos._exit(1)\n"


def test_list_shows_every_component_and_plugin_with_its_status(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path], monkeypatch: Any
) -> None:
    trainer = {"phantom_core.trainers": {"acme-rl": "acme_rl:Trainer"}}
    fake_distribution("acme", trainer, {"acme_rl": SUICIDAL})
    fake_distribution("offline", {"phantom_core.plugins": {"follow": "offline:Follow"}})
    fake_distribution("later", {"phantom_core.envs": {"mars": "later:Mars"}}, requires="phantom-rl-core>=7")
    fake_distribution("twin", trainer, {"acme_rl": SUICIDAL}, version="2.0")
    fake_distribution(
        "hungry", {"phantom_core.envs": {"pie": "pie:Pie"}}, {"pie": ""}, requires="acme-oven>=3"
    )
    fake_distribution("old", {"phantom_core.envs": {"moon": "moon:Moon"}}, {"moon": ""}, folder="late")
    fake_distribution("old", {"phantom_core.envs": {"moon": "moon:Moon"}}, {"moon": ""}, version="1.1")
    fake_distribution("gone", {"phantom_core.metrics": {"gone": "gone.away:Gone"}})
    monkeypatch.setenv("PHANTOM_DISABLED_PLUGINS", "offline")
    outcome = phantom("plugins", "list")
    assert (outcome.code, outcome.err) == (0, "")
    rows = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert rows[0] == "kind name distribution version source status"
    expected = [
        "trainer acme-rl acme 1.0 index conflict: also offered by twin",
        "trainer acme-rl twin 2.0 index conflict: also offered by acme",
        "plugin follow offline 1.0 index disabled: PHANTOM_DISABLED_PLUGINS names it",
        "env mars later 1.0 index incompatible: needs phantom-rl-core>=7",
        "env pie hungry 1.0 index missing dependency: needs acme-oven>=3",
        "env moon old 1.1 index ok",
        "metric gone gone 1.0 index failed: there is no module gone.away",
    ]
    assert [row for row in expected if row not in rows] == []
    (shadowed,) = [row for row in rows if "shadowed" in row]
    assert shadowed.startswith("env moon old 1.0 index shadowed duplicate: old 1.1 in ")
    assert shadowed.endswith(" comes first")
    assert rows[1:] == sorted(rows[1:])


def test_list_is_json_on_request(phantom: Callable[..., Any]) -> None:
    rows = json.loads(phantom("plugins", "list", "--json").out)
    (row,) = [row for row in rows if row["name"] == "q-learning"]
    assert row["source"].startswith(("editable /", "file:///"))  # from a checkout, or from a wheel of it
    assert row == {
        "kind": "trainer",
        "name": "q-learning",
        "distribution": "phantom-qlearning",
        "version": row["version"],
        "source": row["source"],
        "status": "ok",
        "reason": "",
        "target": "phantom_qlearning.trainers:QLearningTrainer",
    }


def test_list_says_which_names_in_the_settings_mean_nothing(
    phantom: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.setenv("PHANTOM_DISABLED_PLUGINS", "consol")
    outcome = phantom("plugins", "list", "--json")
    assert (outcome.code, outcome.err) == (
        0,
        (
            "Warning: PHANTOM_DISABLED_PLUGINS names 'consol', which is not installed. Did you mean "
            "'console'? phantom plugins list shows what is.\n"
        ),
    )
    assert json.loads(outcome.out)


def test_list_imports_no_plugin(fake_distribution: Callable[..., Path]) -> None:
    target = {"acme": "acme_suicidal:Acme"}
    groups = {f"phantom_core.{group}": target for group in ("trainers", "loggers", "plugins")}
    site = fake_distribution("acme", groups, {"acme_suicidal": SUICIDAL})
    code = (
        "import sys\n"
        "from phantom_core.cli.main import main\n"
        "try:\n    main(['plugins', 'list'])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "plugins = ('phantom_qlearning', 'phantom_console', 'phantom_tensorboard', 'acme_suicidal')\n"
        "print([name for name in sys.modules if name.startswith(plugins)])\n"
        "heavy = ('rich', 'tensorboardX', 'torch', 'phantom_core.training')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert "acme_suicidal" not in done.stderr
    assert " acme " in done.stdout
    assert done.stdout.splitlines()[-2:] == ["[]", "[]"]


def test_describe_shows_fields_types_defaults_and_what_they_mean(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    source = '''
from dataclasses import dataclass, field
from typing import Literal
import phantom_core as ph

@dataclass(frozen=True)
class AcmeConfig:
    size: int
    """How large it is; a long sentence goes over several lines,
    because nobody likes to read to the right of the screen."""
    mode: Literal["fast", "slow"] = "fast"
    tags: list[str] = field(default_factory=list)
    limit: float | None = None
    """The most it may be."""
    unit: str = field(default="m", init=False)
    """Cannot be set."""
    lambda_: float = field(default=0.5, metadata={"name": "lambda"})

class Acme(ph.Hooks):
    """Counts what happens.

    And more.
    """
    config_class = AcmeConfig
'''
    fake_distribution("acme", {"phantom_core.loggers": {"acme": "acme_logger:Acme"}}, {"acme_logger": source})
    outcome = phantom("plugins", "describe", "acme")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        "logger acme  (acme 1.0, acme_logger:Acme)\n"
        "Counts what happens.\n"
        "\n"
        "  size: int  (needed)\n"
        "      How large it is; a long sentence goes over several lines, because nobody likes to\n"
        "      read to the right of the screen.\n"
        "  mode: 'fast' | 'slow' = 'fast'\n"
        "  tags: list[str] = (made anew)\n"
        "  limit: float | None = None\n"
        "      The most it may be.\n"
        "  lambda: float = 0.5\n"
    )


def test_describe_says_when_there_are_no_settings(phantom: Callable[..., Any]) -> None:
    assert phantom("plugins", "describe", "jsonl").out.endswith("\n\nIt takes no settings.\n")


def test_parameters_of_an_init_are_described_as_settings(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    source = """
import phantom_core as ph
class Diary(ph.Hooks):
    def __init__(self, file: str, every: int = 1):
        pass
"""
    fake_distribution("acme", {"phantom_core.loggers": {"diary": "acme_diary:Diary"}}, {"acme_diary": source})
    assert phantom("plugins", "describe", "diary").out.endswith("\n\n  file: str\n  every: int = 1\n")


def test_describe_of_a_broken_plugin_says_whose_defect_it_is(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution(
        ("acme"), {"phantom_core.loggers": {"acme": "acme_broken:Acme"}}, {"acme_broken": "1 / 0"}
    )
    outcome = phantom("plugins", "describe", "acme")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "Error: Logger 'acme' of acme 1.0 could not be loaded: ZeroDivisionError: division by zero. This is "
        "a defect of acme; the traceback is with -v.\n"
    )


def test_a_name_of_two_distributions_is_described_for_the_one_that_is_named(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    target = {"phantom_core.loggers": {"twin": "acme_twin:Twin"}}
    fake_distribution("acme", target, {"acme_twin": "import phantom_core as ph\nclass Twin(ph.Hooks): ...\n"})
    fake_distribution("zoom", target)
    assert phantom("plugins", "describe", "twin").err == (
        "Error: 2 distributions offer a logger named 'twin': acme 1.0 (acme_twin:Twin), "
        "zoom 1.0 (acme_twin:Twin). Choose one: 'acme:twin' or 'zoom:twin'.\n"
    )
    assert phantom("plugins", "describe", "acme:twin").out.startswith(
        "logger twin  (acme 1.0, acme_twin:Twin)"
    )


def test_describe_gives_a_json_schema(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    source = '''
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
import phantom_core as ph

@dataclass(frozen=True)
class AcmeConfig:
    size: int
    """How large it is."""
    mode: Literal["fast", "slow"] = "fast"
    tags: list[str] = field(default_factory=list)
    key: Callable[[int], int] | None = None
    unit: str = field(default="m", init=False)
    lambda_: float = field(default=0.5, metadata={"name": "lambda"})

class Acme(ph.Hooks):
    config_class = AcmeConfig
'''
    fake_distribution("acme", {"phantom_core.loggers": {"acme": "acme_schema:Acme"}}, {"acme_schema": source})
    assert json.loads(phantom("plugins", "describe", "acme", "--json-schema").out) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "logger acme",
        "type": "object",
        "properties": {
            "size": {"type": "integer", "description": "How large it is."},
            "mode": {"enum": ["fast", "slow"], "default": "fast"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "key": {"default": None},
            "lambda": {"type": "number", "default": 0.5},
        },
        "required": ["size"],
        "additionalProperties": False,
    }


OFFERING = """
from dataclasses import dataclass
import phantom_core as ph

@dataclass(frozen=True)
class LazyConfig:
    slack: float = 0.5
    "How lazy it is."

class LazyPolicy(ph.ConstantPolicy):
    config_class = LazyConfig

@ph.hookimpl
def phantom_register_loggers():
    return [ph.Registration("logger", "diary", "acme_offers:Diary", "Writes things down.")]

class Diary(ph.Hooks):
    config_class = LazyConfig
    def on_metrics(self, event):
        self.last = event.iteration
"""


@pytest.fixture
def offering(fake_distribution: Callable[..., Path]) -> Path:
    """A distribution whose plugin object offers a logger."""
    return fake_distribution(
        "acme", {"phantom_core.plugins": {"offers": "acme_offers"}}, {"acme_offers": OFFERING}
    )


@pytest.mark.usefixtures("offering")
def test_list_load_shows_what_plugin_objects_offer(phantom: Callable[..., Any]) -> None:
    assert "diary" not in phantom("plugins", "list").out
    rows = json.loads(phantom("plugins", "list", "--load", "--json").out)
    (found,) = [row for row in rows if row["name"] == "diary"]
    assert found == {
        "kind": "logger",
        "name": "diary",
        "distribution": "acme:offers",
        "version": "1.0",
        "source": "index",
        "status": "ok",
        "reason": "",
        "target": "acme_offers:Diary",
    }


@pytest.mark.usefixtures("offering")
def test_describe_and_check_find_what_plugin_objects_offer(
    phantom: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, offering: Path
) -> None:
    assert "slack: float = 0.5" in phantom("plugins", "describe", "diary").out
    monkeypatch.setenv("PYTHONPATH", str(offering))
    outcome = phantom("plugins", "check", "acme")
    lines = outcome.out.splitlines()
    assert lines[:2] == ["plugin offers  (acme 1.0)", "  ok      it takes part in runs"]
    assert "  ok      its logger diary: it is found by name" in lines


def test_list_load_says_which_plugin_objects_take_no_part(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("acme", {"phantom_core.plugins": {"odd": "acme_odd"}}, {"acme_odd": "x = 1\n"})
    outcome = phantom("plugins", "list", "--load", "--json")
    (row,) = [row for row in json.loads(outcome.out) if row["distribution"] == "acme"]
    assert row["status"] == "failed"
    assert row["reason"].startswith("Plugin 'acme:odd' implements no hook.")
    assert outcome.err == ""


def test_describe_shows_the_help_of_an_added_command(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    source = "import click\n@click.command()\n@click.argument('name')\ndef greet(name):\n    'Say hello.'\n"
    fake_distribution(
        "acme", {"phantom_core.commands": {"greet": "acme_greet:greet"}}, {"acme_greet": source}
    )
    assert phantom("plugins", "describe", "greet").out.splitlines()[:2] == [
        "command greet  (acme 1.0, acme_greet:greet)",
        "Usage: phantom greet [OPTIONS] NAME",
    ]


def test_describe_says_that_a_component_is_disabled(
    phantom: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHANTOM_DISABLED_PLUGINS", "q-learning")
    assert (
        "is disabled: PHANTOM_DISABLED_PLUGINS names it." in phantom("plugins", "describe", "q-learning").err
    )


def test_the_schema_of_settings_from_an_init_has_its_parameters(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    head = "import phantom_core as ph\nclass L(ph.Hooks):\n"
    source = f"{head}    def __init__(self, file: str, every: int = 2): ...\n"
    fake_distribution("acme", {"phantom_core.loggers": {"diary": "acme_l:L"}}, {"acme_l": source})
    schema = json.loads(phantom("plugins", "describe", "diary", "--json-schema").out)
    assert schema["properties"] == {"file": {"type": "string"}, "every": {"type": "integer", "default": 2}}
    assert schema["required"] == ["file"]
