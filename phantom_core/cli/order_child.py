"""Run as a process of its own by `phantom plugins order`: attaches what a run would, and says the order."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from phantom_core.errors import PhantomError
from phantom_core.installed.discovery import installed_entries
from phantom_core.training.components import Components
from phantom_core.training.run_file import RunFile
from phantom_core.training.train import attach_observers, attach_record


def main() -> None:
    """Read what to attach from the standard input; write who implements the hook to the standard output."""
    request = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        try:
            answer: dict[str, Any] = {"order": _order(request)}
        except PhantomError as error:
            answer = {"error": str(error)}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def _order(request: dict[str, Any]) -> list[dict[str, str]]:
    table: dict[str, Any] = {"env": "", "trainer": {"name": ""}, "iterations": 1}
    run_file = RunFile(Path("phantom.toml"), table, {}, {})
    if request["file"] is not None:
        run_file = RunFile.read(Path(request["file"]))
    if request["loggers"]:
        run_file.set("loggers", request["loggers"], "--logger")
    if request["places"]:
        run_file.add_hooks(request["places"], "-p")
    settings = run_file.settings()
    components = Components(run_file.plugin_settings(), folder=run_file.folder, start="the run file")
    attach_observers(settings, components)
    attach_record(settings, components)  # as in every run with a run directory
    origins = {e.qualified_name: f"installed with {e.distribution} {e.version}" for e in installed_entries()}
    origins |= {c.name: f"{c.kind} of {c.provider}" for c in components.used}
    return [
        {
            "plugin": found.plugin_name,
            "why": found.place,
            "origin": origins.get(found.plugin_name, "named by its place"),
        }
        for found in components.manager.subscribers()[request["hook"]]
    ]


if __name__ == "__main__":
    main()
