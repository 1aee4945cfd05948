"""Every command and option is documented."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from phantom_core.cli.main import phantom

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/command_line.md"


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


ALL = dict(commands(phantom, "phantom"))


@pytest.mark.parametrize("name", ALL)
def test_every_option_of_a_command_is_documented_in_its_section(name: str) -> None:
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")
    (section,) = [text for text in sections if text.startswith((f"`{name}`", f"`{name} "))]
    options = [param.opts[-1] for param in ALL[name].params if isinstance(param, click.Option)]
    wanted = [option for option in options if option not in ("--verbose", "--help")]
    assert [option for option in wanted if f"`{option}" not in section] == []


def test_every_section_is_of_a_command() -> None:
    titles = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("## `")]
    assert len(titles) == len(ALL)


def test_every_finding_of_the_doctor_of_plugins_is_documented() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    folder = PAGE.parents[2] / "phantom_core" / "testing"
    source = "".join((folder / name).read_text() for name in ("diagnose_plugins.py", "metadata_checks.py"))
    made = set(re.findall(r'"([a-z]+(?:-[a-z]+)*)",\s+"(error|warning|note)"', source))
    assert set(rows) == {(check, severity) for check, severity in made if check not in ("error", "warning")}
