"""The last lines of `metrics.jsonl`, read without those before them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

import msgspec

from phantom_core.errors import RunDirectoryError
from phantom_core.hooks.events import MetricsRecorded
from phantom_core.reading import MAX_BYTES

BLOCK: Final = 1 << 16
"""So many bytes are read from the end of the file; more only if there is no whole line in them."""


class _Row(msgspec.Struct):
    """A line of `metrics.jsonl`."""

    iteration: int
    env_steps: int
    values: dict[str, float]


class _OddRow(msgspec.Struct):
    """A line with a value that JSON has no number for."""

    iteration: int
    env_steps: int
    values: dict[str, float | Literal["nan", "inf", "-inf"]]


_decode: Final = msgspec.json.Decoder(_Row).decode
_decode_odd: Final = msgspec.json.Decoder(_OddRow).decode


def decode_row(line: bytes) -> MetricsRecorded:
    """Return what a line says, with NaN and infinities as floats; raise `ValueError` if it is none."""
    try:
        row = _decode(line)
    except msgspec.ValidationError:  # most lines have numbers only
        odd = _decode_odd(line)
        row = _Row(odd.iteration, odd.env_steps, {name: float(value) for name, value in odd.values.items()})
    return MetricsRecorded(iteration=row.iteration, env_steps=row.env_steps, values=row.values)


def newest_rows(path: Path) -> list[MetricsRecorded]:
    """Return the last rows of a file, in order; none without one. What is no whole line is left out.

    Raises:
        RunDirectoryError: if the file cannot be read.
    """
    if not path.is_file():
        return []
    try:
        with path.open("rb") as file:
            size, length = file.seek(0, os.SEEK_END), BLOCK
            while True:
                start = file.seek(max(0, size - length))
                lines = file.read(size - start).split(b"\n")
                rows = _whole(lines[1:] if start else lines)  # a block begins inside of a line
                if rows or start == 0 or length >= MAX_BYTES:
                    return rows
                length *= 8
    except OSError as error:
        raise RunDirectoryError(f"{path} cannot be read: {error.strerror}.") from error


def _whole(lines: list[bytes]) -> list[MetricsRecorded]:
    rows = []
    for line in lines:
        try:
            rows.append(decode_row(line))
        except (ValueError, RecursionError):
            continue
    return rows
