"""Wheels, installed in an empty environment, find each other's plugins and train."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]

KINDS = ["trainer", "policy", "metric", "logger", "env"]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command that must succeed, away from this checkout's settings of Python."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build_wheels(repository: Path, folder: Path) -> list[Path]:
    """Build every distribution from a copy, so that nothing is written into the checkout."""
    copy = folder / "copy"
    copy.mkdir()
    for name in ["pyproject.toml", "README.md", "LICENSE"]:
        shutil.copy(repository / name, copy)
    for name in ["phantom_core", "plugins"]:
        shutil.copytree(repository / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for pyproject in [copy / "pyproject.toml", *copy.glob("plugins/*/pyproject.toml")]:
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
        run(*build, "--outdir", folder / "wheels", pyproject.parent)
    return sorted((folder / "wheels").glob("*.whl"))


@pytest.fixture(scope="module")
def phantom(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `phantom` of an environment that holds the wheels and what they depend on."""
    folder = tmp_path_factory.mktemp("packaging")
    environment = folder / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", environment / "bin" / "python"]
    run(*pip, "install", *build_wheels(repository, folder))
    return environment / "bin" / "phantom"


def test_every_component_is_listed(phantom: Path, repository: Path, tmp_path: Path) -> None:
    offered = set()
    for path in [repository / "pyproject.toml", *repository.glob("plugins/*/pyproject.toml")]:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        offered |= {
            (project["name"], name)
            for group, lines in project.get("entry-points", {}).items()
            if group.startswith("phantom_core.")
            for name in lines
        }
    listed = json.loads(run(phantom, "plugins", "list", "--json", cwd=tmp_path))
    assert {(component["distribution"], component["name"]) for component in listed} >= offered


def test_the_example_trains_and_writes_a_run(phantom: Path, repository: Path, tmp_path: Path) -> None:
    examples = tmp_path / "examples"
    shutil.copytree(repository / "docs" / "examples", examples)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    run(phantom, "train", examples / "supply_chain_tabular.toml", "--iterations", "2", cwd=folder)
    assert len(list(folder.rglob("run.json"))) == 1


@pytest.fixture(scope="module")
def scaffolds(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of plugins that `phantom plugins new` wrote, by kind; they are installed."""
    folder = tmp_path_factory.mktemp("scaffolds")
    for kind in KINDS:
        run(phantom, "plugins", "new", kind, f"my-{kind}", cwd=folder)
    roots = {kind: folder / f"phantom-my-{kind}" for kind in KINDS}
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", phantom.parent / "python", "install"]
    run(*pip, "hatchling>=1.27", "pytest>=8.2")
    run(*pip, "--no-build-isolation", "--no-deps", *roots.values())
    return roots


def test_plugins_written_by_the_scaffold_pass_their_tests(
    phantom: Path, scaffolds: dict[str, Path], tmp_path: Path
) -> None:
    run(phantom.parent / "python", "-m", "pytest", "-q", *scaffolds.values(), cwd=tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_written_by_the_scaffold_conforms(
    phantom: Path, scaffolds: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    report = json.loads(run(phantom, "plugins", "check", scaffolds[kind].name, "--json", cwd=tmp_path))
    assert report["failed"] == 0


def test_the_example_of_a_trainer_written_by_the_scaffold_trains(
    phantom: Path, scaffolds: dict[str, Path]
) -> None:
    trained = run(phantom, "train", "example.toml", cwd=scaffolds["trainer"])
    assert trained.splitlines()[-1] == "mean return 1.0"
