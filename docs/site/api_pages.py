"""The API reference: a page for each layer, public module and distribution, made from docstrings."""

import ast
import importlib
import inspect
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from markup import sentence, table

import phantom_core as ph

CORE: Final = "phantom_core"
PLUGINS: Final = Path(__file__).resolve().parents[2] / "plugins"
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
    "processes": "Processes",
    "reading": "Reading",
    "trust": "Trust",
    "writing": "Writing",
    "secrets": "Secrets",
    "rollouts": "Rollouts",
    "training": "Training",
    "adapters": "Adapters",
    "seeding": "Seeds",
    "tools": "Tools",
    "errors": "Errors",
    "types": "Types",
}


def public_names() -> dict[str, list[str]]:
    """Return the public names of each page, as `phantom_core.metrics.SimpleAgentMetric`, in reading order."""
    modules = public_modules()
    found: dict[str, list[str]] = {page: [] for page in TITLES}
    for name in sorted(set(ph.__all__) - modules - {"__version__"}, key=_home):
        found[_home(name)[0].split(".")[1]].append(f"{CORE}.{name}")
    for module in sorted(modules):
        names = [name for name in _members(module) if f"{CORE}.{name}" not in found[module]]
        found[module] += [f"{CORE}.{module}.{name}" for name in names]
    for package in packages():
        found[package] = [f"{package}.{name}" for name in importlib.import_module(package).__all__]
    return found


def public_modules() -> set[str]:
    """Return the names of the public modules."""
    return {name for name in ph.__all__ if inspect.ismodule(getattr(ph, name))}


def packages() -> dict[str, str]:
    """Return the distribution by package, for each package of the plugins, which all list public names."""
    folders = sorted(path.parent for path in PLUGINS.glob("*/phantom_*/__init__.py"))
    return {folder.name: folder.parent.name for folder in folders}


def _home(name: str) -> tuple[str, int]:
    """Return the module of a name of `ph` and its place there."""
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
    rows = [(f"{{py:obj}}`{_shown(name)} <{name}>`", summary(name)) for name in names]
    directives = "\n".join(map(_directive, names))
    return (
        f"# {TITLES.get(page, page)}\n\n{_introduction(page)}{table(('name', 'what it is'), rows)}\n\n"
        f"```{{eval-rst}}\n{directives}\n```\n"
    )


def _introduction(page: str) -> str:
    """Return what stands above the table of a page: what it is about, and where its names are."""
    distribution = packages().get(page)
    if distribution:
        readme = f"[{distribution}](../../files/plugins/{distribution}/README.md)"
        about = (inspect.getdoc(importlib.import_module(page)) or "").partition("\n\n")[0]
        return f"{sentence(about)} From {readme}.\n\n`pip install {distribution}`\n\n"
    document = inspect.getdoc(getattr(ph, page)) if page in public_modules() else ""
    about = sentence(document.partition("\n\n")[0]) + "\n\n" if document else ""
    return f"{about}`import phantom_core as ph`\n\n"


def _shown(name: str) -> str:
    """Return a public name as programs write it, with `ph` for the core."""
    return f"ph{name.removeprefix(CORE)}" if name.startswith(f"{CORE}.") else name


def summary(name: str) -> str:
    """Return the first paragraph of what documents a public name; empty: nothing does."""
    value = _value(name)
    document = inspect.getdoc(value) if _is_code(value) else _string_below(name)
    if document is None and type(value).__module__.startswith(CORE):
        document = inspect.getdoc(type(value))
    return sentence((document or "").partition("\n\n")[0]) if document else ""


def _value(name: str) -> Any:
    package, *parts = name.split(".")
    value: Any = importlib.import_module(package)
    for part in parts:
        value = getattr(value, part)
    return value


def _is_code(value: object) -> bool:
    """Tell whether a value is a class or function of ours, and no alias or constant."""
    home = getattr(value, "__module__", None) or ""
    return (inspect.isclass(value) or inspect.isroutine(value)) and home.partition(".")[0] in {
        CORE,
        *packages(),
    }


def _string_below(name: str) -> str | None:
    """Return the string below the assignment that made a constant or an alias of the core."""
    module_name, _, variable = name.rpartition(".")
    home = importlib.import_module(_home(variable)[0]) if module_name == CORE else _value(module_name)
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
    value = _value(name)
    if inspect.isclass(value) and _is_code(value):
        is_derived = any(_is_public(base.__name__) for base in value.__bases__)
        bases = "   :show-inheritance:\n" if is_derived else ""
        has_parts = value in (ph.Trainer, ph.Network)
        parts = "   :inherited-members:\n" if has_parts else ""  # of a base that is not public
        return f".. autoclass:: {name}\n   :members:\n{bases}{parts}"
    if _is_code(value):
        return f".. autofunction:: {name}\n"
    module, _, variable = name.rpartition(".")
    return f".. py:currentmodule:: {module}\n.. py:data:: {variable}\n\n   {summary(name)}\n"


def _is_public(name: str) -> bool:
    """Tell whether a public name, given without its module, has a page."""
    return any(full.endswith(f".{name}") for names in public_names().values() for full in names)
