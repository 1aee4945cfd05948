"""Commands that installed distributions add to `phantom`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phantom_core.installed.discovery import installed_entries

SOURCE = '''
import click

@click.command("greet")
@click.argument("name")
def greet(name):
    """Say hello to NAME.

    Twice, if it is loud. Not more.
    """
    click.echo(f"hello {name}")

@click.group("garden")
def garden():
    "Grow things."

@garden.command("grow")
def grow():
    "Grow one."
    click.echo("grown")

not_a_command = 3
'''
COMMANDS = {
    "greet": "acme_commands:greet",
    "garden": "acme_commands:garden",
    "plugins.greet": "acme_commands:greet",
    "town.greet": "acme_commands:greet",
    "broken": "acme_commands:not_a_command",
    "gone": "acme_gone:command",
}


@pytest.fixture(autouse=True)
def acme(fake_distribution: Callable[..., Path]) -> None:
    """A distribution with commands."""
    modules = {"acme_commands": SOURCE}
    fake_distribution("acme", {"phantom_core.commands": COMMANDS}, modules, summary="Greetings for models.")


def test_an_added_command_is_listed_without_being_imported(phantom: Callable[..., Any]) -> None:
    outcome = phantom("--help")
    rows = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert "greet Say hello to NAME." in rows
    assert "garden Grow things." in rows
    assert "broken Greetings for models." in rows  # no function with a docstring: the distribution's summary
    assert "gone Greetings for models." in rows
    assert "plugins.greet Say hello to NAME." not in rows
    assert "greet Say hello to NAME." in [
        " ".join(line.split()) for line in phantom("plugins", "--help").out.splitlines()
    ]
    assert "acme_commands" not in sys.modules


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["greet", "moon"], "hello moon\n"),
        (["plugins", "greet", "sun"], "hello sun\n"),
        (["town", "greet", "mayor"], "hello mayor\n"),
        (["garden", "grow"], "grown\n"),
    ],
)
def test_an_added_command_is_called_like_any_other(
    arguments: list[str], said: str, phantom: Callable[..., Any]
) -> None:
    outcome = phantom(*arguments)
    assert (outcome.code, outcome.out, outcome.err) == (0, said, "")


def test_a_misspelt_command_suggests_an_added_one(phantom: Callable[..., Any]) -> None:
    for above in ([], ["plugins"], ["town"]):
        assert "No such command 'gret'. Did you mean 'greet'?" in phantom(*above, "gret").err


@pytest.mark.parametrize("arguments", [["doctor", "model.py:Market"], ["plugins", "check", "acme"]])
def test_a_command_of_a_distribution_that_is_not_installed_is_told_how_to_install_it(
    arguments: list[str], phantom: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phantom_core.installed.discovery.installed_entries", tuple)
    outcome = phantom(*arguments)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("Error: No such command ")
    assert outcome.err.endswith(". To install it: pip install phantom-testing\n")


def test_what_is_no_command_is_told(phantom: Callable[..., Any]) -> None:
    assert phantom("broken").err == (
        "Error: Command 'broken' of acme 1.0 is 3. Expected a click command: mend its entry point.\n"
    )
    assert phantom("gone").err == (
        "Error: Command 'gone' of acme 1.0 could not be loaded: there is no module acme_gone. Its entry "
        "point says 'acme_gone:command': reinstall acme.\n"
    )


def test_a_disabled_command_says_so(phantom: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHANTOM_DISABLED_PLUGINS", "greet")
    assert phantom("greet", "moon").err == (
        "Error: Command 'greet' of acme 1.0 is disabled: PHANTOM_DISABLED_PLUGINS names it. Change that, or "
        "select another command.\n"
    )


def test_two_distributions_that_add_one_command_are_named(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("zoom", {"phantom_core.commands": {"greet": "zoom:greet"}})
    assert phantom("greet", "moon").err == (
        "Error: 2 distributions offer a command named 'greet': acme 1.0 (acme_commands:greet), zoom 1.0 "
        "(zoom:greet). Choose one: 'acme:greet' or 'zoom:greet'.\n"
    )
    assert phantom("acme:greet", "moon").out == "hello moon\n"


@pytest.mark.parametrize("name", ["acme:greet", "acme:plugins.greet"])
def test_a_nested_command_may_be_called_with_its_distribution(name: str, phantom: Callable[..., Any]) -> None:
    assert phantom("plugins", name, "sun").out == "hello sun\n"


GROUP_HELP = """Usage: phantom town [OPTIONS] COMMAND [ARGS]...

Options:
  -h, --help  Show this message and exit.

Commands:
  greet  Say hello to NAME.
  leave  Ways out of models.
"""


@pytest.fixture
def second_town(fake_distribution: Callable[..., Path]) -> None:
    """Another distribution that adds a command to the group `town`."""
    commands = {"phantom_core.commands": {"town.leave": "zoom_commands:leave"}}
    fake_distribution("zoom", commands, summary="Ways out of models.")


@pytest.mark.usefixtures("second_town")
def test_a_group_is_made_by_the_commands_of_several_distributions(phantom: Callable[..., Any]) -> None:
    rows = phantom("--help").out.splitlines()
    assert "  town      Commands: greet, leave." in rows
    assert phantom("town", "--help") == (0, GROUP_HELP, "")
    assert phantom("town") == (2, "", GROUP_HELP)  # as `phantom` and `phantom plugins` alone do


def test_a_command_of_a_group_is_unknown_without_it_and_with_a_wrong_name(
    phantom: Callable[..., Any],
) -> None:
    tail = "Error: No such command 'leave'. Commands: greet.\n"
    assert phantom("town", "leave").err.endswith(tail)
    assert "No such command 'leave'." in phantom("leave").err


def test_what_a_group_and_another_distribution_call_alike_is_called_with_its_distribution(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("zoom", {"phantom_core.commands": {"town.greet": "zoom:greet"}})
    assert "  town      Commands: greet." in phantom("--help").out.splitlines()
    assert phantom("town", "greet", "mayor").err == (
        "Error: 2 distributions offer a command named 'town.greet': acme 1.0 (acme_commands:greet), zoom 1.0 "
        "(zoom:greet). Choose one: 'acme:town.greet' or 'zoom:town.greet'.\n"
    )
    assert phantom("town", "acme:greet", "mayor").out == "hello mayor\n"


def test_a_group_cannot_have_the_name_of_a_plain_command(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution(
        "zoom", {"phantom_core.commands": {"garden.leave": "zoom:leave", "zoo.see": "zoom:see"}}
    )
    fake_distribution("zzz", {"phantom_core.commands": {"zoo": "zzz:zoo"}})
    assert phantom("garden", "grow").out == "grown\n"
    problems = {entry.name: entry.problem for entry in installed_entries() if entry.distribution == "zoom"}
    assert problems == {
        "garden.leave": "'garden' is a command of acme, so 'garden.leave' cannot be added to it",
        "zoo.see": "'zoo' is a command of zzz, so 'zoo.see' cannot be added to it",
    }
