"""A table as text, HTML or LaTeX, with numbers as people read them."""

from __future__ import annotations

import html as html_module
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Protocol

import numpy as np

import phantom_core as ph

_DIGITS: Final = 4
_LATEX: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


class RowsInColumns(Protocol):
    """What is laid out."""

    keys: tuple[str, ...]
    units: dict[str, str]
    title: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        ...

    def __iter__(self) -> Iterator[Mapping[str, Any]]: ...

    def __len__(self) -> int: ...


def text(table: RowsInColumns, max_rows: int | None) -> str:
    """Return columns of text: numbers to the right, words to the left; control characters are escaped."""
    rows, rest = _cells(table, max_rows)
    names = [heading(name, table.units) for name in table.columns]
    numeric = _numeric(rows, len(names))
    grid = [names, *([cell for cell, _ in row] for row in rows)]
    grid = [[ph.writing.printable(cell, on_one_line=True) for cell in row] for row in grid]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in grid
    ]
    if not rows:
        lines.append("(no rows)")
    return "\n".join([*lines, rest] if rest else lines)


def html(table: RowsInColumns, max_rows: int | None) -> str:
    """Return a `<table>`; a notebook gives it its style."""
    rows, rest = _cells(table, max_rows)
    numeric = _numeric(rows, len(table.columns))
    title = f"<caption>{html_module.escape(table.title)}</caption>" if table.title else ""
    head = "".join(f"<th>{html_module.escape(heading(n, table.units))}</th>" for n in table.columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align: {"right" if right else "left"}">{html_module.escape(cell)}</td>'
            for (cell, _), right in zip(row, numeric, strict=True)
        )
        + "</tr>\n"
        for row in rows
    )
    more = f"<p>{html_module.escape(rest)}</p>" if rest else ""
    return f"<table>{title}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>{more}"


def latex(table: RowsInColumns) -> str:
    """Return a `tabular` with the rules of booktabs."""
    rows, _ = _cells(table, None)
    numeric = _numeric(rows, len(table.columns))
    lines = [
        rf"\begin{{tabular}}{{{''.join('r' if right else 'l' for right in numeric)}}}",
        r"\toprule",
        _latex_line(heading(name, table.units) for name in table.columns),
        r"\midrule",
        *(_latex_line(cell for cell, _ in row) for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def heading(name: str, units: Mapping[str, str]) -> str:
    """Return the name of a column with its unit.

    >>> heading("price", {"price": "EUR"}), heading("gini", {})
    ('price (EUR)', 'gini')
    """
    return f"{name} ({units[name]})" if units.get(name) else name


def cell_text(value: Any) -> str:
    """Return a value as a short text: numbers with four digits, arrays by their shape.

    >>> [cell_text(value) for value in (3, 0.123456, 1234.56, 2.0, None, float("nan"), "off", True)]
    ['3', '0.1235', '1235', '2', '', 'nan', 'off', 'True']
    >>> cell_text(np.zeros((3, 2)))
    'array 3×2'
    """
    if value is None:
        return ""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"array {'×'.join(map(str, value.shape))}"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        is_large = math.isfinite(number) and 10 ** (_DIGITS - 1) <= abs(number) < 10**6
        return f"{number:.0f}" if is_large else f"{number:.{_DIGITS}g}"
    return str(value)


def _cells(table: RowsInColumns, max_rows: int | None) -> tuple[list[list[tuple[str, bool]]], str]:
    """Return the cells of the first rows, whether each is a number or empty; and how many rows follow."""
    names = table.columns
    rows = [
        [(cell_text(row.get(name)), _is_number(row.get(name))) for name in names]
        for row in islice(table, max_rows)
    ]
    rest = len(table) - len(rows)
    return rows, f"… and {rest:,} more {'row' if rest == 1 else 'rows'}" if rest > 0 else ""


def _is_number(value: Any) -> bool:
    return value is None or (
        isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.bool_))
    )


def _numeric(rows: Sequence[Sequence[tuple[str, bool]]], num_columns: int) -> list[bool]:
    return [bool(rows) and all(row[number][1] for row in rows) for number in range(num_columns)]


def _latex_line(cells: Iterable[str]) -> str:
    escaped = ("".join(_LATEX.get(character, character) for character in cell) for cell in cells)
    return f"{' & '.join(escaped)} \\\\"
