"""Check that each distribution works alone: `python tests/packaging/check_alone.py [NAME ...]`.

Each gets an environment of its own in `.venv-alone/`, with nothing but the distribution, installed from its
folder with its extra `test`, and what these require; its own tests are run there. What it requires of this
repository comes from wheels that are built first. One line per distribution is printed; what pip and pytest
said is in `.venv-alone/NAME.log`.
"""

import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / ".venv-alone"
NEED_EVERYTHING = (
    "tests/architecture",  # read the code of every distribution, with import-linter
    "tests/docs",  # the pages and examples use them all
    "tests/golden",  # likewise
    "tests/packaging",  # build and install them all
)
"""Tests in the core's folder that are no tests of the core alone."""


class Distribution(NamedTuple):
    """A distribution of this repository.

    Attributes:
        name: its name.
        root: the folder of its `pyproject.toml`.
        has_test_extra: whether its tests need more than it does.
    """

    name: str
    root: Path
    has_test_extra: bool

    @property
    def tests(self) -> Path:
        """Where its tests are."""
        return self.root / "tests"


def distributions() -> dict[str, Distribution]:
    """Return every distribution by its name, the core first."""
    found = {}
    for path in [REPOSITORY / "pyproject.toml", *sorted(REPOSITORY.glob("plugins/*/pyproject.toml"))]:
        project: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        has_extra = "test" in project.get("optional-dependencies", {})
        found[project["name"]] = Distribution(project["name"], path.parent, has_extra)
    return found


class CommandFailedError(Exception):
    """A command failed; the message is the last line that it said."""


def run(log: Path, *command: str | Path) -> str:
    """Run a command; return the last line of what it said, all of which goes to the log.

    Raises:
        CommandFailedError: if it fails.
    """
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(map(str, command))}\n{done.stdout}\n")
    last = (done.stdout.strip().splitlines() or [""])[-1].strip("= ")
    if done.returncode != 0:
        raise CommandFailedError(last)
    return last


def environment() -> dict[str, str]:
    """Return the environment variables, less those that lead Python to other places."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def build_wheels(chosen: Sequence[Distribution]) -> dict[str, Path]:
    """Build a wheel of each distribution; return them by the distribution's name."""
    wheels = {}
    for distribution in chosen:
        folder = FOLDER / "wheels" / distribution.name
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
        run(FOLDER / "wheels.log", *build, distribution.root)
        (wheels[distribution.name],) = folder.glob("*.whl")
    return wheels


def check(distribution: Distribution, wheels: dict[str, Path]) -> str:
    """Install a distribution alone and run its tests; return the last line of what pytest said.

    Raises:
        CommandFailedError: if it cannot be installed, or a test fails.
    """
    log, venv = FOLDER / f"{distribution.name}.log", FOLDER / distribution.name
    python = venv / "bin" / "python"
    run(log, sys.executable, "-m", "venv", "--without-pip", venv)
    constraints = FOLDER / f"{distribution.name}.txt"  # ours are never taken from an index
    ours = {name: wheel for name, wheel in wheels.items() if name != distribution.name}
    constraints.write_text("".join(f"{name} @ {wheel.as_uri()}\n" for name, wheel in ours.items()))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python]
    extra = "[test]" if distribution.has_test_extra else ""
    run(log, *pip, "install", "--constraint", constraints, f"{distribution.root}{extra}")
    run(log, *pip, "check")
    if not distribution.tests.is_dir():
        return "installs; it has no tests"
    options = ["-q", "-p", "no:cacheprovider", "--color=no"]
    if distribution.root == REPOSITORY:
        options += ["-m", "not packaging and not integration"]
        options += [f"--ignore={path}" for path in NEED_EVERYTHING]
    return run(log, venv / "bin" / "pytest", *options, distribution.tests)


def main(names: Sequence[str]) -> int:
    """Check the named distributions, or all; return the exit code."""
    known = distributions()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"There is no distribution {unknown[0]!r}. There are: {', '.join(known)}.", file=sys.stderr)
        return 2
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    wheels = build_wheels(list(known.values()))
    width, num_failed = max(map(len, known)), 0
    for name in names or known:
        start = time.monotonic()
        try:
            status, said = "ok", check(known[name], wheels)
        except CommandFailedError as error:
            num_failed += 1
            status, said = "FAILED", f"{error}: see {(FOLDER / name).relative_to(REPOSITORY)}.log"
        print(f"{name:{width}}  {status:6}  {time.monotonic() - start:4.0f} s  {said}", flush=True)
        shutil.rmtree(FOLDER / name, ignore_errors=True)  # an environment may be large
    return 1 if num_failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
