"""The code that a run used: distribution, version, source, and a hash of the files."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from phantom_core.importing import top_package
from phantom_core.installed.discovery import (
    InstalledEntry,
    installed_entries,
    normalised,
    recorded_files,
)
from phantom_core.installed.entry_status import find_module
from phantom_core.installed.install_source import editable_folder


def provenance_of(distributions: Iterable[str]) -> list[dict[str, str]]:
    """Return the provenance of distributions, sorted by name; nothing is imported.

    Args:
        distributions: names of distributions. Those without entry points of phantom_core are ignored.

    Returns:
        For each, its `distribution`, `version`, `source`, and the `sha256` of its files.
    """
    wanted = {normalised(name) for name in distributions}
    first = {normalised(e.distribution): e for e in reversed(installed_entries())}
    return [
        {
            "distribution": entry.distribution,
            "version": entry.version,
            "source": entry.source,
            "sha256": hash_of_files(code_files(entry)),
        }
        for name, entry in sorted(first.items())
        if name in wanted
    ]


def provenance_of_object(plugin: object) -> dict[str, str]:
    """Return the source file of an object passed to a run, and the hash of that file."""
    owner: Any = plugin if inspect.ismodule(plugin) or isinstance(plugin, type) else type(plugin)
    try:
        path = Path(inspect.getfile(owner))
        return {"file": str(path), "sha256": hash_of_files([path])}
    except (OSError, TypeError):  # defined in an interactive session
        return {"file": "", "sha256": ""}


def code_files(entry: InstalledEntry) -> list[Path]:
    """Return the code files of a distribution: those installed, or the packages of an editable install.

    `.dist-info` and compiled `.pyc` files are left out.
    """
    files: Iterable[Path] = ()
    if editable_folder(entry.source) is None:
        place = Path(entry.location).resolve()  # scripts lie outside it, and depend on the interpreter
        recorded = recorded_files(entry.distribution)
        files = [path for path in recorded if path.resolve().is_relative_to(place)]
    chosen = [path for path in files if _is_code(path)]
    return chosen or [path for module in _top_modules(entry) for path in _files_of(module) if _is_code(path)]


def hash_of_files(files: Iterable[Path]) -> str:
    """Return one hash of the contents and relative names of files, independent of order and location."""
    paths = sorted({path.resolve() for path in files if path.is_file()})
    if not paths:
        return ""
    root = _common_folder(paths)
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _common_folder(paths: list[Path]) -> Path:
    common = paths[0].parent
    while not all(path.is_relative_to(common) for path in paths):
        common = common.parent
    return common


def _is_code(path: Path) -> bool:
    folders = path.parts
    return not (
        path.suffix in (".pyc", ".pth")
        or "__pycache__" in folders
        or any(part.endswith((".dist-info", ".egg-info")) for part in folders)
    )


def _top_modules(entry: InstalledEntry) -> list[str]:
    targets = [e.target for e in installed_entries() if e.distribution == entry.distribution]
    return sorted({top_package(target) for target in targets})


def _files_of(module: str) -> list[Path]:
    """Return the files of a package or module, without importing it."""
    try:
        spec = find_module(module)
    except (ImportError, ValueError, AttributeError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations is None:
        return [Path(spec.origin)] if spec.origin else []
    return [path for folder in spec.submodule_search_locations for path in Path(folder).rglob("*")]
