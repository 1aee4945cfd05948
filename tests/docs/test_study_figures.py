"""The figures of the pages about studies are those that their code draws, and their tables what it prints."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from phantom_core.cli.main import phantom

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for page in (ROOT / "docs/howto").glob("*.md")
    if "import phantom_experiments as px" in page.read_text(encoding="utf-8")
    and f"(../images/{page.stem}.svg)" in page.read_text(encoding="utf-8")
)


def labels(drawing: str) -> list[str]:
    """Return the texts in a drawing; where lines are depends on the version of matplotlib."""
    return re.findall(r"<title>(.*?)</title>", drawing) + re.findall(r">([^<>]+)</text>", drawing)


def test_there_are_pages_with_figures() -> None:
    assert {page.stem for page in PAGES} >= {
        "compare_two_rules",
        "run_a_grid",
        "shock_a_model",
        "simulate_without_learning",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_shows_the_figure_and_the_table_of_its_code(
    page: Path,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (code,) = (block for block in blocks if f"{page.stem}.svg" in block)
    exec(compile(code, page.name, "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102  our own docs
    drawn = (tmp_path / f"{page.stem}.svg").read_text(encoding="utf-8")
    picture = ROOT / f"docs/images/{page.stem}.svg"
    if request.config.getoption("--update-golden"):
        picture.write_text(drawn, encoding="utf-8")
    shown = picture.read_text(encoding="utf-8")
    assert labels(shown) == labels(drawn)
    assert "prefers-color-scheme: dark" in shown
    printed = re.findall(r"^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    output = capsys.readouterr().out.rstrip()
    assert [part.rstrip() for part in printed] == ([output] if printed else [])


def test_the_table_of_the_readme_is_what_its_commands_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/howto/compare_two_rules.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^study = ", page, re.DOTALL | re.MULTILINE)
    Path("auction.py").write_text(code, encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```console\n(\$ phantom simulate .*?)^```", readme, re.DOTALL | re.MULTILINE)
    shown: dict[str, str] = {}
    for part in block.replace("\\\n", "").split("$ phantom ")[1:]:
        command, _, output = part.partition("\n")
        done = CliRunner().invoke(phantom, shlex.split(command), standalone_mode=False)
        assert not done.exception
        shown[command.split()[0]] = done.output
        assert command.split()[0] != "table" or done.output == output
    assert list(shown) == ["simulate", "table", "plot"]
