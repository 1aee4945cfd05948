"""The examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path
from types import ModuleType


def module_name(path: Path) -> str:
    """Return the import name of a module, given its path from the root of the repository."""
    parts = list(path.with_suffix("").parts)
    if parts[0] == "plugins":
        del parts[:2]
    return ".".join(part for part in parts if part != "__init__")


def imported(name: str) -> ModuleType | None:
    """Return a module; None if it needs torch, which only an extra installs, and that is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        return None


def test_every_example_in_a_docstring_is_true(
    repository: Path, core_modules: list[Path], plugin_modules: list[Path]
) -> None:
    paths = [path for path in core_modules + plugin_modules if ">>> " in path.read_text(encoding="utf-8")]
    names = [module_name(path.relative_to(repository)) for path in paths]
    assert len(names) > 20
    modules = [module for module in map(imported, names) if module is not None]
    failed = {module.__name__: doctest.testmod(module).failed for module in modules}
    assert {name: count for name, count in failed.items() if count} == {}
