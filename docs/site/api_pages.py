"""The API reference: one page for each layer of the core, made from the docstrings of its public names."""

import ast
import importlib
import inspect
from itertools import pairwise
from typing import Any, Final

from markup import sentence, table

import phantom_core as ph

LAYERS: Final = {
    "world": "The world",
    "envs": "Envs",
    "policies": "Policies",
    "metrics": "Metrics",
    "hooks": "Hooks",
    "rollouts": "Rollouts",
    "training": "Training",
    "adapters": "Adapters",
    "recording": "Recording",
    "testing": "Testing",
    "seeding": "Seeds",
    "errors": "Errors",
    "types": "Types",
}


def public_names() -> dict[str, list[str]]:
    """Return the public names of each layer, as `Agent` or `metrics.SimpleAgentMetric`, in reading order."""
    modules = {name for name in ph.__all__ if inspect.ismodule(getattr(ph, name))}
    found: dict[str, list[str]] = {layer: [] for layer in LAYERS}
    for name in sorted(set(ph.__all__) - modules - {"__version__"}, key=_home):
        found[_home(name)[0].split(".")[1]].append(name)
    for name in sorted(modules | {"testing"}):
        found[name] += [f"{name}.{inner}" for inner in _members(name) if inner not in found[name]]
    return found


def _home(name: str) -> tuple[str, int]:
    """Return the module of a public name and its place there."""
    home = ph._MODULE_BY_NAME[name]
    return home, list(vars(importlib.import_module(home))).index(name)


def _members(module_name: str) -> list[str]:
    module = getattr(ph, module_name)
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith(module.__name__)
    ]


def api_pages() -> dict[str, str]:
    """Return the page of each layer by its name."""
    return {layer: _page(layer, names) for layer, names in public_names().items()}


def _page(layer: str, names: list[str]) -> str:
    rows = [(f"{{py:obj}}`ph.{name} <phantom_core.{name}>`", summary(name)) for name in names]
    directives = "\n".join(map(_directive, names))
    return (
        f"# {LAYERS[layer]}\n\n`import phantom_core as ph`\n\n{table(('name', 'what it is'), rows)}\n\n"
        f"```{{eval-rst}}\n{directives}\n```\n"
    )


def summary(name: str) -> str:
    """Return the first paragraph of what documents a public name; empty: nothing does."""
    value = _value(name)
    document = inspect.getdoc(value) if _is_code(value) else _string_below(name)
    if document is None and type(value).__module__.startswith("phantom_core"):
        document = inspect.getdoc(type(value))
    return sentence((document or "").partition("\n\n")[0]) if document else ""


def _value(name: str) -> Any:
    value: Any = ph
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _is_code(value: object) -> bool:
    """Tell whether a value is a class or function of ours, and no alias or constant."""
    home = getattr(value, "__module__", None) or ""
    return (inspect.isclass(value) or inspect.isroutine(value)) and home.startswith("phantom_core")


def _string_below(name: str) -> str | None:
    """Return the string below the assignment that made a constant or an alias."""
    module_name, _, variable = name.rpartition(".")
    home = f"phantom_core.{module_name}" if module_name else _home(name)[0]
    tree = ast.parse(inspect.getsource(importlib.import_module(home)))
    for statement, below in pairwise(tree.body):
        targets = (
            statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        )
        if any(isinstance(target, ast.Name) and target.id == variable for target in targets):
            constant = below.value if isinstance(below, ast.Expr) else None
            return str(constant.value) if isinstance(constant, ast.Constant) else None
    return None


def _directive(name: str) -> str:
    full, value = f"phantom_core.{name}", _value(name)
    if inspect.isclass(value) and _is_code(value):
        is_derived = any(
            base.__name__ in ph.__all__ or hasattr(ph.errors, base.__name__) for base in value.__bases__
        )
        bases = "   :show-inheritance:\n" if is_derived else ""
        return f".. autoclass:: {full}\n   :members:\n{bases}"
    if _is_code(value):
        return f".. autofunction:: {full}\n"
    module, _, variable = full.rpartition(".")
    return f".. py:currentmodule:: {module}\n.. py:data:: {variable}\n\n   {summary(name)}\n"
