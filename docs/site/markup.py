"""From docstrings to pages: what a docstring says of fields, tables, and Markdown in Sphinx's language."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)
_CODE: Final = re.compile(r"(``.+?``|`[^`]+`)")


def table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [heading, tuple("---" for _ in heading), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines)


def sentence(text: str) -> str:
    """Return a text on one line that starts with a capital letter and ends with a full stop."""
    line = " ".join(text.split()).rstrip(".")
    first = line[:1].upper() if line[:1].isascii() else line[:1]  # ε is no E
    return f"{first}{line[1:]}."


def attributes(docstring: str) -> dict[str, str]:
    """Return what the section `Attributes:` of a docstring says, by name."""
    section = docstring.partition("Attributes:\n")[2].partition("\n\n")[0]
    return {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(section)}


def plain_docstring(
    _app: Any, what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Turn a docstring, which marks code as Markdown does, into what Sphinx reads."""
    lines[:] = translated(lines)
    if what in ("attribute", "data", "property"):
        lines.insert(0, "\\ ")  # nothing: napoleon takes what is before a colon in the first line for a type


def translated(lines: Iterable[str]) -> Iterator[str]:
    """Return the lines with fenced and indented code as directives, and Sphinx's own marks escaped."""
    place, margin, before = "prose", "", ["", ""]
    for line in lines:
        stripped = line.strip()
        if stripped.startswith("```") and place != "indented":
            place = "prose" if place == "fenced" else "fenced"
            yield from ("", f".. code-block:: {stripped[3:]}", "") if place == "fenced" else ("",)
        elif place == "fenced":
            yield f"    {line}"
        else:
            if place == "indented" and stripped and not line.startswith(margin):
                place = "prose"
            elif place == "prose" and before[0].endswith(":") and not before[1] and line.startswith("    "):
                place, margin = "indented", line[: len(line) - len(line.lstrip())]
                yield from (f"{margin[4:]}.. code-block:: python", "")
            yield line if place == "indented" or stripped.startswith(">>>") else _escaped(line)
        before = [before[1], stripped]


def _escaped(line: str) -> str:
    parts = _CODE.split(line)
    parts[::2] = [re.sub(r"([*|]|(?<=\w)_(?=\W|$))", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)
