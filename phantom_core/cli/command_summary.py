"""What a command of a distribution does, in a sentence, without importing it."""

from __future__ import annotations

import ast
from pathlib import Path

from phantom_core.importing import find_module, split_target
from phantom_core.installed.discovery import InstalledEntry


def command_summary(entry: InstalledEntry) -> str:
    """Return the first sentence of a command's docstring, or else the summary of its distribution.

    The docstring is read from the source of the command, which is a function at the top of a module.
    """
    fallback = entry.summary or f"Of {entry.distribution} {entry.version}."
    module_name, attribute = split_target(entry.target)
    try:
        spec = find_module(module_name)
        origin = "" if spec is None else spec.origin or ""
        tree = ast.parse(Path(origin).read_bytes())
    except Exception:  # no source code, or none that can be read
        return fallback
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == attribute:
            sentence, dot, _ = " ".join((ast.get_docstring(statement) or "").split()).partition(". ")
            return f"{sentence}." if dot else sentence or fallback
    return fallback
