"""A plugin in one file becomes a wheel by the lines that it says itself, and then trains by its name."""

import os
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["phantom-rl-core>=0.2,<0.3"]

"""
RUN = """
import sys

import phantom_core as ph
from phantom_testing import CoinEnv

name, observes = sys.argv[1:]
results = ph.train(
    name, env=CoinEnv, env_config={"observes": observes}, num_iterations=5, seed=1, run_dir=None
)
policy = results.policies["default"]
print(type(policy).__module__, sys.modules[name].__file__)
print(policy.compute_action(policy.observation_space.sample()))
"""
PLUGINS = {"bandit": "discrete", "reinforce": "box"}  # by name, what it observes


@pytest.fixture(scope="module")
def installed(plugin_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the wheels are installed, without a network."""
    folder = tmp_path_factory.mktemp("built")
    for name in PLUGINS:
        source = (plugin_examples / f"{name}.py").read_text("utf-8")
        (folder / name).mkdir()
        (folder / name / f"{name}.py").write_text(source, "utf-8")
        said = re.findall(
            r"^    (.+)$|^$", source.split('"""')[1].split("`pyproject.toml` with")[1], re.MULTILINE
        )
        lines = PYPROJECT.format(name=name) + "\n".join(said)
        (folder / name / "pyproject.toml").write_text(lines, "utf-8")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
    target = ["--no-index", "--no-build-isolation", "--target", str(folder / "site")]
    done = subprocess.run(
        [*pip, *target, *(str(folder / name) for name in PLUGINS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_in_one_file_is_built_installed_and_trains_by_name(
    name: str, installed: Path, tmp_path: Path
) -> None:
    (found,) = [one for one in distributions(path=[str(installed)]) if one.name == name]
    assert {str(file) for file in found.files or ()} >= {f"{name}.py"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, name, PLUGINS[name]],
        env=os.environ | {"PYTHONPATH": str(installed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [name, str(installed / f"{name}.py"), "1"]  # heads is the best call
