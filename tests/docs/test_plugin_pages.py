"""The pages that show a plugin show a whole one: its tests, as printed, pass with its module, as printed."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phantom_testing import fake_distribution

HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto"
BLOCK = re.compile(r"<!-- generated: my-\w+ (\S+) -->\n\n```[^\n]*\n(.*?)```", re.DOTALL)

PLUGINS = HOWTO.parents[1] / "plugins"
LINK = re.compile(r"\]\(([^)\s]+)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)


@pytest.mark.parametrize("page", sorted(PLUGINS.glob("*/README.md")), ids=lambda page: page.parent.name)
def test_every_link_of_a_plugin_readme_holds_where_it_is_read_alone_as_on_an_index(page: Path) -> None:
    links = [inline or below for inline, below in LINK.findall(page.read_text(encoding="utf-8"))]
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


@pytest.fixture
def plugin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The files that a page shows, looking installed."""
    files: dict[str, str] = dict(BLOCK.findall((HOWTO / request.param).read_text(encoding="utf-8")))
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    project = tomllib.loads(files["pyproject.toml"])["project"]
    package = project["name"].replace("-", "_")
    (module,) = (Path(path).stem for path in files if path.startswith(f"{package}/"))
    (tmp_path / package / "__init__.py").write_text(f"from {package}.{module} import *\n", encoding="utf-8")
    with fake_distribution(tmp_path, project["name"], project["entry-points"]):
        yield files
    sys.modules.pop(package, None)


@pytest.mark.parametrize(
    "plugin", [f"write_a_{kind}.md" for kind in ("trainer", "policy", "metric", "logger")], indirect=True
)
def test_the_plugin_of_a_page_passes_the_tests_of_the_page(plugin: dict[str, str], tmp_path: Path) -> None:
    (code,) = (text for path, text in plugin.items() if path.startswith("tests/"))
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, "page", "exec", dont_inherit=True), names)  # noqa: S102  our own docs
    tests = [value for name, value in names.items() if name.startswith("test_")]
    for test in tests:
        test(**({"tmp_path": tmp_path} if test.__code__.co_argcount else {}))
    (conformance, *_) = (value for name, value in names.items() if name.startswith("Test"))
    conformance().test_it_is_found_by_name()
    conformance().test_its_settings_are_documented()
    assert tests
