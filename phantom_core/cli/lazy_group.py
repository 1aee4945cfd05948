"""A group of commands that are imported when they are used, so that `--help` is instant."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from phantom_core.importing import find_module, import_object, split_target

if TYPE_CHECKING:
    from phantom_core.installed.discovery import InstalledEntry

VERBOSE: Final = click.option(
    "-v", "--verbose", is_flag=True, expose_value=False, help="Show the full traceback of an error."
)
"""An option of every command that may fail; `main` looks at it."""

TRUST: Final = click.option(
    "--trust", is_flag=True, help="Import all that the run names, though it was not written here."
)
"""An option of commands that load a run."""


class LazyGroup(click.Group):
    """A group that knows its own commands by name, and those that installed distributions add to it.

    A distribution adds a command in the entry-point group `phantom_core.commands`: `tally` is a command of
    `phantom`, `plugins.tally` one of `phantom plugins`. `runs.tally` makes the group `phantom runs`, to which
    other distributions may add commands too. Only the command that is called is imported.
    """

    def __init__(self, *, places: Mapping[str, tuple[str, str]], prefix: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.places = places  # by name: where an own command is (`package.module:attribute`), what it does
        self.prefix = prefix  # of the names of added commands, such as `plugins.`; empty for `phantom`

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order in which they are shown."""
        return list(self._summaries())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; an unknown one is an error that names the nearest."""
        name = args[0]
        if name not in self.places and not name.startswith("-"):
            summaries = self._summaries()
            if self._bare(name) not in summaries:
                from phantom_core.errors import did_you_mean
                from phantom_core.installed.registry import DISTRIBUTION_BY_COMMAND

                nearest, commands = did_you_mean(name, summaries), ", ".join(summaries)
                distribution = DISTRIBUTION_BY_COMMAND.get(f"{self.prefix}{self._bare(name)}")
                advice = f" To install it: pip install {distribution}" if distribution else ""
                ctx.fail(f"No such command {name!r}.{nearest} Commands: {commands}.{advice}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None: there is none of this name."""
        if cmd_name in self.places:
            command: click.Command = import_object(self.places[cmd_name][0])
            return command
        if cmd_name in self._added_groups():
            return LazyGroup(name=cmd_name, places={}, prefix=f"{cmd_name}.")
        if self._bare(cmd_name) not in self._summaries():
            return None
        from phantom_core.hooks.plugin_manager import PluginManager

        distribution, colon, _ = cmd_name.rpartition(":")
        name = f"{distribution}{colon}{self.prefix}{self._bare(cmd_name)}"
        added: click.Command = PluginManager().registry.find("command", name).load()
        return added

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries().items()))

    def _bare(self, name: str) -> str:
        """Return a command's name without its distribution, which is given where two add one command."""
        return name.rpartition(":")[2].removeprefix(self.prefix)

    def _summaries(self) -> dict[str, str]:
        """Return the summary by name: own commands first, then those of distributions.

        The summary of a group that distributions make is the list of its commands.
        """
        found = {name: summary for name, (_, summary) in self.places.items()}
        for name, entry in self._added():
            if "." not in name:
                found.setdefault(name, _summary(entry))
        groups = self._added_groups()
        return found | {name: f"Commands: {', '.join(groups[name])}." for name in sorted(groups)}

    def _added_groups(self) -> dict[str, list[str]]:
        """Return the groups that distributions make by adding commands to them, with these commands."""
        found: dict[str, set[str]] = {}
        for name, _ in self._added():
            group, dot, command = name.partition(".")
            if dot and group not in self.places:
                found.setdefault(group, set()).add(command)
        return {group: sorted(commands) for group, commands in found.items()}

    def _added(self) -> Iterator[tuple[str, InstalledEntry]]:
        """Yield the added commands, by their names in this group; `GROUP.COMMAND` is in a group below."""
        from phantom_core.installed.discovery import installed_entries

        for entry in installed_entries():
            if entry.kind == "command" and entry.name.startswith(self.prefix) and not entry.problem:
                yield entry.name.removeprefix(self.prefix), entry


def _summary(entry: InstalledEntry) -> str:
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
