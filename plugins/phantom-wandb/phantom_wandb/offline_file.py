"""The file of an offline run, which `wandb sync` sends: how many rows it has."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

_BLOCK: Final = 2**15
_HEADER: Final = 7  # bytes, at the start of the file and of each part of a record
_WHOLE, _FIRST, _LAST = 1, 2, 4


def count_rows(file: Path) -> int:
    """Return the number of history rows; an incomplete record at the end is not counted, nor a missing file.

    The file is a LevelDB log. Its blocks hold records, whole or in parts; each part follows a checksum
    (4 bytes), its length (2 bytes) and its kind (1 byte).
    """
    if not file.exists():
        return 0
    from wandb.proto.wandb_internal_pb2 import Record

    record, num_rows, start = b"", 0, _HEADER
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            while start + _HEADER <= len(block):
                length, kind = struct.unpack_from("<HB", block, start + 4)
                start += _HEADER + length
                if start > len(block):
                    return num_rows
                part = block[start - length : start]
                record = part if kind in (_WHOLE, _FIRST) else record + part
                if kind in (_WHOLE, _LAST):
                    num_rows += Record.FromString(record).HasField("history")
            start = 0
    return num_rows
