"""Importing `package.module:attribute`: the one place where the core imports what a text names."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any


def import_object(target: str) -> Any:
    """Import `package.module:attribute`, or a module alone.

    Args:
        target: what to import; the attribute may have dots.

    Raises:
        ImportError: if there is no such module.
        AttributeError: if the module has no such attribute.
        Exception: whatever the module raises when it is imported.

    >>> import_object("math:tau.is_integer")()
    False
    """
    module_name, attribute = split_target(target)
    value: Any = importlib.import_module(module_name)
    for part in filter(None, attribute.split(".")):
        value = getattr(value, part)
    return value


def split_target(target: str) -> tuple[str, str]:
    """Return the module and the attribute of `package.module:attribute`; a module alone has none.

    >>> split_target("acme.bandits : Bandit"), split_target("acme.bandits")
    (('acme.bandits', 'Bandit'), ('acme.bandits', ''))
    """
    module_name, _, attribute = target.partition(":")
    return module_name.strip(), attribute.strip()


def top_package(target: str) -> str:
    """Return the package, or the module outside any, that `package.module:attribute` begins with.

    >>> top_package("acme.bandits:Bandit")
    'acme'
    """
    return split_target(target)[0].partition(".")[0]


@contextlib.contextmanager
def last_words(what: str) -> Iterator[None]:
    """Name what is being imported if the process ends in the block: `os._exit` runs no handler.

    A crash (SIGSEGV, SIGABRT) prints the Python stack, as `faulthandler` does. Only SIGKILL, and an exit from
    C code, leave no word.

    Args:
        what: what is imported, such as `plugin 'acme:follow'`.
    """
    leave = os._exit

    def say_and_leave(status: int) -> None:
        sentence = f"Error: os._exit({status}) was called while {what} was imported, which ends the process."
        with contextlib.suppress(OSError):
            os.write(2, f"{sentence} Disable it or uninstall it.\n".encode())
        leave(status)

    is_watched = faulthandler.is_enabled()
    if not is_watched:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # stderr that is no file
            faulthandler.enable(sys.__stderr__ or sys.stderr)
    os._exit = say_and_leave  # type: ignore[assignment]  # it returns as little as the original
    try:
        yield
    finally:
        os._exit = leave
        if not is_watched:
            faulthandler.disable()
