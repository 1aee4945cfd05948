"""A group of commands that are imported when they are used, so that `--help` is instant."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that knows its commands by name, and imports the one that is called.

    Attributes:
        places: by name, where the command is (`package.module:attribute`), and what it does.
    """

    def __init__(self, *, places: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(**options)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order in which they are shown."""
        return list(self.places)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; one that there is not is refused with the nearest name."""
        name = args[0]
        if name not in self.places and not name.startswith("-"):
            from phantom_core.errors import did_you_mean

            commands = ", ".join(self.places)
            ctx.fail(f"No such command {name!r}.{did_you_mean(name, self.places)} Commands: {commands}.")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None: there is none of this name."""
        if cmd_name not in self.places:
            return None
        module_name, _, attribute = self.places[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module_name), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.places.items()])
