"""What reads files that somebody else may have written: nothing is waited for, and memory is bounded."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["MAX_BYTES", "read_file", "read_lines"]

MAX_BYTES: Final = 1 << 26
"""The most bytes that a file, or a line, may have: 64 MiB."""


def read_file(path: Path) -> bytes:
    """Return what is in a file.

    Raises:
        OSError: if it cannot be read, is no regular file, such as a pipe, or has more than `MAX_BYTES`.
    """
    with _opened(path) as file:
        size = min(os.fstat(file.fileno()).st_size, MAX_BYTES)
        return _bounded(file.read(size + 1), path)  # which takes room for so many bytes at once


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, each with its end; the last one may have none.

    Raises:
        OSError: if it cannot be read, is no regular file, or has a line with more than `MAX_BYTES`.
    """
    with _opened(path) as file:
        while line := file.readline(MAX_BYTES + 1):
            yield _bounded(line, path)


def _opened(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return open(descriptor, "rb")  # noqa: PTH123  a descriptor
    os.close(descriptor)
    number = errno.EISDIR if stat.S_ISDIR(mode) else 0
    raise OSError(number, os.strerror(number) if number else "It is no regular file", str(path))


def _bounded(content: bytes, path: Path) -> bytes:
    if len(content) > MAX_BYTES:
        raise OSError(0, f"It has more than {MAX_BYTES:,} bytes", str(path))
    return content
