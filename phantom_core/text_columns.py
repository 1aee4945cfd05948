"""Text in columns."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text as columns, each as wide as its longest text and two spaces apart.

    An empty list of rows is an empty text.

    >>> print(aligned([("a", "long"), ("word", "b")]))
    a     long
    word  b
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
