"""`phantom plugins`: each command is in a module of its own, imported when it is called."""

from __future__ import annotations

from typing import Final

import click

from phantom_core.cli.lazy_group import LazyGroup

_COMMANDS: Final = {
    "list": (
        "phantom_core.cli.plugins_list_command:list_command",
        "List every component and plugin, with its status.",
    ),
    "info": (
        "phantom_core.cli.plugins_info_command:info_command",
        "Show a distribution and what it offers.",
    ),
    "describe": (
        "phantom_core.cli.plugins_describe_command:describe_command",
        "Show the settings of a component.",
    ),
}


@click.group("plugins", cls=LazyGroup, places=_COMMANDS, prefix="plugins.")
def plugins_command() -> None:
    """Show what is installed, and how to set it."""
