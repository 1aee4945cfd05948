"""`fake_distribution`: a distribution that looks installed, made of a few files."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from phantom_testing.core_bound import CORE_DISTRIBUTION, core_bound


@contextmanager
def fake_distribution(
    folder: Path,
    name: str,
    entry_points: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str] | None = None,
    *,
    version: str = "1.0",
    requires: str | None = None,
    summary: str = "",
) -> Iterator[Path]:
    """Let a distribution look installed: modules beside a `.dist-info` folder, first on `sys.path`.

    At the end of the block the folder leaves `sys.path`, and what was imported from it is forgotten.

    Args:
        folder: where to write; may exist.
        name: the name of the distribution.
        entry_points: by group, such as `phantom_core.trainers`, target by name.
        modules: source by module name.
        version: its version.
        requires: its one requirement; None: the core in this minor version; empty: nothing.
        summary: one line about it.

    Yields:
        The folder.
    """
    headers = {"Metadata-Version": "2.1", "Name": name, "Version": version, "Summary": summary}
    requirement = f"{CORE_DISTRIBUTION}{core_bound()}" if requires is None else requires
    if requirement:
        headers["Requires-Dist"] = requirement
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    _write(info / "METADATA", "".join(f"{header}: {value}\n" for header, value in headers.items()))
    _write(info / "entry_points.txt", "\n".join(_section(*group) for group in entry_points.items()))
    for module, source in (modules or {}).items():
        _write(folder / f"{module}.py", source)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield folder
    finally:
        if str(folder) in sys.path:  # else somebody restored the path
            sys.path.remove(str(folder))
        forget_modules(folder)


def forget_modules(folder: Path) -> None:
    """Forget every module that was imported from a folder."""
    inside = f"{folder}{os.sep}"
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(inside):
            del sys.modules[name]


def _section(group: str, targets: Mapping[str, str]) -> str:
    return f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in targets.items())


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
