"""`phantom plugins new KIND NAME`: what it writes is found, conforms, and passes its own tests."""

import importlib.util
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_testing import fake_distribution
from phantom_testing.check_distribution import check_entry, entries_of
from phantom_testing.scaffold import GROUPS

FILES = """\
  phantom-my-algo/.github/workflows/test.yml
  phantom-my-algo/.gitignore
  phantom-my-algo/README.md
  phantom-my-algo/example.toml
  phantom-my-algo/phantom_my_algo/__init__.py
  phantom-my-algo/phantom_my_algo/my_algo_trainer.py
  phantom-my-algo/phantom_my_algo/py.typed
  phantom-my-algo/pyproject.toml
  phantom-my-algo/tests/test_my_algo_trainer.py
Next: cd phantom-my-algo && pip install -e '.[test]' && pytest && phantom plugins check phantom-my-algo
"""


def test_it_says_what_it_wrote_and_what_comes_next(phantom: Callable[..., Any]) -> None:
    assert phantom("plugins", "new", "trainer", "my-algo") == (0, FILES, "")


@pytest.mark.parametrize("kind", GROUPS)
def test_what_it_writes_conforms(phantom: Callable[..., Any], guess_folder: Path, kind: str) -> None:
    phantom("plugins", "new", kind, "my-own")
    root = guess_folder / "phantom-my-own"
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    with fake_distribution(
        root, project["name"], project["entry-points"], version="0.1.0", requires=project["dependencies"][0]
    ):
        (entry,) = entries_of("phantom-my-own")
        assert [result for result in check_entry(entry) if result.message] == []


@pytest.mark.parametrize("kind", GROUPS)
def test_its_own_tests_pass(
    phantom: Callable[..., Any], guess_folder: Path, tmp_path: Path, kind: str
) -> None:
    phantom("plugins", "new", kind, "my-own")
    root = guess_folder / "phantom-my-own"
    (path,) = root.glob("tests/*.py")
    with fake_distribution(root, "phantom-my-own", {}):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        tests = {name: test for name, test in vars(module).items() if name.startswith("test_")}
        for test in tests.values():
            test(**({"tmp_path": tmp_path} if test.__code__.co_argcount else {}))
    assert tests


def test_it_bounds_the_version_of_the_core_that_it_was_written_with(
    phantom: Callable[..., Any], guess_folder: Path
) -> None:
    phantom("plugins", "new", "env", "my-own")
    project = tomllib.loads((guess_folder / "phantom-my-own" / "pyproject.toml").read_text())["project"]
    major, minor = map(int, ph.__version__.split(".")[:2])
    assert project["dependencies"] == [f"phantom-rl-core>={major}.{minor},<{major}.{minor + 1}"]


def test_the_prefix_is_not_doubled(phantom: Callable[..., Any], guess_folder: Path) -> None:
    assert phantom("plugins", "new", "trainer", "phantom-my-trainer").code == 0
    text = (guess_folder / "phantom-my-trainer" / "pyproject.toml").read_text()
    assert 'my-trainer = "phantom_my_trainer.my_trainer_trainer:MyTrainer"' in text


@pytest.mark.parametrize("name", ["My Algo", "my_algo", "7up", "my--algo", "-x", "", "phantom-", "a.b"])
def test_a_bad_name_is_refused(phantom: Callable[..., Any], guess_folder: Path, name: str) -> None:
    before = sorted(guess_folder.iterdir())
    assert phantom("plugins", "new", "trainer", "--", name) == (
        2,
        "",
        (
            f"Error: {name!r} is no name for a plugin. Expected lower-case letters and digits in words "
            "joined by hyphens, such as 'my-algo'.\n"
        ),
    )
    assert sorted(guess_folder.iterdir()) == before


def test_a_name_that_is_taken_is_refused(phantom: Callable[..., Any]) -> None:
    assert phantom("plugins", "new", "policy", "random") == (
        2,
        "",
        (
            f"Error: There is a policy named 'random' already, of phantom-rl-core {ph.__version__}. Choose "
            "another name.\n"
        ),
    )


def test_a_folder_that_exists_is_left_alone(phantom: Callable[..., Any], guess_folder: Path) -> None:
    root = guess_folder / "phantom-my-algo"
    root.mkdir()
    assert phantom("plugins", "new", "trainer", "my-algo") == (
        2,
        "",
        f"Error: {root} exists already. Choose another name, or move it away.\n",
    )
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "name", "distribution", "owner"),
    [
        ("trainer", "core", "phantom-core", "the core"),
        ("trainer", "phantom-core", "phantom-core", "the core"),
        ("env", "ppo", "phantom-ppo", None),
        ("logger", "qlearning", "phantom-qlearning", None),
        (
            "policy",
            "experiments",
            "phantom-experiments",
            "phantom-experiments, a plugin of phantom_core's own",
        ),
    ],
)
def test_a_name_whose_package_belongs_to_somebody_is_refused(
    phantom: Callable[..., Any],
    guess_folder: Path,
    kind: str,
    name: str,
    distribution: str,
    owner: str | None,
) -> None:
    before = sorted(guess_folder.iterdir())
    owner = owner or f"{distribution}, a plugin of phantom_core's own"
    package = distribution.replace("-", "_")
    assert phantom("plugins", "new", kind, name).err == (
        f"Error: The name {name!r} would make the distribution {distribution} with the package {package}, "
        f"which belongs to {owner}: installing it would overwrite that. Choose another name.\n"
    )
    assert sorted(guess_folder.iterdir()) == before


def test_a_name_of_an_installed_distribution_is_refused(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("phantom-acme", {}, {"phantom_acme": ""}, version="3.0")
    assert phantom("plugins", "new", "env", "acme").err == (
        "Error: The name 'acme' would make the distribution phantom-acme with the package phantom_acme, "
        "which belongs to phantom-acme 3.0: installing it would overwrite that. Choose another name.\n"
    )


def test_a_name_of_a_module_that_is_there_is_refused(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("other", {}, {"phantom_acme": ""})
    assert phantom("plugins", "new", "env", "acme").err == (
        "Error: The name 'acme' would make the distribution phantom-acme with the package phantom_acme, "
        "which belongs to a module that is installed here: installing it would overwrite that. Choose "
        "another name.\n"
    )
