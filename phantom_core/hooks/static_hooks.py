"""What the source of a plugin says of its hooks, read and not executed.

A class says by its methods which hooks it implements, and by `before` and `after` where. That can be read
as long as it is written down plainly; what is made at run time is only known when it is imported.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from phantom_core.hooks.entry_status import find_module
from phantom_core.hooks.hookspecs import HOOK_NAMES

_MOST_STEPS: Final = 10
_Scope = ast.Module | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Place:
    """Where a plugin wants to run one hook.

    Attributes:
        before: names of plugins that come after it.
        after: names of plugins that come before it.
    """

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(slots=True)
class StaticHooks:
    """What could be read.

    Attributes:
        places: by hook, where the plugin wants to run it.
        unknown: why there may be more; empty: this is all.
    """

    places: dict[str, Place] = field(default_factory=dict)
    unknown: str = ""


def read_hooks(target: str, folder: Path | None = None) -> StaticHooks:
    """Read the hooks of a plugin; nothing is imported.

    Args:
        target: `package.module:attribute`, `package.module`, or a file in place of the module.
        folder: what a relative path to a file is relative to.
    """
    place, _, attribute = target.rpartition(":") if ":" in target else (target, "", "")
    found = StaticHooks()
    try:
        path = _path_of(place, folder)
        tree = _parsed(path)
    except (OSError, SyntaxError, ValueError, ImportError, AttributeError) as error:
        found.unknown = f"its source cannot be read ({error})"
        return found
    if attribute:
        _Reader(found).read_name(_Module(place, path, tree), attribute)
        return found
    _Reader(found).read_body(tree)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and _is_hooks(node)]
    if not found.places and len(classes) == 1:
        _Reader(found).read_name(_Module(place, path, tree), classes[0].name)
    return found


@dataclass(frozen=True, slots=True)
class _Module:
    name: str
    path: Path
    tree: ast.Module


@dataclass(slots=True)
class _Reader:
    """Follows names from module to module until it comes to a class."""

    found: StaticHooks
    steps: int = 0
    asked: str = ""
    default: Place = Place()
    marked: set[str] = field(default_factory=set)

    def read_name(self, module: _Module, name: str) -> None:
        """Read the class, or the instance of one, that has a name in a module."""
        self.steps += 1
        if self.steps > _MOST_STEPS:
            self.found.unknown = "its definition cannot be followed"
            return
        for node in reversed(module.tree.body):
            if isinstance(node, ast.ClassDef) and node.name == name:
                self._read_class(module, node)
                return
            if isinstance(node, ast.ImportFrom) and (real := _imported_as(node, name)):
                self._follow(module, node, real)
                return
            made = _made_from(node, name)
            if made is not None:
                self.asked = self.asked or name
                self.read_name(module, made)
                return
        self.found.unknown = f"{self.asked or name} is made when {module.name} is imported"

    def read_body(self, scope: _Scope) -> None:
        """Read the functions of a module or class that are hooks."""
        for node in scope.body:
            if not isinstance(node, ast.FunctionDef) or node.name not in HOOK_NAMES:
                continue
            marks = [mark for mark in map(_mark, node.decorator_list) if mark is not None]
            if isinstance(scope, ast.ClassDef) or marks:
                self.found.places[node.name] = marks[0] if marks else self.default
                (self.marked.add if marks else self.marked.discard)(node.name)

    def _read_class(self, module: _Module, node: ast.ClassDef) -> None:
        for base in reversed(node.bases):
            name = ast.unparse(base)
            if name.split(".")[-1] == "Hooks":
                continue
            if isinstance(base, ast.Name) and name != "object":
                self.read_name(module, name)
            elif name != "object":
                self.found.unknown = f"its base class {name} is elsewhere"
        own = {key: _names(node, key) for key in ("before", "after")}
        if any(names is None and _assigns(node, key) for key, names in own.items()):
            self.found.unknown = "its before or after is made when it is imported"
        self.default = Place(
            self.default.before if own["before"] is None else own["before"],
            self.default.after if own["after"] is None else own["after"],
        )
        for hook in self.found.places.keys() - self.marked:  # inherited methods go by the new class
            self.found.places[hook] = self.default
        self.read_body(node)

    def _follow(self, module: _Module, node: ast.ImportFrom, name: str) -> None:
        package = module.name.split(".")
        if node.level:
            is_package = module.path.name == "__init__.py"
            package = package[: len(package) - node.level + (1 if is_package else 0)]
            target = ".".join([*package, *([node.module] if node.module else [])])
        else:
            target = node.module or ""
        try:
            path = _path_of(target, None)
            tree = _parsed(path)
        except (OSError, SyntaxError, ValueError, ImportError, AttributeError) as error:
            self.found.unknown = f"the source of {target} cannot be read ({error})"
            return
        self.read_name(_Module(target, path, tree), name)


def _path_of(place: str, folder: Path | None) -> Path:
    if place.endswith(".py"):
        return Path(folder or Path(), place)
    spec = find_module(place)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ImportError(f"there is no source of {place}")
    return Path(spec.origin)


def _parsed(path: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a stranger's escape sequences
        return ast.parse(path.read_text(encoding="utf-8"), path.name)


def _is_hooks(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).split(".")[-1] == "Hooks" for base in node.bases)


def _imported_as(node: ast.ImportFrom, name: str) -> str:
    return next((alias.name for alias in node.names if (alias.asname or alias.name) == name), "")


def _made_from(node: ast.stmt, name: str) -> str | None:
    """Return the class of which a statement makes an instance or a new name."""
    value: ast.expr | None = None
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
        value = node.value
    elif isinstance(node, ast.FunctionDef) and node.name == name:
        returned = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return)]
        value = returned[0] if len(returned) == 1 else None
    if isinstance(value, ast.Call):
        value = value.func
    return value.id if isinstance(value, ast.Name) else None


def _mark(decorator: ast.expr) -> Place | None:
    """Return the place that `@hookimpl` gives; None for another decorator."""
    call = decorator if isinstance(decorator, ast.Call) else None
    function = decorator if call is None else call.func
    if ast.unparse(function).split(".")[-1] != "hookimpl":
        return None
    wishes = {keyword.arg: _literal(keyword.value) or () for keyword in (call.keywords if call else ())}
    return Place(wishes.get("before", ()), wishes.get("after", ()))


def _assignments(node: ast.ClassDef, key: str) -> Iterator[ast.expr]:
    """Yield what a class assigns to a name; of `before, after = ...` nothing that can be read."""
    targets: Sequence[ast.expr]
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        elif isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and target.id == key:
                yield value
            elif any(isinstance(part, ast.Name) and part.id == key for part in ast.walk(target)):
                yield ast.Constant(None)


def _assigns(node: ast.ClassDef, key: str) -> bool:
    return any(True for _ in _assignments(node, key))


def _names(node: ast.ClassDef, key: str) -> tuple[str, ...] | None:
    """Return the names that a class gives for `before` or `after`; None: it gives none that can be read."""
    for value in _assignments(node, key):
        return _literal(value)
    return None


def _literal(value: ast.expr) -> tuple[str, ...] | None:
    try:
        found = ast.literal_eval(value)
    except (ValueError, TypeError):
        return None
    return tuple(map(str, found)) if isinstance(found, (tuple, list)) else None
