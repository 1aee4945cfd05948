"""Sends what a study uses to other processes: by name where that is possible, else by value."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

import cloudpickle

import phantom_core as ph


def pickled(value: Any) -> bytes:
    """Return a value as another process is sent it.

    Classes and functions that the process can import are sent by name; lambdas, functions within functions,
    and what is defined in a notebook, by value.

    Raises:
        ConfigError: if it cannot be pickled.
    """
    content = io.BytesIO()
    try:
        _Pickler(content).dump(value)
    except Exception as error:  # whatever pickling raises about a user's object
        raise ph.errors.ConfigError(
            f"The study cannot be sent to another process: {ph.tools.error_text(error)}. Define what it uses "
            "at the top level of a module, or use workers=1."
        ) from error
    return content.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """Pickles by value only what has no name in a module that another process can import."""

    def reducer_override(self, obj: Any) -> Any:
        """Leave classes and functions with an importable name to pickle, which sends the name."""
        if isinstance(obj, (type, FunctionType)) and _has_name(obj):
            place = ph.tools.reference_to(obj) or ""
            if place.rpartition(":")[0].endswith(".py"):  # of a file that no module name leads to
                return _loaded, (place,)
            return NotImplemented
        return super().reducer_override(obj)


def _loaded(place: str) -> Any:
    return ph.tools.load_reference(place, setting="A part of the study", folder=Path())


def _has_name(obj: type | FunctionType) -> bool:
    module = sys.modules.get(obj.__module__ or "")
    if obj.__module__ == "__main__" and not getattr(module, "__file__", None):
        return False  # a notebook, or `python -c`
    found: Any = module
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is obj
