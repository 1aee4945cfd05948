"""The directory of a study: `StudyStore` writes its tables in order and goes on where it stopped."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

FORMAT: Final = 1
"""The version of what is in the directory."""

HEADER: Final = "study.json"
PROGRESS: Final = "progress.json"
TABLES: Final = ("episodes", "agents", "steps")
"""The tables, each in a file of JSON lines."""

MAX_ARRAYS: Final = 10_000
"""A file of arrays is full when it has so many, or `MAX_ARRAY_BYTES`."""

MAX_ARRAY_BYTES: Final = 1 << 24
MAX_WAITING_BYTES: Final = 1 << 20
"""So much is kept before it is written; less if a second passed."""

_FLUSH_SECONDS: Final = 1.0
_FLUSH_SHARE: Final = 20  # writing takes a 20th of the time at most
_ENCODER = msgspec.json.Encoder()
_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

TableRows: TypeAlias = bytes | Sequence[Mapping[str, Any]]
"""Rows of one table: lines that are encoded already, or rows among whose values are arrays."""


def encode_rows(rows: Sequence[Mapping[str, Any]]) -> TableRows:
    """Return rows as JSON lines; as they are if there are arrays among their values."""
    try:
        lines = _ENCODER.encode_lines(rows)
    except (TypeError, OverflowError):  # an array, or an integer with too many bits
        if any(isinstance(value, np.ndarray) for row in rows for value in row.values()):
            return rows
        lines = b"null"
    if b"null" in lines:  # None; or what is no number, or infinite, which it writes as null
        return "".join([f"{_ENCODE(row)}\n" for row in rows]).encode()
    return lines


class StudyStore:
    """Writes the tables of a study, task by task in order.

    What was written by `flush` is whole: a study that was killed goes on from there, and its files are in
    the end, byte for byte, those of a study that was not killed.

    Attributes:
        directory: where the tables are.
        tasks: how many tasks are written, those that wait for the next flush included.
    """

    def __init__(self, directory: Path, header: Mapping[str, Any], progress: Mapping[str, Any]) -> None:
        """Use `create` or `resume`; raise `ConfigError` if another process writes to the directory."""
        self.directory = directory
        self._lock = contextlib.ExitStack()
        try:
            self._lock.enter_context(ph.writing.locked(directory))
        except BlockingIOError:
            raise ph.errors.ConfigError(
                f"out is {str(directory)!r}, where this study is being played now. Wait for its end, or give "
                "another out."
            ) from None
        self.header = dict(header)
        self.tasks = int(progress["tasks"])
        self._waiting: dict[str, list[bytes]] = {table: [] for table in TABLES}
        self._num_waiting = 0
        self._sizes = {table: int(progress["sizes"][table]) for table in TABLES}
        self._arrays = {
            table: ArrayFiles(directory / "arrays", table, *progress["arrays"][table]) for table in TABLES
        }
        self._next_flush = time.monotonic() + _FLUSH_SECONDS

    @classmethod
    def create(cls, directory: Path, header: Mapping[str, Any]) -> StudyStore:
        """Begin a study in an empty or missing directory.

        Raises:
            ConfigError: if there is something in the directory, or it cannot be written.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
            is_empty = not any(directory.iterdir())
        except OSError as error:
            raise ph.errors.ConfigError(
                f"out is {str(directory)!r}, which is no folder that can be written: {error.strerror}. Give "
                "a folder that is empty or does not exist."
            ) from error
        if not is_empty:
            raise ph.errors.ConfigError(
                f"out is {str(directory)!r}, and there is something in it that is no study. Give a folder "
                "that is empty or does not exist."
            )
        nothing = {"tasks": 0, "sizes": dict.fromkeys(TABLES, 0), "arrays": dict.fromkeys(TABLES, (0, 0))}
        store = cls(directory, {"format": FORMAT, "status": "running", **header}, nothing)
        store._write_header()
        for table in TABLES:
            store._path(table).touch()
        store._write_progress()
        return store

    @classmethod
    def resume(cls, directory: Path) -> StudyStore:
        """Go on with a study that was interrupted: what was not written whole is cut off.

        Raises:
            ConfigError: if its files are damaged.
        """
        header = read_header(directory)
        with contextlib.ExitStack() as stack:
            try:
                progress = json.loads((directory / PROGRESS).read_bytes())
                store = cls(directory, header, progress)
                stack.push(store._lock)
                store._cut_back()
            except ph.errors.ConfigError:
                raise
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise _damaged(directory, error) from error
            stack.pop_all()
        store.header["status"] = "running"
        store._write_header()
        return store

    def write(self, rows: Mapping[str, TableRows]) -> None:
        """Write the rows of the next task, by table."""
        for table, of_table in rows.items():
            lines = of_table if isinstance(of_table, bytes) else self._encode(table, of_table)
            self._waiting[table].append(lines)
            self._num_waiting += len(lines)
        self.tasks += 1
        if self._num_waiting > MAX_WAITING_BYTES or time.monotonic() > self._next_flush:
            self.flush()

    def stored_episodes(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of the episodes of each task that is written; arrays as their places."""
        lines = ph.reading.read_lines(self._path("episodes"))
        rows = map(json.loads, lines)
        for _, own in groupby(rows, key=lambda row: (row["point"], row["treatment"], row["seed"])):
            yield list(own)

    def flush(self) -> None:
        """Write everything to the disk."""
        started = time.monotonic()
        for arrays in self._arrays.values():
            arrays.save()
        for table, parts in self._waiting.items():
            if parts:
                content = b"".join(parts)
                ph.writing.append(self._path(table), content)
                self._sizes[table] += len(content)
                parts.clear()
        self._num_waiting = 0
        self._write_progress()
        ended = time.monotonic()
        self._next_flush = ended + max(_FLUSH_SECONDS, _FLUSH_SHARE * (ended - started))

    def close(self, status: str, **facts: Any) -> None:
        """Write everything, and how the study ended: `"completed"` or `"interrupted"`."""
        self.flush()
        self.header |= {"status": status, **facts}
        self._write_header()
        self._lock.close()

    def discard(self, *, keeps_folder: bool) -> None:
        """Remove a study of which nothing is written."""
        assert not self.tasks
        self._lock.close()
        for name in (HEADER, PROGRESS, *(self._path(table).name for table in TABLES)):
            (self.directory / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else is in it
            if not keeps_folder:
                self.directory.rmdir()

    def _encode(self, table: str, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """Return rows as lines, and keep their arrays."""
        extract = self._arrays[table].extract
        return "".join([f"{_ENCODE(extract(row))}\n" for row in rows]).encode()

    def _cut_back(self) -> None:
        for table, size in self._sizes.items():
            found = self._path(table).stat().st_size
            if found < size:
                raise ValueError(f"{table}.jsonl has {found:,} of {size:,} bytes")
            os.truncate(self._path(table), size)

    def _path(self, table: str) -> Path:
        return self.directory / f"{table}.jsonl"

    def _write_header(self) -> None:
        _replace(self.directory / HEADER, json.dumps(self.header, indent=1, ensure_ascii=False).encode())

    def _write_progress(self) -> None:
        progress = {
            "tasks": self.tasks,
            "sizes": self._sizes,
            "arrays": {table: arrays.position for table, arrays in self._arrays.items()},
        }
        _replace(self.directory / PROGRESS, json.dumps(progress).encode())


def _damaged(directory: Path, error: Exception) -> ph.errors.ConfigError:
    return ph.errors.ConfigError(
        f"The study in {directory} cannot go on: {ph.tools.error_text(error)}. Give another out, and play it "
        "anew."
    )


class ArrayFiles:
    """Keeps the arrays of a table in numbered `.npz` files; each is full after so many arrays or bytes."""

    def __init__(self, folder: Path, table: str, number: int, count: int) -> None:
        """Go on with file `number`, of which `count` arrays count."""
        self._folder, self._table, self._number = folder, table, number
        self._arrays: list[NDArray[Any]] = []
        self._num_bytes = 0
        self._is_saved = True
        if count:
            with np.load(self._path) as saved:
                for index in range(count):
                    self._keep(saved[str(index)])

    @property
    def position(self) -> tuple[int, int]:
        """The number of the current file, and how many arrays are in it."""
        return self._number, len(self._arrays)

    def extract(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row with the place of each array instead of the array."""
        return {name: self._add(v) if isinstance(v, np.ndarray) else v for name, v in row.items()}

    def save(self) -> None:
        """Write the current file, if arrays were added."""
        if self._is_saved:
            return
        self._folder.mkdir(exist_ok=True)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as file:
            for index, array in enumerate(self._arrays):
                one = io.BytesIO()
                np.lib.format.write_array(one, array, allow_pickle=False)
                file.writestr(zipfile.ZipInfo(f"{index}.npy"), one.getvalue())  # the date does not count
        _replace(self._path, content.getvalue())
        self._is_saved = True

    def _add(self, array: NDArray[Any]) -> dict[str, list[int]]:
        if len(self._arrays) >= MAX_ARRAYS or self._num_bytes >= MAX_ARRAY_BYTES:
            self.save()
            self._number += 1
            self._arrays, self._num_bytes = [], 0
        place = [self._number, len(self._arrays)]
        self._keep(array)
        self._is_saved = False
        return {"array": place}

    def _keep(self, array: NDArray[Any]) -> None:
        self._arrays.append(array)
        self._num_bytes += array.nbytes

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._table}-{self._number}.npz"


def read_header(directory: Path) -> dict[str, Any]:
    """Return what `study.json` says.

    Raises:
        ConfigError: if it cannot be read, or was written by a newer version.
    """
    path = directory / HEADER
    try:
        header: dict[str, Any] = json.loads(ph.reading.read_file(path))
        found = header["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ph.errors.ConfigError(
            f"{directory} is no study: {path} cannot be read: {ph.tools.error_text(error)}. Expected a "
            "folder that study.simulate(out=...) wrote."
        ) from error
    if found != FORMAT:
        raise ph.errors.ConfigError(
            f"{path} has format {found!r}, but this version reads {FORMAT}. Read it with the version of "
            "phantom-experiments that wrote it."
        )
    return header


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole: under another name first."""
    temporary = ph.writing.temporary_beside(path)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
