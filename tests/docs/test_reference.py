"""What the code knows is documented: options, hooks, events, settings, variables, public names."""

import dataclasses
import importlib
import inspect
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import phantom_core as ph

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
VARIABLE = re.compile(r"\bPHANTOM_[A-Z]+(?:_[A-Z]+)*\b")
INTERNAL_VARIABLES = {  # set by the doctor, and by phantom runs verify, for their own children
    "PHANTOM_DOCTOR_CHILD",
    "PHANTOM_RUNS_CUT_AFTER",
}


@pytest.fixture(scope="module")
def generated_blocks(reference_blocks: ModuleType) -> dict[str, str]:
    """Every part that is generated, by name."""
    found: dict[str, str] = reference_blocks.generated_blocks()
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_generated_parts_of_a_page_are_what_the_code_says(
    page: Path, reference_blocks: ModuleType, generated_blocks: dict[str, str]
) -> None:
    text = page.read_text(encoding="utf-8")
    expected = reference_blocks.with_blocks(text, generated_blocks)
    assert text == expected, f"{page.name} is out of date: run .venv/bin/python docs/site/reference_blocks.py"


def test_every_part_that_can_be_generated_has_its_place(
    reference_blocks: ModuleType, generated_blocks: dict[str, str]
) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    places = [name for _, name, _ in reference_blocks.BLOCK.findall(text)]
    assert sorted(places) == sorted(generated_blocks)


def test_every_setting_of_every_component_says_what_it_is(reference_blocks: ModuleType) -> None:
    for line in reference_blocks.components().splitlines():
        assert not line.endswith("|  |"), line
        assert not line.startswith(". From"), line


def test_every_field_of_every_event_says_what_it_is(reference_blocks: ModuleType) -> None:
    missing = [
        f"{cls.__name__}.{field.name}"
        for cls in reference_blocks.event_classes()
        for field in dataclasses.fields(cls)
        if field.name not in reference_blocks.attributes(inspect.getdoc(cls) or "")
    ]
    assert missing == []


def test_every_option_says_what_it_does(reference_blocks: ModuleType) -> None:
    tables = "\n".join(map(reference_blocks.options, reference_blocks.commands().values()))
    assert [line for line in tables.splitlines() if line.endswith(("|  |", "| . |"))] == []


DISTRIBUTION = """
[project]
name = "acme"

[project.entry-points."phantom_core.commands"]
greet = "acme_places:greet"
"plugins.greet" = "acme_places:greet"

[project.entry-points."phantom_core.kinds"]
executor = "acme_places:Executor"

[project.entry-points."phantom_core.executors"]
local = "acme_places:Local"
"""
PLACES = """
import click

@click.command("greet")
@click.option("--loud", is_flag=True, help="Shout.")
def greet(loud):
    "Say hello."

class Executor:
    "Runs tasks."

class Local(Executor):
    "Runs tasks here."
"""


@pytest.fixture
def acme(fake_distribution: Callable[..., Path]) -> None:
    """A distribution with commands and a kind of its own, and a stranger whose command has the same name."""
    groups = tomllib.loads(DISTRIBUTION)["project"]["entry-points"]
    fake_distribution("acme", groups, {"acme_places": PLACES})
    fake_distribution("stranger", {"phantom_core.commands": {"greet": "stranger:greet", "go": "stranger:go"}})


@pytest.mark.usefixtures("acme")
def test_commands_of_strangers_are_not_in_the_reference(reference_blocks: ModuleType) -> None:
    names = reference_blocks.commands()
    assert "phantom plugins list" in names
    assert {"phantom greet", "phantom go", "phantom plugins greet"}.isdisjoint(names)


@pytest.mark.usefixtures("acme")
def test_commands_and_kinds_of_a_distribution_of_ours_are_in_the_reference(
    reference_blocks: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(DISTRIBUTION)
    monkeypatch.setattr(reference_blocks, "ROOT", tmp_path)
    added = {name: command for name, command in reference_blocks.commands().items() if "greet" in name}
    assert list(added) == ["phantom plugins greet", "phantom greet"]
    assert "Shout." in reference_blocks.options(added["phantom greet"])
    assert reference_blocks.components() == (
        "## Kinds\n\n### `executor`\n\n"
        "Runs tasks. From `acme`.\n\nComponents of this kind derive from `acme_places:Executor`.\n\n"
        "## Executors\n\n### `local`\n\nRuns tasks here. From `acme`.\n\nIt takes no settings."
    )


def test_every_environment_variable_is_documented() -> None:
    sources = [*ROOT.glob("phantom_core/**/*.py"), *ROOT.glob("plugins/*/phantom*/**/*.py")]
    used = {name for path in sources for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    told = {name for page in PAGES for name in VARIABLE.findall(page.read_text(encoding="utf-8"))}
    assert used - told - INTERNAL_VARIABLES == set()


def test_every_public_name_is_in_the_api_reference(api_pages: ModuleType) -> None:
    listed = {name for names in api_pages.public_names().values() for name in names}
    modules = api_pages.public_modules()
    assert {f"phantom_core.{name}" for name in set(ph.__all__) - modules - {"__version__"}} <= listed
    for module in ("decoders", "encoders", "ranges", "reward_functions", "samplers", "tools"):
        assert {f"phantom_core.{module}.{name}" for name in getattr(ph, module).__all__} <= listed


def test_every_public_name_of_a_distribution_is_in_the_api_reference(api_pages: ModuleType) -> None:
    pages = api_pages.public_names()
    distributions = {path.parents[1].name for path in ROOT.glob("plugins/*/phantom_*/__init__.py")}
    assert set(api_pages.packages().values()) == distributions
    for package in api_pages.packages():
        assert pages[package] == [f"{package}.{name}" for name in importlib.import_module(package).__all__]


def test_the_page_of_the_api_names_every_page_below_it(api_pages: ModuleType) -> None:
    page = (ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
    listed = {name.strip("` ").replace(" ", "_") for cell in first_cells for name in cell.split(",")}
    assert set(api_pages.public_names()) <= listed


def test_every_name_in_the_api_reference_has_a_summary(api_pages: ModuleType) -> None:
    names = [name for names in api_pages.public_names().values() for name in names]
    assert [name for name in names if not api_pages.summary(name)] == []
