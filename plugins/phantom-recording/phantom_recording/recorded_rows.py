"""The lines of a recording: what is written after a reset, after a step and at the end of an episode."""

from __future__ import annotations

import re
import zlib
from typing import Annotated, Any, Final, TypeAlias

import msgspec

FORMAT: Final = 3
"""The number of the format, in the first line of each episode. 1 had no checksums, 2 no packed arrays."""

_CHECKSUM: Final = re.compile(rb',"crc32":([0-9]{1,10})\}\n')


def with_checksum(line: bytes | bytearray, before: int) -> bytes:
    r"""Return the line of an end with a CRC-32 over its episode, of which `before` is that of earlier lines.

    >>> with_checksum(b'{"is_finished":true}\n', 0)
    b'{"is_finished":true,"crc32":784711761}\n'
    """
    return b'%b,"crc32":%d}\n' % (bytes(line[:-2]), zlib.crc32(line, before))


def has_checksum(line: bytes, before: int) -> bool:
    """Return whether the line of an end has the right checksum."""
    found = _CHECKSUM.search(line)
    return found is not None and with_checksum(line[: found.start()] + b"}\n", before) == line


PURPOSE: Final = "recording"
"""What `ph.trust.sign` is told that the start of a recorded episode is."""


class StartRow(msgspec.Struct, tag_field="record", tag="start", omit_defaults=True):
    """An episode after its reset."""

    format: Annotated[int, msgspec.Meta(ge=1)]
    seed: int | None
    env_class: str
    agents: list[str]
    env: str | None = None
    env_config: dict[str, Any] | None = None
    next_turn: Any = None
    observations: dict[str, Any] = {}
    infos: dict[str, Any] = {}
    signature: str = ""  # of what `made_of` returns
    sizes: dict[str, int | None] | None = None  # of populations; None: agents are objects
    members: dict[str, dict[str, Any]] = {}  # as in `StepRow`


def made_of(env: str | None, env_config: Any) -> bytes:
    """Return what a recording says of how to make its env, which is what is signed."""
    return msgspec.json.encode([env, env_config or {}], order="deterministic")


class StepRow(msgspec.Struct, tag_field="record", tag="step", omit_defaults=True):
    """One step."""

    step: int
    turn: Any
    next_turn: Any = None
    actions: dict[str, Any] = {}
    observations: dict[str, Any] = {}
    rewards: dict[str, Any] = {}
    terminations: tuple[str, ...] = ()
    truncations: tuple[str, ...] = ()
    infos: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    members: dict[str, dict[str, Any]] = {}  # by field and population: whose values these are, if not all


class PayloadRow(msgspec.Struct, tag_field="record", tag="payload"):
    """What the values of a payload are called, before the first round that has one."""

    name: str
    fields: tuple[str, ...]


RoundRow: TypeAlias = list[Any]
"""A round of the step that comes next: pairs of a receiver and its messages [sender, receiver, payload].

A payload is the name of its class and its values, or a dict. In a world of arrays a message is followed by
the numbers of the members that send and receive.
"""


class EndRow(msgspec.Struct, tag_field="record", tag="end", omit_defaults=True):
    """The end of an episode; without `is_finished` it was left before its end."""

    num_steps: int
    is_finished: bool
    metrics: dict[str, Any] = {}
