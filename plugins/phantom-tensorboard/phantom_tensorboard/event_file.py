"""An event file as TensorBoard reads it: each write is on disk when it returns."""

from __future__ import annotations

import functools
import glob
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tensorboardX.proto.api_pb2 import Status
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.plugin_hparams_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)
from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboardX.record_writer import masked_crc32c

import phantom_core as ph

_MAX_NUMBER: Final = 2.0**53  # beyond it a number of the HPARAMS tab would not be exact
_HPARAMS_PLUGIN: Final = "hparams"
_START_TAG: Final = "_hparams_/session_start_info"
_END_TAG: Final = "_hparams_/session_end_info"


class EventFile:
    """Writes one new event file, in the calling thread.

    Only the formats of tensorboardX are used. Its `SummaryWriter` writes in a thread: its `flush` does not
    wait for the newest values, and a full disk ends the thread, after which callers block.

    Attributes:
        path: the file.
        has_to_replace: whether the next scalars replace what earlier files in the folder have.
    """

    def __init__(self, directory: Path, *, replaces_earlier: bool = True, first: str = "") -> None:
        """Create the folder if it is missing, and a new file in it.

        Args:
            directory: the folder that TensorBoard shows as one run.
            replaces_earlier: whether TensorBoard drops what earlier files in the folder have at the first
                step of this one and later.
            first: the first file of a run that is resumed: the name of this one begins with its name.

        Raises:
            OSError: if the folder or the file cannot be created.
        """
        directory.mkdir(parents=True, exist_ok=True)
        now = time.time_ns()
        name = f"{first}.{now}" if first else f"events.out.tfevents.{now}.{socket.gethostname()}"
        self.path = path = directory / name
        path.touch(exist_ok=False)  # no other run writes to it
        self._append = functools.partial(ph.writing.append, path)
        self._scalars = ph.writing.RetryQueue(self._append, name="tensorboard")
        self.has_to_replace = replaces_earlier
        try:
            self._append(_record(Event(file_version="brain.Event:2")))
        except OSError:
            path.unlink(missing_ok=True)  # a full disk gets no empty file
            raise

    def write_hyper_parameters(self, values: Mapping[str, Any]) -> None:
        """Write what TensorBoard's HPARAMS tab shows as one row.

        The file lists no columns, so the tab shows all hyper-parameters and the newest scalars.
        """
        info = SessionStartInfo(start_time_secs=time.time())
        for name, value in values.items():
            cell = info.hparams[_text(name)]
            if isinstance(value, bool):
                cell.bool_value = value
            elif isinstance(value, int | float) and abs(value) <= _MAX_NUMBER:
                cell.number_value = value
            else:
                cell.string_value = _text(value)
        self._append(_hparams_record(_START_TAG, HParamsPluginData(session_start_info=info)))

    def write_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write values of one step, after those that could not be written before.

        TensorBoard keeps them as 32-bit floats.
        """
        scalars = [Summary.Value(tag=_text(name), simple_value=value) for name, value in values.items()]
        records = _record(Event(step=step, summary=Summary(value=scalars)))
        if self.has_to_replace:
            # An earlier file in this folder may contain this step and later ones: TensorBoard drops them.
            records = _record(Event(step=step, session_log=SessionLog(status=SessionLog.START))) + records
            self.has_to_replace = False
        self._scalars.write(records)

    def close(self, *, is_success: bool) -> None:
        """Write the values that were kept, and how the run ended.

        Raises:
            HookError: if values are left that could not be written; it says of how many events.
        """
        status = Status.STATUS_SUCCESS if is_success else Status.STATUS_FAILURE
        info = SessionEndInfo(status=status, end_time_secs=time.time())
        with self._scalars.closing():
            self._append(_hparams_record(_END_TAG, HParamsPluginData(session_end_info=info)))


def cut_back(directory: Path, sizes: Mapping[str, int]) -> None:
    """Cut event files of a run back to the sizes that they had, and remove those that it began later.

    A size is the end of a record, since records are written whole.
    """
    for path in directory.glob(f"{glob.escape(min(sizes))}.*"):
        if path.name not in sizes:
            path.unlink()
    for name, size in sizes.items():
        ph.writing.cut_back(directory / name, size)


def _hparams_record(tag: str, data: HParamsPluginData) -> bytes:
    content = SummaryMetadata.PluginData(plugin_name=_HPARAMS_PLUGIN, content=data.SerializeToString())
    value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=content))
    return _record(Event(summary=Summary(value=[value])))


def _record(event: Event) -> bytes:
    """Return an event as a record of the file: length, its checksum, the event, its checksum."""
    event.wall_time = time.time()
    data = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return b"".join((length, checksums[0], data, checksums[1]))


def _text(value: object) -> str:
    """Return a value as text that is valid UTF-8."""
    return str(value).encode(errors="replace").decode()
