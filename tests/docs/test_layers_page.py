"""The page for readers of the code names every layer, in the order that import-linter holds."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "where_to_start_reading.md"


def test_every_layer_is_named_in_its_place() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = [contract for contract in settings["contracts"] if contract["id"] == "layers"]
    layers = [re.findall(r"\w+", line) for line in contract["layers"]]
    (block,) = re.findall(r"```text\n(cli,.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    named = [re.split(r", ", re.split(r" {2,}", line)[0]) for line in block.splitlines()]
    assert named == layers[1:]  # not __main__


def test_every_distribution_is_in_the_picture_and_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    names = [path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")]
    assert [name for name in names if name not in page] == []
    assert [name for name in names if f"| [`{name}`](plugins/{name}/README.md) |" not in readme] == []
