"""`hook_order`: which plugins implement a hook in a run, in the order in which they are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from phantom_core.errors import ConfigError, did_you_mean
from phantom_core.hooks.hookspecs import LIFE_CYCLE_HOOKS
from phantom_core.installed.discovery import installed_entries
from phantom_core.training.components import Components
from phantom_core.training.run_file import RunFile
from phantom_core.training.train import attach_observers


class CalledPlugin(NamedTuple):
    """One plugin that implements a hook."""

    plugin: str  # its name, as in messages and in `run.json`
    why: str  # what determines its position: `by name`, `tryfirst` or `trylast`
    origin: str  # why it takes part, such as `installed with acme 1.0` or `logger of acme 1.0`


def hook_order(
    hook: str, *, run_file: str | Path | None = None, loggers: Sequence[str] = (), hooks: Sequence[str] = ()
) -> list[CalledPlugin]:
    """Return the plugins that implement a hook in a run, in the order in which they are called.

    Those are the installed plugin objects, the logger `jsonl`, which every run with a run directory has, and
    what the run file and the arguments name. All of them are imported and built as in a run.

    Args:
        hook: a life-cycle hook, such as `"on_metrics"`.
        run_file: the run file. None for a run without loggers, hooks and `[plugins]` of its own.
        loggers: names of loggers, instead of those of the run file.
        hooks: hooks besides those of the run file: names, or references that start from the current folder.

    Returns:
        One entry for each plugin, with its name (`plugin`), what determines its position (`why`) and why it
        takes part (`origin`). Empty if no plugin implements the hook.

    Raises:
        ConfigError: if there is no such hook, the run file cannot be read, or a setting in it is wrong.
        PluginError: if a logger or hook cannot be imported or built.
    """
    if hook not in LIFE_CYCLE_HOOKS:
        raise ConfigError(
            f"There is no hook {hook!r} of runs.{did_you_mean(hook, LIFE_CYCLE_HOOKS)} There are: "
            f"{', '.join(LIFE_CYCLE_HOOKS)}."
        )
    nothing: dict[str, Any] = {"env": "", "trainer": {"name": ""}, "iterations": 1}
    empty = RunFile(Path("phantom.toml"), nothing, {}, {})
    file = empty if run_file is None else RunFile.read(Path(run_file))
    if loggers:
        file.set("loggers", list(loggers), "--logger")
    if hooks:
        file.add_hooks(hooks, "-p")
    settings = file.settings()
    components = Components(file.plugin_settings(), folder=file.folder, start="the run file")
    attach_observers(settings, components)
    components.attach_record(settings.logger_config)  # as in every run with a run directory
    origins = {e.qualified_name: f"installed with {e.distribution} {e.version}" for e in installed_entries()}
    origins |= {c.name: f"{c.kind} of {c.provider}" for c in components.used}
    return [
        CalledPlugin(found.plugin_name, found.place, origins.get(found.plugin_name, "named by its place"))
        for found in components.manager.subscribers()[hook]
    ]
