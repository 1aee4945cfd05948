"""References to classes and hooks: `package.module:Class`, `./file.py:Class`, or a module or file."""

from __future__ import annotations

import ast
import enum
import importlib.util
import sys
import zlib
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any

from phantom_core.errors import ConfigError, did_you_mean, error_place, error_text, listing
from phantom_core.hooks.hookspecs import HOOK_NAMES, Hooks
from phantom_core.importing import exit_report, find_module, import_object, split_target, top_package
from phantom_core.installed import discovery
from phantom_core.trust import check_may_import, untrusted_source


def load_reference(
    reference: str,
    *,
    setting: str,
    folder: Path,
    start: str = "the run file",
    expected: type | None = None,
) -> Any:
    """Import the object that a reference names.

    For a file that was not written here, see `ph.trust`, only a class of an installed plugin is imported
    that is derived from the expected one, or a member of an enum.

    Args:
        reference: `package.module:Name` or `path/to/file.py:Name`.
        setting: the setting that holds the reference, for messages.
        folder: the folder that relative paths start from.
        start: what messages call that folder.
        expected: the base class of what a file that was not written here may name; None: it may name
            nothing. Otherwise it is not looked at.

    Raises:
        ConfigError: if the reference has another form, or the import fails.
        TrustError: if a file that was not written here names something else.
    """
    if untrusted_source() and (expected is None or not _names_class_of_plugin(reference)):
        check_may_import(reference, setting)
    found = _load(reference, setting, folder, start)
    if untrusted_source() and not _is_derived(found, expected or object):
        check_may_import(reference, setting)
    return found


def _names_class_of_plugin(reference: str) -> bool:
    """Return whether a reference names a class in the source of an installed plugin; nothing is imported.

    Other modules are not even imported: any may do something then, such as `__main__`.
    """
    module, name = split_target(reference)
    plugins = {top_package(entry.target) for entry in discovery.installed_entries() if not entry.problem}
    if not name or top_package(reference) not in plugins:
        return False
    try:
        spec = find_module(module)
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            return False
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (ImportError, OSError, SyntaxError, ValueError):
        return False
    own = name.partition(".")[0]
    return any(isinstance(statement, ast.ClassDef) and statement.name == own for statement in tree.body)


def _is_derived(found: Any, expected: type) -> bool:
    if isinstance(found, enum.Enum):
        return isinstance(found, expected)
    return isinstance(found, type) and issubclass(found, expected)


def _load(reference: str, setting: str, folder: Path, start: str) -> Any:
    place, separator, name = reference.rpartition(":")
    if not separator or not place or not name:
        expected = "Expected 'package.module:Class' or './file.py:Class'."
        raise ConfigError(f"{setting} = {reference!r} is no class. {expected}")
    module = _load_module(place, reference, setting, folder, start)
    value: Any = module
    for part in name.split("."):
        if not hasattr(value, part):
            own = _own_names(value)
            hint = f"{did_you_mean(part, own)} It has: {listing(own)}."
            raise ConfigError(f"{setting} = {reference!r}: {place} has no {part!r}.{hint}")
        value = getattr(value, part)
    return value


def _load_module(place: str, reference: str, setting: str, folder: Path, start: str) -> ModuleType:
    """Import a module given as `package.module` or `path/to/file.py`, which is a part of a reference."""
    advice = "Install its package, or name a file: './file.py:Class'."
    try:
        if not place.endswith(".py"):
            with exit_report(f"{setting} = {reference!r}"):
                module: ModuleType = import_object(place)
                return module
        advice, path = "Mend the file.", (folder / place).resolve()
        if path.is_file():
            return _imported_before(path) or _import_in_package(path) or _import_alone(path)
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        raise ConfigError(
            f"{setting} = {reference!r} could not be imported: {error_text(error)}{error_place(error)}. "
            f"{advice}"
        ) from error
    problem = f"there is no file {path}. Relative paths start at {start}."
    raise ConfigError(f"{setting} = {reference!r}: {problem}")


