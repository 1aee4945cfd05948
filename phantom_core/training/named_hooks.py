"""Hooks that a run names by where they are: a module, a file, or a class in one."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from phantom_core.errors import ConfigError, listing
from phantom_core.hooks.hookspecs import HOOK_NAMES, Hooks
from phantom_core.training.references import load_module, load_reference


def load_hooks(
    reference: str, *, setting: str = "hooks", folder: Path | None = None, start: str = "the run file"
) -> object:
    """Import what follows a run; nothing is imported that the user did not name.

    Args:
        reference: `./file.py:Class`, `package.module:Class`, or only the file or module: then the module
            itself, if it has functions named after hooks, or else the one class of hooks in it.
        setting: where it was read, for messages.
        folder: what relative paths are relative to; None: the current folder.
        start: what that folder is, for messages.

    Raises:
        ConfigError: if it cannot be imported, or several classes could be meant.
    """
    folder = Path.cwd() if folder is None else folder
    if ":" in reference:
        return load_reference(reference, setting=setting, folder=folder, start=start)
    module = load_module(reference, setting=setting, folder=folder, start=start)
    if any(callable(getattr(module, name, None)) for name in HOOK_NAMES):
        return module
    classes = _hooks_classes(module)
    if len(classes) > 1:
        raise ConfigError(
            f"{setting} = {reference!r} has several classes of hooks: {listing(classes)}. Name one: "
            f"{reference}:{next(iter(classes))}."
        )
    return next(iter(classes.values()), module)


def _hooks_classes(module: ModuleType) -> dict[str, type]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Hooks) and value.__module__ == module.__name__
    }
