"""Files and functions stay small enough to be read in one go."""

import ast
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 400
MAX_BODY_LINES = 40


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function below its signature and its docstring."""
    has_docstring = ast.get_docstring(function, clean=False) is not None
    body = function.body[1:] if has_docstring else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = body_lines(node)
            if lines > MAX_BODY_LINES:
                yield f"{path}:{node.lineno} {node.name} has {lines} lines"


def test_no_module_is_longer_than_400_lines(core_modules: list[Path], plugin_modules: list[Path]) -> None:
    lines = {path: len(path.read_text().splitlines()) for path in core_modules + plugin_modules}
    assert {path: n for path, n in lines.items() if n > MAX_FILE_LINES} == {}


def test_no_function_body_is_longer_than_40_lines(
    core_modules: list[Path], plugin_modules: list[Path]
) -> None:
    modules = core_modules + plugin_modules
    assert [function for path in modules for function in long_functions(path)] == []


def test_a_body_is_counted_without_signature_and_docstring() -> None:
    source = 'def f(\n    a,\n):\n    """One.\n\n    Two.\n    """\n    b = a\n\n    return b\n'
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert body_lines(function) == 3