def load_hooks(reference: str, *, setting: str, folder: Path, start: str) -> object:
    """Import the hooks that a reference names; see `load_reference`.

    A module or file may be named alone: if it has functions named after hooks, it is returned itself;
    otherwise its only subclass of `Hooks` is. `ConfigError` if it has several.
    """
    if ":" in reference:
        return load_reference(reference, setting=setting, folder=folder, start=start, expected=Hooks)
    check_may_import(reference, setting)
    module = _load_module(reference, reference, setting, folder, start)
    if any(callable(getattr(module, name, None)) for name in HOOK_NAMES):
        return module
    classes = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Hooks) and value.__module__ == module.__name__
    }
    if len(classes) > 1:
        raise ConfigError(
            f"{setting} = {reference!r} has several classes of hooks: {listing(classes)}. Name one: "
            f"{reference}:{next(iter(classes))}."
        )
    return next(iter(classes.values()), module)


def absolute(reference: Any, folder: Path) -> Any:
    """Return a reference with an absolute path, if it names a file; otherwise return it unchanged.

    >>> absolute("pkg.mod:Class", Path("/a")), absolute("./b.py:Class", Path("/a"))
    ('pkg.mod:Class', '/a/b.py:Class')
    """
    place, separator, name = str(reference).rpartition(":")
    if separator and place.endswith(".py"):
        return f"{(folder / place).resolve()}:{name}"
    return str((folder / reference).resolve()) if str(reference).endswith(".py") else reference


def reference_to(value: Any) -> str | None:
    """Return a reference to a class or function, or None if none leads back to the same object.

    None leads to a bound method, for example, or to what a decorator returned under another's name.
    """
    name, module_name = getattr(value, "__qualname__", ""), getattr(value, "__module__", "")
    if not name or "<" in name or module_name not in sys.modules:
        return None
    module = sys.modules[module_name]
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not value and not (isinstance(value, MethodType) and found == value):
        return None
    file = getattr(module, "__file__", None)
    if module_name == "__main__" or getattr(module, _LOADED_FROM_FILE, False) or _is_neighbour(module):
        return f"{Path(file).resolve()}:{name}" if file else None
    return f"{module_name}:{name}"


def trainer_key(trainer: Any) -> str:
    """Return the key of a trainer in settings: its name, its reference, or its class name."""
    if isinstance(trainer, str):
        return trainer
    trainer_class = trainer if isinstance(trainer, type) else type(trainer)
    return reference_to(trainer_class) or trainer_class.__name__


def _is_neighbour(module: ModuleType) -> bool:
    """Return whether a module is beside the script or in the current folder, and known by name only there."""
    file, script = getattr(module, "__file__", None), getattr(sys.modules.get("__main__"), "__file__", None)
    if not file:
        return False
    folder, _ = _in_package(Path(file).resolve())
    if folder != Path(file).resolve().parent and str(folder) in sys.path[1:]:
        return False  # a package that is installed in place
    return folder == Path.cwd() or (script is not None and folder == Path(script).resolve().parent)


def _in_package(path: Path) -> tuple[Path, str]:
    """Return the folder that a file is imported from, and its dotted module name."""
    folder, names = path.parent, [] if path.stem == "__init__" else [path.stem]
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names)


def _own_names(owner: Any) -> list[str]:
    """Return the public names that a module or class defines itself."""
    module_name = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
    return sorted(
        name
        for name, value in vars(owner).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module_name
    )


_LOADED_FROM_FILE = "__phantom_loaded_from_file__"


def _imported_before(path: Path) -> ModuleType | None:
    modules = list(sys.modules.values())
    return next((module for module in modules if getattr(module, "__file__", None) == str(path)), None)


def _import_in_package(path: Path) -> ModuleType | None:
    """Import a file as part of its package; None if it is in none, or the package name is taken."""
    folder, name = _in_package(path)
    top = name.partition(".")[0]
    if folder == path.parent:
        return None
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin != str(folder / top / "__init__.py"):
        return None
    module: ModuleType = import_object(name)
    setattr(module, _LOADED_FROM_FILE, True)
    return module


def _import_alone(path: Path) -> ModuleType:
    name = path.stem.replace(".", "_")
    found = None if name in sys.modules else importlib.util.find_spec(name)
    if found is not None and found.origin is not None and Path(found.origin).resolve() == path:
        module: ModuleType = import_object(name)  # its name leads to it, also in a worker
        setattr(module, _LOADED_FROM_FILE, True)
        return module
    if name in sys.modules or found is not None:
        name = f"{name}_{zlib.crc32(bytes(path)):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, _LOADED_FROM_FILE, True)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # the file may import modules beside it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
