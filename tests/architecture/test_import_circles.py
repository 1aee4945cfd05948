"""The files of the core import one another in one direction only, also for type checkers."""

from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest


def circles(imports: dict[str, set[str]]) -> Iterator[list[str]]:
    """Yield the groups of files that import one another, directly or through others (Tarjan 1972)."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}  # the lowest number that can be reached over files that are still open
    opened: list[str] = []

    def visit(file: str) -> Iterator[list[str]]:
        numbers[file] = lowest[file] = len(numbers)
        opened.append(file)
        for other in imports[file]:
            if other not in numbers:
                yield from visit(other)
                lowest[file] = min(lowest[file], lowest[other])
            elif other in opened:
                lowest[file] = min(lowest[file], numbers[other])
        if lowest[file] == numbers[file]:
            start = opened.index(file)
            circle = sorted(opened[start:])
            del opened[start:]
            if len(circle) > 1:
                yield circle

    for file in imports:
        if file not in numbers:
            yield from visit(file)


def imports_of(package: str) -> dict[str, set[str]]:
    """Return the imports of each file of a package; `__init__.py` is left out: it re-exports every file."""
    graph = grimp.build_graph(package, exclude_type_checking_imports=False, cache_dir=None)
    short = {name: name.removeprefix(f"{package}.") for name in graph.modules - {package}}
    return {
        file: {short[other] for other in graph.find_modules_directly_imported_by(name) & short.keys()}
        for name, file in sorted(short.items())
    }


def test_no_files_import_one_another_in_a_circle() -> None:
    assert list(circles(imports_of("phantom_core"))) == []


def test_imports_for_type_checkers_and_in_functions_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package_of_circles"
    package.mkdir()
    (package / "__init__.py").write_text("from package_of_circles import a")
    (package / "a.py").write_text("def f():\n    from package_of_circles import b")
    (package / "b.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from package_of_circles import a, c"
    )
    (package / "c.py").write_text("from package_of_circles import a")
    monkeypatch.syspath_prepend(tmp_path)
    imports = imports_of(package.name)
    assert imports == {"a": {"b"}, "b": {"a", "c"}, "c": {"a"}}
    assert list(circles(imports)) == [["a", "b", "c"]]


def test_circles_are_found() -> None:
    imports = {
        "a": {"b"},
        "b": {"c", "d"},
        "c": {"a"},
        "d": {"e"},
        "e": {"d", "f"},
        "f": set(),
    }
    assert sorted(circles(imports)) == [["a", "b", "c"], ["d", "e"]]
