"""Recordings as data: `read_recording` gives one `RecordedEpisode` after the other."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

import phantom_core as ph
from phantom_recording.packed_arrays import part_from_plain, unpack, unpacked
from phantom_recording.recorded_rows import (
    FORMAT,
    PURPOSE,
    EndRow,
    PayloadRow,
    RoundRow,
    StartRow,
    StepRow,
    has_checksum,
    made_of,
)


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """A message as it was delivered.

    Attributes:
        round: the round of its step, from 1.
        sender_id: who sent it, by name.
        receiver_id: who it was for, by name.
        payload_class: the name of the payload's class.
        fields: value by field name. In a world of arrays, an array with a value for each message.
        senders: in a world of arrays, the numbers of the members that send, one for each message; None: it is
            one agent, or all members in order.
        receivers: the numbers of those that receive, likewise.
    """

    round: int
    sender_id: str
    receiver_id: str
    payload_class: str
    fields: Mapping[str, Any]
    senders: Any = None
    receivers: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStep:
    """One step, or the reset, whose number is 0. Agents are called by name: the id, or its `repr`.

    Values are as JSON has them: arrays are lists, NaN and infinities text. In a world of arrays they are by
    population: NumPy arrays with a row for each member.

    Attributes:
        step: the number of the step.
        turn: the name of the turn that was played; None: the reset.
        next_turn: the name of the turn that comes next.
        actions: by agent, as they were given to the step.
        messages: in the order of their delivery.
        observations: by agent.
        rewards: by agent.
        terminations: who was terminated; `"__all__"` is the whole episode.
        truncations: who was cut off.
        infos: by agent.
        metrics: by name, of the metrics that have a value.
        members: in a world of arrays, by attribute and population: the numbers of the members that the rows
            are of, or that ended; where there is none, of all.
    """

    step: int
    turn: Any = None
    next_turn: Any = None
    actions: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[RecordedMessage, ...] = ()
    observations: Mapping[str, Any] = field(default_factory=dict)
    rewards: Mapping[str, Any] = field(default_factory=dict)
    terminations: tuple[str, ...] = ()
    truncations: tuple[str, ...] = ()
    infos: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    members: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEpisode:
    """One episode.

    Attributes:
        seed: `env.reset(seed=...)` starts it again.
        env_class: the name of the env's class.
        env: the reference to that class; None: none leads to it.
        env_config: what the env was made with, as far as the recorder was told.
        signature: of `env` and `env_config`, by whoever recorded it; see `ph.trust`.
        agents: the names of the agents after the reset.
        steps: the reset, and each step.
        is_finished: whether it was played to its end.
        metrics: reduced value by metric name.
        sizes: in a world of arrays, how many members each population has; None for one that is a single
            agent. None: the agents are objects.
    """

    seed: int | None
    env_class: str
    env: str | None
    env_config: Mapping[str, Any]
    signature: str
    agents: tuple[str, ...]
    steps: tuple[RecordedStep, ...]
    is_finished: bool
    metrics: Mapping[str, Any]
    sizes: Mapping[str, int | None] | None = None

    @property
    def is_signed(self) -> bool:
        """Whether it was recorded here, so that its env may be any class."""
        return ph.trust.is_signed(PURPOSE, made_of(self.env, self.env_config), self.signature)

    @property
    def num_steps(self) -> int:
        """The number of steps that were made."""
        return len(self.steps) - 1


def read_recording(path: str | Path) -> Iterator[RecordedEpisode]:
    """Read the episodes of a recording, one after the other.

    An episode whose end is missing, because the process that wrote it was killed, is not finished; what there
    is of it has no checksum.

    Raises:
        RecordingError: if the file cannot be read, is no recording, or is not as it was written.
    """
    start: StartRow | None = None
    steps: list[RecordedStep] = []
    for number, row in _read_lines(path):
        if isinstance(row, StartRow):
            if start is not None:
                if start.format > 1:
                    raise _damaged(path, number, "the episode before has no end")
                yield _episode(start, steps, None)
            start, steps = row, [reset_of(row)]
        elif start is None:
            raise ph.errors.RecordingError(f"The recording {path} begins in the middle of an episode.")
        elif isinstance(row, RecordedStep):
            if row.step != len(steps):
                raise _damaged(path, number, f"it is step {row.step}, after step {len(steps) - 1}")
            steps.append(row)
        else:
            if row.num_steps != len(steps) - 1:
                raise _damaged(path, number, f"it ends {row.num_steps} steps, but {len(steps) - 1} are there")
            yield _episode(start, steps, row)
            start = None
    if start is not None:
        yield _episode(start, steps, None)


class LineReader:
    """Reads the lines of a recording, one after the other."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(StartRow | StepRow | PayloadRow | EndRow | RoundRow)
        self._rounds: list[RoundRow] = []  # of the step that comes next
        self._fields: dict[str, tuple[str, ...]] = {}
        self._is_of_arrays = False

    def read(self, line: bytes) -> StartRow | RecordedStep | EndRow | None:
        """Return what a line says; None: it belongs to the step that comes next.

        Raises:
            msgspec.DecodeError: if it is no line of a recording.
        """
        row = self._decoder.decode(line)
        if isinstance(row, list):
            self._rounds.append(row)
        elif isinstance(row, PayloadRow):
            self._fields[row.name] = row.fields
        else:
            rounds, self._rounds = self._rounds, []
            if isinstance(row, StartRow):
                self._is_of_arrays = row.sizes is not None
            if self._is_of_arrays and not isinstance(row, EndRow):
                _unpack(row)
            return self._step(row, rounds) if isinstance(row, StepRow) else row
        return None

    def _step(self, row: StepRow, rounds: list[RoundRow]) -> RecordedStep:
        return RecordedStep(
            step=row.step,
            turn=row.turn,
            next_turn=row.turn if row.next_turn is None else row.next_turn,
            actions=row.actions,
            messages=tuple(self._messages(rounds)),
            observations=row.observations,
            rewards=row.rewards,
            terminations=row.terminations,
            truncations=row.truncations,
            infos=row.infos,
            metrics=row.metrics,
            members=row.members,
        )

    def _messages(self, rounds: list[RoundRow]) -> Iterator[RecordedMessage]:
        for number, batches in enumerate(rounds, start=1):
            for _, batch in batches:
                for sender_id, receiver_id, payload, *who in batch:
                    name, fields = self._payload(payload)
                    if not all(type(text) is str for text in (sender_id, receiver_id, name)):
                        raise TypeError(name)
                    if self._is_of_arrays:
                        fields = unpacked(fields)
                    members = [None if side is None else unpack(side) for side in who]
                    yield RecordedMessage(number, sender_id, receiver_id, name, fields, *members)

    def _payload(self, payload: Any) -> tuple[str, dict[str, Any]]:
        if isinstance(payload, dict):
            fields = {name: value for name, value in payload.items() if name != "class"}
            if not self._is_of_arrays:
                fields = {name: part_from_plain(value) for name, value in fields.items()}
            return payload["class"], fields
        name, *values = payload
        return name, dict(zip(self._fields[name], values, strict=True))


