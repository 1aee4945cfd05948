"""What loggers write with: a queue that retries, an append that leaves no half a line, temporary names.

A disk may be full for a second, or a server away for a minute. The dispatcher contains the exception and
calls the logger again with the next event, but repeats no event; the queue keeps what was not written:

    lines = ph.writing.RetryQueue(functools.partial(ph.writing.append, path), name="my-logger")
    lines.write(line)  # in on_metrics
    with lines.closing():  # in on_train_end
        ...  # close what has to be closed
"""

from __future__ import annotations

import logging
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Generic, TypeVar

from phantom_core.errors import HookError, error_text

__all__ = [
    "MAX_KEPT",
    "RetryQueue",
    "append",
    "cut_back",
    "drop_broken_line",
    "locked",
    "printable",
    "temporary_beside",
]

T = TypeVar("T")

MAX_KEPT: Final = 10_000
"""The most items that a `RetryQueue` keeps; a longer failure loses the oldest."""

_log = logging.getLogger("phantom_core")


class RetryQueue(Generic[T]):
    """Writes items in order, each once; keeps those that fail and writes them first next time.

    An item is kept whatever the write raises, except for a `TypeError` or `ValueError`: then the item itself
    is wrong, and it is dropped so that it does not block the others. Not thread-safe.
    """

    def __init__(self, write: Callable[[T], None], *, name: str) -> None:
        """Create an empty queue; `write` writes one item whole, or raises; `name` is that of the logger."""
        self._write = write
        self._name = name
        self._items: deque[T] = deque(maxlen=MAX_KEPT)
        self._num_lost = 0

    def write(self, item: T) -> None:
        """Write the kept items, then this one; keep what is left if a write raises, and raise that."""
        if len(self._items) == MAX_KEPT:
            self._num_lost += 1
        self._items.append(item)  # a full deque drops its oldest item
        self._flush()

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Write the kept items, run the block, and raise HookError if items are left: how many, and why.

        The block runs in any case: close files and connections in it. The queue is empty afterwards. The
        error replaces an exception of the block.
        """
        cause: BaseException | None = None
        try:
            self._flush()
        except BaseException as error:  # raised below, after the block
            cause = error
        num_lost = len(self._items) + self._num_lost
        self._items.clear()
        self._num_lost = 0
        try:
            yield
        except Exception:
            if cause is None:
                raise
        if isinstance(cause, Exception) and num_lost:
            message = f"{_events(num_lost)} not written: {error_text(cause)}."
            raise HookError(message, plugin=self._name) from cause
        if cause is not None:
            raise cause

    def _flush(self) -> None:
        while self._items:
            try:
                self._write(self._items[0])
            except (TypeError, ValueError):
                self._items.popleft()
                raise
            self._items.popleft()
        if self._num_lost:
            _log.warning(
                "Logger %r lost the oldest %s: it keeps %s at most while it cannot write.",
                self._name, "event" if self._num_lost == 1 else f"{self._num_lost:,} events", f"{MAX_KEPT:,}",
            )  # fmt: skip
            self._num_lost = 0


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let nobody else who asks for it have a folder while the block runs; the end of the process ends it.

    Where there are no locks, as on Windows and some file systems, everybody has it.

    Raises:
        BlockingIOError: if somebody else has it, in this process or another.
    """
    try:
        import fcntl  # not on Windows
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(descriptor)


def append(path: Path, content: bytes) -> None:
    """Append to a file, created if it is missing: all of the content, or nothing if it raises OSError."""
    with path.open("ab", buffering=0) as file:  # a buffer would write its rest later
        end, num_written = file.seek(0, os.SEEK_END), 0
        try:
            while num_written < len(content):  # a full disk may take a part
                num_written += file.write(content[num_written:])
        finally:
            if num_written < len(content) and file.tell() != end:
                file.truncate(end)


def cut_back(path: Path, size: int) -> None:
    """Remove what was appended to a file since it had so many bytes; warn if it has fewer, or is missing."""
    found = path.stat().st_size if path.exists() else 0
    if found < size:
        _log.warning(
            "%s has %s of the %s bytes that it had when the checkpoint was written. What is missing stays "
            "missing; the run goes on.",
            path, f"{found:,}", f"{size:,}",
        )  # fmt: skip
    elif found > size:
        os.truncate(path, size)


def drop_broken_line(path: Path) -> None:
    """Remove what follows the last line end of a file: a line that was cut off in mid-write."""
    with path.open("rb+") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def temporary_beside(path: Path, ending: str = "") -> Path:
    """Return a new name beside a file or folder, to write to before it is renamed.

    What a killed run leaves under such a name in its run directory is removed when the next run starts.

    >>> name = temporary_beside(Path("runs", "metrics.csv")).as_posix()
    >>> name.startswith("runs/.metrics.csv-"), len(name)
    (True, 26)
    """
    return path.with_name(f".{path.name}-{secrets.token_hex(4)}{ending}")


def printable(text: str, *, on_one_line: bool = False) -> str:
    r"""Return a text that only prints: what would steer a terminal, or hide a part, is escaped.

    Line ends are kept, unless it is to be on one line.

    >>> print(printable("SHOP\x1b]0;title\x07\n\u202egnp"))
    SHOP\x1b]0;title\x07
    \u202egnp
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or (c == "\n" and not on_one_line) else repr(c)[1:-1] for c in text)


def _events(count: int) -> str:
    return "1 event was" if count == 1 else f"{count:,} events were"
