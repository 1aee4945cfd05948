"""Every command and option is documented."""

import re
from pathlib import Path
from types import ModuleType

import click

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/command_line.md"


def test_every_option_of_a_command_is_documented_in_its_section(reference_blocks: ModuleType) -> None:
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")
    missing = []
    for name, command in reference_blocks.commands().items():
        (section,) = [text for text in sections if text.startswith((f"`{name}`", f"`{name} "))]
        options = [", ".join(param.opts) for param in command.params if isinstance(param, click.Option)]
        wanted = [option for option in options if not option.endswith(("--verbose", "--help"))]
        missing += [f"{name} {option}" for option in wanted if f"`{option}" not in section]
    assert missing == []


def test_every_section_is_of_a_command(reference_blocks: ModuleType) -> None:
    titles = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("## `")]
    assert len(titles) == len(reference_blocks.commands())


def test_every_finding_of_the_doctor_of_plugins_is_documented() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    folder = PAGE.parents[2] / "plugins" / "phantom-testing" / "phantom_testing"
    source = "".join((folder / name).read_text() for name in ("diagnose_plugins.py", "metadata_checks.py"))
    made = set(re.findall(r'"([a-z]+(?:-[a-z]+)*)",\s+"(error|warning|note)"', source))
    assert set(rows) == {(check, severity) for check, severity in made if check not in ("error", "warning")}
