"""The distributions of this repository, and the pages that name them, agree about versions."""

import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

BOUND = re.compile(r"(phantom-[a-z-]+)(?:\[[a-z-]+\])?((?:[<>=!~]=|[<>])[\d.]+(?:,[<>=!~]+[\d.]+)*)")


def minor_bound(version: str) -> str:
    """Return the versions that do not break what works with this one: those of its minor version."""
    major, minor = version.split(".")[:2]
    return f">={major}.{minor},<{major}.{int(minor) + 1}"


@pytest.fixture(scope="module")
def projects(repository: Path) -> dict[Path, dict[str, Any]]:
    """What every pyproject.toml says of its distribution."""
    paths = [repository / "pyproject.toml", *sorted(repository.glob("plugins/*/pyproject.toml"))]
    return {path: tomllib.loads(path.read_text(encoding="utf-8"))["project"] for path in paths}


@pytest.fixture(scope="module")
def bounds(projects: dict[Path, dict[str, Any]]) -> dict[str, str]:
    """What others may require of every distribution, by its name."""
    return {project["name"]: minor_bound(project["version"]) for project in projects.values()}


def test_every_bound_on_a_distribution_of_ours_is_its_minor_version(
    repository: Path, projects: dict[Path, dict[str, Any]], bounds: dict[str, str]
) -> None:
    pages = [repository / "README.md", *repository.glob("docs/**/*.md"), *repository.glob("plugins/*/*.md")]
    wrong = [
        f"{path.relative_to(repository)}: {name}{bound}"
        for path in [*projects, *pages]
        for name, bound in BOUND.findall(path.read_text(encoding="utf-8"))
        if bounds.get(name, bound) != bound
    ]
    assert wrong == []


def test_every_plugin_needs_the_core_and_bounds_whatever_it_needs_of_ours(
    projects: dict[Path, dict[str, Any]], bounds: dict[str, str]
) -> None:
    for project in projects.values():
        extras = project.get("optional-dependencies", {}).values()
        needed = [Requirement(text) for text in chain(project.get("dependencies", ()), *extras)]
        ours = {requirement.name: requirement for requirement in needed if requirement.name in bounds}
        assert "phantom-rl-core" in {project["name"], *ours}
        assert [name for name, requirement in ours.items() if not requirement.specifier] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"phantom-rl-core>=0.2,<0.3"', [("phantom-rl-core", ">=0.2,<0.3")]),
        ("pip install phantom-ppo[torch]==0.1.0", [("phantom-ppo", "==0.1.0")]),
        ("pip install phantom-ppo", []),
    ],
)
def test_a_bound_is_found_wherever_it_stands(text: str, found: list[tuple[str, str]]) -> None:
    assert BOUND.findall(text) == found
