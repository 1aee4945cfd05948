"""Import objects by reference: the only place where the core imports a module by name."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any, Final

SLOW_SECONDS: Final = 10.0
"""An import that takes longer prints where it is, once."""


def import_object(target: str) -> Any:
    """Import `package.module:attribute`, whose attribute may be dotted, or a module alone.

    Raises:
        ImportError: if the module does not exist.
        AttributeError: if the module has no such attribute.
        Exception: any exception that the module raises on import.

    >>> import_object("math:tau.is_integer")()
    False
    """
    module_name, attribute = split_target(target)
    try:
        value: Any = importlib.import_module(module_name)
    except BaseException as error:
        if isinstance(error, (Exception, SystemExit, KeyboardInterrupt)):
            raise
        raise ImportError(f"its import raised {type(error).__name__}") from error  # so that it is contained
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


def find_module(name: str) -> ModuleSpec | None:
    """Return the spec of a module, or None. Unlike `importlib.util.find_spec`, it imports no parent."""
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top)
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        locations: Sequence[str] = list(spec.submodule_search_locations)
        # By its last name alone: a namespace package would look up its parent in sys.modules.
        spec = PathFinder.find_spec(part, locations)
    return spec


@contextlib.contextmanager
def exit_report(what: str) -> Iterator[None]:
    """Report what is being imported if the process ends inside the block, as `os._exit` runs no handler.

    A crash (SIGSEGV, SIGABRT) prints the Python stack, using `faulthandler`; so does an import that takes
    more than `SLOW_SECONDS`, once. Only SIGKILL and an exit from C code are not reported. The sentence names
    `what` is imported, such as `plugin 'acme:follow'`.
    """
    original = os._exit

    def report_and_exit(status: int) -> None:
        sentence = f"Error: os._exit({status}) was called while {what} was imported, which ends the process."
        with contextlib.suppress(OSError):
            os.write(2, f"{sentence} Disable it or uninstall it.\n".encode())
        original(status)

    was_enabled = faulthandler.is_enabled()
    if not was_enabled:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # stderr is not a file
            faulthandler.enable(sys.__stderr__ or sys.stderr)
            faulthandler.dump_traceback_later(SLOW_SECONDS, file=sys.__stderr__ or sys.stderr)
    os._exit = report_and_exit  # type: ignore[assignment]  # like the original, it never returns
    try:
        yield
    finally:
        os._exit = original
        if not was_enabled:
            faulthandler.cancel_dump_traceback_later()
            faulthandler.disable()
