"""An event file as TensorBoard reads it: one record per write, on disk when the write returns."""

from __future__ import annotations

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

_MAX_NUMBER: Final = 2.0**53  # beyond it a number of the HPARAMS tab would not be exact
_HPARAMS_PLUGIN: Final = "hparams"
_START_TAG: Final = "_hparams_/session_start_info"
_END_TAG: Final = "_hparams_/session_end_info"


class EventFile:
    """Writes one new event file, in the calling thread.

    tensorboardX's own `SummaryWriter` hands values to a thread and does not wait for it when it
    flushes, so its newest values are missing from the file; hence only its formats are used here.
    """

    def __init__(self, directory: Path) -> None:
        """Make the folder if it is missing, and a file in it that no other run writes to.

        Args:
            directory: the folder that TensorBoard shows as one run.

        Raises:
            OSError: if the folder or the file cannot be made.
        """
        directory.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}"
        self._file = (directory / name).open("xb")
        self._has_scalars = False
        self._write(Event(file_version="brain.Event:2"))

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
        self._write_hparams(_START_TAG, HParamsPluginData(session_start_info=info))

    def write_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write values of one step; TensorBoard keeps them as 32-bit floats."""
        if not self._has_scalars:
            # An earlier file of this folder may hold this step and later ones: they are made anew.
            self._write(Event(step=step, session_log=SessionLog(status=SessionLog.START)))
            self._has_scalars = True
        scalars = [Summary.Value(tag=_text(name), simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, summary=Summary(value=scalars)))

    def close(self, *, is_success: bool) -> None:
        """Write how the run ended, and close the file."""
        status = Status.STATUS_SUCCESS if is_success else Status.STATUS_FAILURE
        info = SessionEndInfo(status=status, end_time_secs=time.time())
        try:
            self._write_hparams(_END_TAG, HParamsPluginData(session_end_info=info))
        finally:
            self._file.close()

    def _write_hparams(self, tag: str, data: HParamsPluginData) -> None:
        content = SummaryMetadata.PluginData(plugin_name=_HPARAMS_PLUGIN, content=data.SerializeToString())
        value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=content))
        self._write(Event(summary=Summary(value=[value])))

    def _write(self, event: Event) -> None:
        """Append a record: length, its checksum, the event, its checksum."""
        event.wall_time = time.time()
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
        self._file.write(length + checksums[0] + data + checksums[1])
        self._file.flush()


def _text(value: object) -> str:
    """Return a value as text that is valid UTF-8."""
    return str(value).encode(errors="replace").decode()
