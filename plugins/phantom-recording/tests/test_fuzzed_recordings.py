"""Recordings that were damaged at random: noticed, or what was recorded; never another exception."""

import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_recording import EpisodePrinter, Recorder, read_recording, replay

pytestmark = pytest.mark.fuzz

Mutators = Callable[[int], Iterator[Any]]
IsRefused = Callable[..., bool]


@pytest.fixture
def recording(tmp_path: Path, odd_market: type[ph.PhantomEnv], bid: dict[Any, Any]) -> Path:
    """Three episodes with messages, actions and observations of many kinds."""
    path = tmp_path / "episodes.jsonl"
    env: Any = odd_market()
    env.recorder = Recorder(path)
    for seed in (1, 2, 3):
        env.reset(seed=seed)
        for _ in range(4):
            env.step(bid)
    env.close()
    return path


def test_no_damage_to_a_finished_episode_is_read_in_silence(recording: Path, mutators: Mutators) -> None:
    before, content = list(read_recording(recording)), recording.read_bytes()
    for mutator in mutators(600):
        recording.write_bytes(mutator.content(content))
        try:
            now = list(read_recording(recording))
        except ph.errors.RecordingError:
            continue
        *whole, last = now or [None]
        assert whole == before[: len(whole)]  # at the end it may have been cut off
        assert last is None or last == before[len(whole)] or not last.is_finished


def sealed(rows: list[Any]) -> bytes:
    """Return lines with the checksums of what they hold now."""
    checksum, written = 0, b""
    for row in rows:
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        checksum = zlib.crc32(line, checksum)
        if line.startswith(b'{"record":"end"'):
            line, checksum = b'%b,"crc32":%d}\n' % (line[:-2], checksum), 0
        written += line
    return written


def use(path: Path) -> None:
    """Do with a recording whatever one can do."""
    for number, episode in enumerate(read_recording(path)):
        EpisodePrinter(io.StringIO()).show(episode, number)
    printer = EpisodePrinter(io.StringIO(), agents=["7"], kinds=["messages", "actions"])
    for number, episode in enumerate(read_recording(path)):
        printer.show(episode, number)


def test_values_of_a_recording_are_read_shown_and_replayed_or_refused(
    recording: Path, odd_market: type[ph.PhantomEnv], mutators: Mutators, is_refused: IsRefused
) -> None:
    rows = [json.loads(line) for line in recording.read_bytes().splitlines()]
    for row in rows:
        if isinstance(row, dict):
            row.pop("crc32", None)
    refused = 0
    for mutator in mutators(400):
        changed = rows.copy()
        number = mutator.rng.randrange(len(rows))
        changed[number] = mutator.value(rows[number])
        recording.write_bytes(sealed(changed))
        refused += is_refused(use, recording)
        is_refused(replay, recording, mutator.rng.randrange(3), env=odd_market)
    assert refused > 50


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"record":' * 50_000, b"\n" * 1000, b"1" * 100_000])
def test_a_line_that_is_nested_or_long_beyond_reason_is_refused(
    content: bytes, tmp_path: Path, is_refused: IsRefused
) -> None:
    (tmp_path / "x").write_bytes(content + b"\n")
    assert is_refused(use, tmp_path / "x")
