"""A small, complete distribution with one component, written from templates."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from packaging.utils import canonicalize_name

import phantom_core as ph
from phantom_testing.core_bound import CORE_DISTRIBUTION, core_bound
from phantom_testing.metadata_checks import packages_by_distribution

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PREFIX: Final = "phantom-"

_SUMMARIES: Final[Mapping[str, str]] = {
    "trainer": "Tabular Q-learning, to begin with",
    "policy": "A policy that does again what it sees, to begin with",
    "metric": "The share of agents above a level, to begin with",
    "logger": "One line of text per iteration, to begin with",
    "hook": "Stops a run that gets no better, to begin with",
    "env": "A heater and a room, to begin with",
}
GROUPS: Final[Mapping[str, str]] = {
    "trainer": "trainers",
    "policy": "policies",
    "metric": "metrics",
    "logger": "loggers",
    "hook": "hooks",
    "env": "envs",
}

OWN_DISTRIBUTIONS: Final = tuple(
    f"{_PREFIX}{name}"
    for name in (
        "arrays", "compat", "console", "dqn", "equilibrium", "es", "experiments", "loggers", "mlflow", "nn",
        "pettingzoo", "ppo", "qlearning", "ray", "recording", "rl", "runs", "sac", "tensorboard", "testing",
        "wandb",
    )
)  # fmt: skip
"""The distributions of phantom_core's own repository, including planned ones."""


def write_plugin(kind: str, name: str, folder: Path) -> Path:
    """Write a distribution that installs, is found, and passes its own tests and the conformance kit.

    Args:
        kind: what it offers.
        name: the name of the component; the distribution is called `phantom-<name>`.
        folder: where the distribution's own folder is made.

    Returns:
        That folder.

    Raises:
        ConfigError: if the name is none, or taken, or the folder exists or cannot be written.
    """
    root = folder / _words(kind, name)["distribution"]
    if root.exists():
        raise ph.errors.ConfigError(f"{root} exists already. Choose another name, or move it away.")
    try:
        for path, text in plugin_files(kind, name).items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ph.errors.ConfigError(
            f"{root} cannot be written: {error}. Go to a folder of your own first."
        ) from error
    return root


def plugin_files(kind: str, name: str) -> dict[str, str]:
    """Return the files of a distribution: text by path, relative to its folder.

    Raises:
        ConfigError: if the name is none, or taken.
    """
    words = _words(kind, name)
    return {path: _filled(template, words) for path, template in _templates(kind, words).items()}


def _words(kind: str, name: str) -> dict[str, str]:
    """Return what the templates are filled with.

    Raises:
        ConfigError: if the name is none, or taken.
    """
    short = name.removeprefix(_PREFIX)
    if not _NAME.fullmatch(short):
        raise ph.errors.ConfigError(
            f"{name!r} is no name for a plugin. Expected lower-case letters and digits in words joined by "
            "hyphens, such as 'my-algo'."
        )
    taken = [component for component in ph.components(kind) if canonicalize_name(component.name) == short]
    if taken:
        raise ph.errors.ConfigError(
            f"There is a {kind} named {short!r} already, of {taken[0].provider}. Choose another name."
        )
    _check_package(name, f"{_PREFIX}{short}")
    camel = "".join(word.capitalize() for word in short.split("-"))
    suffix = kind.capitalize()
    class_name = camel if camel.endswith(suffix) else camel + suffix
    stem = class_name.removesuffix(suffix) or class_name
    words = {
        "kind": kind,
        "group": GROUPS[kind],
        "name": short,
        "distribution": f"{_PREFIX}{short}",
        "package": f"{_PREFIX}{short}".replace("-", "_"),
        "module": f"{short.replace('-', '_')}_{kind}",
        "class_name": class_name,
        "config_name": f"{stem}Config",
        "policy_name": f"{stem}Policy",
        "conformance_name": class_name,
        "summary": _SUMMARIES[kind],
        "bound": core_bound(),
    }
    return {**words, "usage": _filled(f"{kind}/usage.md", words).rstrip()}


def _check_package(name: str, distribution: str) -> None:
    """Raise if an installed plugin of this name would overwrite the files of somebody else.

    Raises:
        ConfigError: that says whose they are.
    """
    package = distribution.replace("-", "_")
    owners = [owner for owner, packages in packages_by_distribution().items() if package in packages]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        owners.insert(0, f"{distribution} {importlib.metadata.version(distribution)}")
    if distribution in ("phantom-core", CORE_DISTRIBUTION):
        owner = "the core"
    elif distribution in OWN_DISTRIBUTIONS:
        owner = f"{distribution}, a plugin of phantom_core's own"
    elif package in sys.stdlib_module_names:
        owner = "Python's standard library"
    elif owners:
        owner = owners[0]
    elif importlib.util.find_spec(package) is not None:
        owner = "a module that is installed here"
    else:
        return
    raise ph.errors.ConfigError(
        f"The name {name!r} would make the distribution {distribution} with the package {package}, which "
        f"belongs to {owner}: installing it would overwrite that. Choose another name."
    )


def _templates(kind: str, words: Mapping[str, str]) -> dict[str, str]:
    """Return which template makes which file."""
    package = words["package"]
    found = {
        "pyproject.toml": "common/pyproject.toml",
        "README.md": "common/README.md",
        ".gitignore": "common/gitignore",
        ".github/workflows/test.yml": "common/ci.yml",
        f"{package}/__init__.py": "common/init.py",
        f"{package}/py.typed": "",
        f"{package}/{words['module']}.py": f"{kind}/module.py",
        f"tests/test_{words['module']}.py": f"{kind}/test.py",
    }
    return {**found, "example.toml": "trainer/example.toml"} if kind == "trainer" else found


def _filled(template: str, words: Mapping[str, str]) -> str:
    if not template:
        return ""
    text = files("phantom_testing").joinpath("templates", f"{template}.tmpl").read_text(encoding="utf-8")
    return Template(text).substitute(words)
