"""Wheels, installed in an empty environment, find each other's plugins and train."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]

COMPONENTS = {
    "random",
    "constant",
    "function",
    "agent",
    "env",
    "aggregated",
    "jsonl",
    "q-learning",
    "q-table",
    "console",
    "tensorboard",
    "mlflow",
    "wandb",
}


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


def test_every_component_is_listed(phantom: Path, tmp_path: Path) -> None:
    listed = json.loads(run(phantom, "plugins", "list", "--json", cwd=tmp_path))
    assert {component["name"] for component in listed} >= COMPONENTS


def test_the_example_trains_and_writes_a_run(phantom: Path, repository: Path, tmp_path: Path) -> None:
    examples = tmp_path / "examples"
    shutil.copytree(repository / "docs" / "examples", examples)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    run(phantom, "train", examples / "supply_chain_tabular.toml", "--iterations", "2", cwd=folder)
    assert len(list(folder.rglob("run.json"))) == 1


def test_the_core_works_without_pettingzoo_and_says_what_needs_it(phantom: Path, tmp_path: Path) -> None:
    code = (
        "import phantom_core as ph\n"
        "try:\n"
        "    ph.PettingZooEnv('mpe2.simple_spread_v3')\n"
        "except ph.PhantomError as error:\n"
        "    print(error)\n"
    )
    assert run(phantom.parent / "python", "-c", code, cwd=tmp_path) == (
        "PettingZooEnv needs PettingZoo, which could not be imported: ModuleNotFoundError: No module named "
        "'pettingzoo'. pip install pettingzoo.\n"
    )


def test_plugins_written_by_the_scaffold_install_conform_and_pass_their_tests(
    phantom: Path, tmp_path: Path
) -> None:
    python = phantom.parent / "python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", python, "install"]
    names = [f"my-{kind}" for kind in ("trainer", "policy", "metric", "logger", "env")]
    for name in names:
        run(phantom, "plugins", "new", name.removeprefix("my-"), name, cwd=tmp_path)
    roots = [tmp_path / f"phantom-{name}" for name in names]
    run(*pip, "hatchling>=1.27", "pytest>=8.2")
    run(*pip, "--no-build-isolation", "--no-deps", *roots)
    run(python, "-m", "pytest", "-q", *roots, cwd=tmp_path)
    for root in roots:
        report = json.loads(run(phantom, "plugins", "check", root.name, "--json", cwd=tmp_path))
        assert (root.name, report["failed"]) == (root.name, 0)
    trained = run(phantom, "train", "example.toml", cwd=roots[0])
    assert trained.splitlines()[-1] == "mean return 1.0"
