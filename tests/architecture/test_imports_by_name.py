"""What a text names is imported in one place: `import_object` of `phantom_core/importing.py`."""

import ast
from pathlib import Path

import pytest

WAYS = {"import_module", "__import__", "resolve_name"}
ALLOWED = {
    "importing.py": "it is that place",
    "__init__.py": "it imports public names when they are first used, and before that not even importing.py",
}
"""The files that import by name on their own, each with its reason."""


def imports_by_name(source: str) -> list[int]:
    """Return the lines that import what a text names, or the function that does."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.alias(name=name):
                if name in WAYS:
                    lines.append(node.lineno)
    return lines


def test_no_other_file_of_the_core_imports_by_name(repository: Path, core_modules: list[Path]) -> None:
    core = repository / "phantom_core"
    found = [path for path in core_modules if imports_by_name(path.read_text(encoding="utf-8"))]
    assert {path.relative_to(core).as_posix() for path in found} == set(ALLOWED)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import importlib\nimportlib.import_module('acme')", [2]),
        ("from importlib import import_module as load, reload\nload('acme')", [1]),
        ("__import__('acme')", [1]),
        ("import pkgutil\npkgutil.resolve_name('acme:Acme')", [2]),
        ("import importlib.util\nimportlib.util.find_spec('acme')", []),
    ],
)
def test_every_way_to_import_by_name_is_found(source: str, lines: list[int]) -> None:
    assert imports_by_name(source) == lines
