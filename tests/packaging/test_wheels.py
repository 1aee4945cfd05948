"""Wheels, installed in an empty environment, find each other's plugins and train; the core needs none."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]

KINDS = ["trainer", "policy", "metric", "logger", "env"]


BUILD = """
import os
import sys
from hatchling.build import build_wheel

for project in sys.argv[2:]:
    os.chdir(project)
    build_wheel(sys.argv[1])
"""
"""Calls the backend of each project as `python -m build` does, in one process instead of two for each."""


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
    projects = [path.parent for path in (copy / "pyproject.toml", *copy.glob("plugins/*/pyproject.toml"))]
    run(sys.executable, "-c", BUILD, folder / "wheels", *projects)
    return sorted((folder / "wheels").glob("*.whl"))


def make_environment(folder: Path, *arguments: str | Path) -> Path:
    """Make an environment, and install in it what pip is given; return the folder of its commands."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    install(folder / "bin", *arguments)
    return folder / "bin"


def install(commands: Path, *arguments: str | Path) -> None:
    """Install what pip is given in the environment with these commands."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", commands / "python"]
    run(*pip, "install", "--no-compile", *arguments)  # most of it is never imported


@pytest.fixture(scope="module")
def wheels(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheel of every distribution."""
    return build_wheels(repository, tmp_path_factory.mktemp("packaging"))


@pytest.fixture(scope="module")
def phantom(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `phantom` of an environment that holds the wheels and what they depend on."""
    return make_environment(tmp_path_factory.mktemp("everything"), *wheels) / "phantom"


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
    install(phantom.parent, "hatchling>=1.27", "pytest>=8.2")
    install(phantom.parent, "--no-build-isolation", "--no-deps", *roots.values())
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


PLAIN = """
import phantom_core as ph


class Plain(ph.Trainer):
    policy_class = ph.RandomPolicy

    def training_step(self, env, policy_mapping, policies, policies_to_train):
        observations, _ = env.reset()
        env.step({a: policies[policy_mapping[a]].compute_action(seen) for a, seen in observations.items()})
"""
RUN_FILE = """
env = "gymnasium"
trainer = "./plain_trainer.py:Plain"
iterations = 3

[env_config]
env = "FrozenLake-v1"
"""
MODULES = """
import sys
import phantom_core as ph

results = ph.train(
    "tally", env="gymnasium", env_config={"env": "FrozenLake-v1"}, num_iterations=3, run_dir=None
)
print(results.iterations, *sorted({name.partition(".")[0] for name in sys.modules if "phantom" in name}))
"""


def readme_blocks(repository: Path, language: str) -> list[str]:
    """Return the blocks of code of the README in a language."""
    text = (repository / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def core_alone(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment with the core's wheel and what it depends on, and no plugin."""
    (core,) = (wheel for wheel in wheels if wheel.name.startswith("phantom_rl_core-"))
    return make_environment(tmp_path_factory.mktemp("core_alone"), core)


def test_the_core_alone_trains_with_a_simple_trainer_of_a_file(core_alone: Path, tmp_path: Path) -> None:
    (tmp_path / "plain_trainer.py").write_text(PLAIN)
    (tmp_path / "plain.toml").write_text(RUN_FILE)
    run(core_alone / "phantom", "train", "plain.toml", cwd=tmp_path)
    (record,) = tmp_path.glob("runs/*/run.json")
    facts = json.loads(record.read_text())
    assert (facts["status"], facts["iterations"]) == ("completed", 3)
    assert {component["distribution"] for component in facts["components"]} <= {"phantom-rl-core", ""}


def test_the_core_alone_trains_with_the_trainer_of_another_distribution_and_imports_nothing_else(
    core_alone: Path, repository: Path, tmp_path: Path
) -> None:
    (trainer,) = (code for code in readme_blocks(repository, "python") if "class TallyTrainer" in code)
    (pyproject,) = (text for text in readme_blocks(repository, "toml") if "phantom-tally" in text)
    (tmp_path / "phantom_tally").mkdir()
    (tmp_path / "phantom_tally" / "__init__.py").write_text(trainer)
    (tmp_path / "pyproject.toml").write_text(pyproject)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", tmp_path)
    install(core_alone, *tmp_path.glob("dist/*.whl"))
    assert (
        run(core_alone / "python", "-c", MODULES, cwd=tmp_path / "dist") == "3 phantom_core phantom_tally\n"
    )


def test_phantom_rl_is_all_that_the_commands_of_the_readme_need(
    wheels: list[Path], repository: Path, tmp_path: Path
) -> None:
    links = ("--find-links", wheels[0].parent)
    commands = make_environment(tmp_path / "environment", *links, "phantom-rl")
    folder = tmp_path / "folder"
    shutil.copytree(repository / "docs" / "examples", folder / "docs" / "examples")
    (model,) = (code for code in readme_blocks(repository, "python") if "class Market(" in code)
    (run_file,) = (text for text in readme_blocks(repository, "toml") if "model.py:Market" in text)
    (folder / "model.py").write_text(model)
    (folder / "model.toml").write_text(run_file)
    blocks = readme_blocks(repository, "console")
    lines = "".join(
        text for text in blocks if "auction" not in text
    ).splitlines()  # those have a test of their own
    shown = [line.removeprefix("$ ").removeprefix(".venv/bin/") for line in lines]
    called = [shlex.split(line) for line in shown if line.startswith("phantom ")]
    assert [words[1] for words in called][:2] == ["train", "doctor"]
    for words in called:
        (newest, *_) = [*sorted(folder.glob("runs/model-*"), reverse=True), Path()]
        arguments = [word.replace("runs/model-…", str(newest)) for word in words[1:]]
        if "docs/examples/supply_chain_tabular.toml" in words:
            arguments += ["--iterations", "2"]  # of 300, which need nothing else
        run(commands / "phantom", *arguments, cwd=folder)
