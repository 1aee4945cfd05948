"""Plugins use the core as a stranger would: `import phantom_core as ph`, and public names only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = "phantom_core"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def root_of(node: ast.expr) -> ast.expr:
    """Return `a` of the expression `a.b.c`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def is_private_use(node: ast.AST) -> bool:
    """Tell whether a node uses the core in another way than through public names of `ph`."""
    match node:
        case ast.Import(names=names):
            imported = {(alias.name, alias.asname) for alias in names}
            return any(name.partition(".")[0] == CORE for name, _ in imported - {(CORE, "ph")})
        case ast.ImportFrom(module=str(module), level=0):
            return module.partition(".")[0] == CORE
        case ast.Attribute(attr=attr):
            root = root_of(node)
            return is_private(attr) and isinstance(root, ast.Name) and root.id == "ph"
    return False


def private_uses(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if is_private_use(node):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def test_plugins_and_examples_use_public_names_only(repository: Path, plugin_modules: list[Path]) -> None:
    modules = plugin_modules + sorted(repository.glob("docs/examples/**/*.py"))
    uses = {path: list(private_uses(path.read_text())) for path in modules}
    assert {path: found for path, found in uses.items() if found} == {}


def test_tests_of_plugins_import_nothing_from_inside_the_core(plugin_tests: list[Path]) -> None:
    found = [
        f"{path.name}: {use}"
        for path in plugin_tests
        for use in private_uses(path.read_text())
        if f"{CORE}." in use
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import phantom_core",
        "import phantom_core.seeding",
        "import phantom_core.seeding as ph",
        "from phantom_core import Agent",
        "from phantom_core.world.agents import Agent",
        "ph._loader",
        "ph.metrics._reduce",
    ],
)
def test_other_uses_are_found(line: str) -> None:
    assert list(private_uses(line)) == [f"line 1: {line}"]


@pytest.mark.parametrize("line", ["import phantom_core as ph", "ph.Agent.__name__", "self._ph.x"])
def test_public_uses_are_accepted(line: str) -> None:
    assert list(private_uses(line)) == []
