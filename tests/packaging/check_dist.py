"""Check the archives that `make dist` built: `python tests/packaging/check_dist.py dist`.

Each distribution of the repository must be there as a wheel and as an sdist, and each archive must
hold the whole package with its py.typed (`phantom-rl` has none), the licence, and nothing that belongs
to somebody else.
"""

import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SDIST_FILES = {"LICENSE", "README.md", "pyproject.toml", "PKG-INFO", ".gitignore"}


def read_archive(path: Path) -> dict[str, bytes]:
    """Return the content of every file in a wheel or an sdist."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(path) as sdist:
        members = [member for member in sdist.getmembers() if member.isfile()]
        return {member.name: sdist.extractfile(member).read() for member in members}


def package_files(project: Path, package: str) -> set[str]:
    """Name the files of a package in the checkout, relative to its project."""
    files = {path for path in (project / package).rglob("*") if path.is_file()}
    return {str(path.relative_to(project)) for path in files if path.suffix != ".pyc"}


def problems_of(path: Path, expected: set[str], own: set[str], licence: str) -> Iterator[str]:
    """Yield what is wrong with one archive.

    Args:
        path: the archive.
        expected: the files it must hold.
        own: the files and folders that it may hold at its top.
        licence: where in the archive the licence is.
    """
    if not path.is_file():
        yield f"{path.name} was not built"
        return
    root = "" if path.suffix == ".whl" else path.name.removesuffix(".tar.gz") + "/"
    content = {name.removeprefix(root): data for name, data in read_archive(path).items()}
    for name in sorted(expected - content.keys()):
        yield f"{path.name} lacks {name}"
    for name in sorted({name.partition("/")[0] for name in content} - own):
        yield f"{path.name} holds {name}, which is not its own"
    if content.get(licence) != (REPOSITORY / "LICENSE").read_bytes():
        yield f"{path.name} does not hold the repository's licence as {licence}"


def check(dist: Path) -> Iterator[str]:
    """Yield every problem of the archives in `dist`."""
    built = {path.name for path in dist.iterdir()} - {".gitignore"}
    for pyproject in [REPOSITORY / "pyproject.toml", *REPOSITORY.glob("plugins/*/pyproject.toml")]:
        settings = tomllib.loads(pyproject.read_text())
        packages = settings["tool"]["hatch"]["build"]["targets"]["wheel"].get("packages", [])
        stem = f"{settings['project']['name'].replace('-', '_')}-{settings['project']['version']}"
        info = f"{stem}.dist-info"
        wheel, sdist = dist / f"{stem}-py3-none-any.whl", dist / f"{stem}.tar.gz"
        files = {name for package in packages for name in package_files(pyproject.parent, package)}
        expected = files | {f"{package}/py.typed" for package in packages}
        yield from problems_of(wheel, expected, {*packages, info}, f"{info}/licenses/LICENSE")
        yield from problems_of(sdist, expected, {*packages, *SDIST_FILES}, "LICENSE")
        built -= {wheel.name, sdist.name}
    for name in sorted(built):
        yield f"{name} belongs to no distribution of this repository"


if __name__ == "__main__":
    sys.exit("\n".join(check(Path(sys.argv[1]))) or None)