def reset_of(row: StartRow) -> RecordedStep:
    """Return the reset that a line holds."""
    return RecordedStep(
        step=0,
        next_turn=row.next_turn,
        observations=row.observations,
        infos=row.infos,
        members=row.members,
    )


def _unpack(row: StartRow | StepRow) -> None:
    """Unpack the arrays of a line."""
    row.observations = unpacked(row.observations)
    row.members = {kind: unpacked(found) for kind, found in row.members.items()}
    if isinstance(row, StepRow):
        row.actions, row.rewards = unpacked(row.actions), unpacked(row.rewards)


def _read_lines(path: str | Path) -> Iterator[tuple[int, StartRow | RecordedStep | EndRow]]:
    """Read the lines of a recording, with their numbers; a last line that was cut short is left out."""
    reader, checksum, has_checksums = LineReader(), 0, False
    try:
        for number, line in enumerate(ph.reading.read_lines(Path(path)), start=1):
            row = _read(reader, line, path, number) if line.endswith(b"\n") else None
            if isinstance(row, StartRow):
                has_checksums = row.format > 1
            if not isinstance(row, EndRow):
                checksum = zlib.crc32(line, checksum)
            elif (has_checksums or b'"crc32":' in line) and not has_checksum(line, checksum):
                raise _damaged(path, number, "the episode that ends there is not as it was written")
            else:
                checksum = 0
            if row is not None:
                yield number, row
    except OSError as error:
        advice = ""
        if Path(path).is_dir():
            advice = " Name a file in it, such as the episodes.jsonl that phantom record RUN writes."
        raise ph.errors.RecordingError(
            f"The recording {path} cannot be read: {error.strerror}.{advice}"
        ) from error


def _episode(start: StartRow, steps: list[RecordedStep], end: EndRow | None) -> RecordedEpisode:
    return RecordedEpisode(
        seed=start.seed,
        env_class=start.env_class,
        env=start.env,
        env_config=start.env_config or {},
        signature=start.signature,
        agents=tuple(start.agents),
        steps=tuple(steps),
        is_finished=end is not None and end.is_finished,
        metrics={} if end is None else end.metrics,
        sizes=start.sizes,
    )


def _damaged(path: str | Path, number: int, reason: object) -> ph.errors.RecordingError:
    return ph.errors.RecordingError(
        f"The recording {path} is damaged in line {number}: {reason}. Record the episode again."
    )


def _read(
    reader: LineReader, line: bytes, path: str | Path, number: int
) -> StartRow | RecordedStep | EndRow | None:
    try:
        row = reader.read(line)
    except (msgspec.DecodeError, LookupError, TypeError, ValueError, RecursionError) as error:
        is_clear = isinstance(error, (msgspec.DecodeError, RecursionError))
        raise _damaged(path, number, error if is_clear else "its messages cannot be read") from error
    if isinstance(row, StartRow) and row.format > FORMAT:
        raise ph.errors.RecordingError(
            f"The recording {path} has format {row.format}, but this version reads up to {FORMAT}. Update "
            "phantom-recording."
        )
    return row
