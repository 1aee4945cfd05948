"""Nothing in the repository depends on the machine it was written on."""

import re
import subprocess
from pathlib import Path

import pytest

MACHINE_PATH = re.compile(r"(?<![\w.~*$)}-])/(?:home|root|tmp|work|Users)/")
PACKAGE_INDEX = re.compile(r"--(?:extra-)?index-url|/simple(?:/|\b)|pythonhosted[.]org")


def text_files(repository: Path) -> list[Path]:
    """List the files that git tracks or would track."""
    if not (repository / ".git").exists():
        pytest.skip("this is not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    paths = [repository / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()]


def lines_with(pattern: re.Pattern[str], repository: Path) -> list[str]:
    return [
        f"{path.relative_to(repository)}:{number}: {line.strip()}"
        for path in text_files(repository)
        if path.name != Path(__file__).name
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_folder_of_one_machine(repository: Path) -> None:
    assert lines_with(MACHINE_PATH, repository) == []


def test_no_file_names_a_package_index(repository: Path) -> None:
    """Where packages come from is the user's own setting of pip."""
    assert lines_with(PACKAGE_INDEX, repository) == []


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("open('/tmp/x')", True),
        ("cd /work/main", True),
        ("~/work/x", False),
        ("https://example.org/work/x", False),
    ],
)
def test_only_absolute_paths_are_found(text: str, is_found: bool) -> None:  # noqa: FBT001
    assert bool(MACHINE_PATH.search(text)) == is_found
