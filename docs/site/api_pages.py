"""The API reference: one page for each layer and each public module, made from docstrings."""

import ast
import importlib
import inspect
from itertools import pairwise
from typing import Any, Final

from markup import sentence, table

import phantom_core as ph

TITLES: Final = {  # of layers and of public modules, in the order of the pages
    "world": "The world",
    "samplers": "Samplers",
    "ranges": "Ranges",
    "encoders": "Encoders",
    "decoders": "Decoders",
    "reward_functions": "Reward functions",
    "envs": "Envs",
    "policies": "Policies",
    "metrics": "Metrics",
    "hooks": "Hooks",
    "installed": "Installed plugins",
    "writing": "Writing",
    "rollouts": "Rollouts",
    "training": "Training",
    "adapters": "Adapters",
    "seeding": "Seeds",
    "tools": "Tools",
    "errors": "Errors",
    "types": "Types",
}


def public_names() -> dict[str, list[str]]:
    """Return the public names of each page, as `Agent` or `metrics.SimpleAgentMetric`, in reading order."""
    modules = public_modules()
    found: dict[str, list[str]] = {page: [] for page in TITLES}
    for name in sorted(set(ph.__all__) - modules - {"__version__"}, key=_home):
        found[_home(name)[0].split(".")[1]].append(name)
    for name in sorted(modules):
        found[name] += [f"{name}.{inner}" for inner in _members(name) if inner not in found[name]]
    return found


def public_modules() -> set[str]:
    """Return the names of the public modules."""
    return {name for name in ph.__all__ if inspect.ismodule(getattr(ph, name))}


def _home(name: str) -> tuple[str, int]:
    """Return the module of a public name and its place there."""
    home = ph._MODULE_BY_NAME[name]
    return home, list(vars(importlib.import_module(home))).index(name)


def _members(module_name: str) -> list[str]:
    module = getattr(ph, module_name)
    listed = getattr(module, "__all__", None)
    if listed is not None:
        places = {name: place for place, name in enumerate(vars(module))}
        return sorted(listed, key=lambda name: places.get(name, 0))
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith(module.__name__)
    ]


def api_pages() -> dict[str, str]:
    """Return each page of the API reference by its name."""
    return {page: _page(page, names) for page, names in public_names().items()}


def _page(page: str, names: list[str]) -> str:
    document = inspect.getdoc(getattr(ph, page)) if page in public_modules() else ""
    about = sentence(document.partition("\n\n")[0]) + "\n\n" if document else ""
    rows = [(f"{{py:obj}}`ph.{name} <phantom_core.{name}>`", summary(name)) for name in names]
    directives = "\n".join(map(_directive, names))
    return (
        f"# {TITLES[page]}\n\n{about}`import phantom_core as ph`\n\n{table(('name', 'what it is'), rows)}\n\n"
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
    home = getattr(ph, module_name) if module_name else importlib.import_module(_home(name)[0])
    tree = ast.parse(inspect.getsource(home))
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and variable in [alias.name for alias in statement.names]:
            tree = ast.parse(inspect.getsource(importlib.import_module(str(statement.module))))
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
        is_derived = any(_is_public(base.__name__) for base in value.__bases__)
        bases = "   :show-inheritance:\n" if is_derived else ""
        has_parts = value in (ph.Trainer, ph.Network)
        parts = "   :inherited-members:\n" if has_parts else ""  # of a base that is not public
        return f".. autoclass:: {full}\n   :members:\n{bases}{parts}"
    if _is_code(value):
        return f".. autofunction:: {full}\n"
    module, _, variable = full.rpartition(".")
    return f".. py:currentmodule:: {module}\n.. py:data:: {variable}\n\n   {summary(name)}\n"


def _is_public(name: str) -> bool:
    """Tell whether `ph` or one of its modules has a public name, given without the module."""
    return name in ph.__all__ or any(name in _members(module) for module in public_modules())
