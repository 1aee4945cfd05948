"""Load hooks from a reference: a module, a file, or a class in one."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from phantom_core.errors import ConfigError, listing
from phantom_core.hooks.hookspecs import HOOK_NAMES, Hooks
from phantom_core.training.references import load_module, load_reference


def load_hooks(
    reference: str, *, setting: str = "hooks", folder: Path | None = None, start: str = "the run file"
) -> object:
    """Import the hooks that a reference names.

    Args:
        reference: `./file.py:Class`, `package.module:Class`, or only a file or module. A module with
            functions named after hooks is returned itself; otherwise its only subclass of `Hooks` is.
        setting: the setting that holds the reference, for messages.
        folder: the folder that relative paths start from. None for the current folder.
        start: what messages call that folder.

    Raises:
        ConfigError: if the import fails, or the module has several classes of hooks.
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
