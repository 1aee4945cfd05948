"""Recordings of worlds of arrays that were damaged at random: read, shown and replayed, or refused."""

import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from phantom_recording import EpisodePrinter, Recorder, read_recording, replay

pytestmark = pytest.mark.fuzz


def show(path: Path) -> None:
    """Read a recording, and print it."""
    for number, episode in enumerate(read_recording(path)):
        EpisodePrinter(io.StringIO()).show(episode, number)


def test_values_of_a_recording_are_read_shown_and_replayed_or_refused(
    counting: Any,
    tmp_path: Path,
    mutators: Callable[[int], Iterator[Any]],
    is_refused: Callable[..., bool],
) -> None:
    path = tmp_path / "episodes.jsonl"
    env = counting.CounterEnv(70)
    env.recorder = Recorder(path)
    observations, _ = env.reset(seed=1)
    for _ in range(10):
        env.step(observations)
    env.close()
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    rows[-1].pop("crc32")
    refused = 0
    for mutator in mutators(150):
        changed = rows.copy()
        number = mutator.rng.randrange(len(rows))
        changed[number] = mutator.value(rows[number])
        lines = [json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in changed]
        checksum = zlib.crc32(b"".join(lines))
        path.write_bytes(b"".join(lines[:-1]) + b'%b,"crc32":%d}\n' % (lines[-1][:-2], checksum))
        refused += is_refused(show, path)
        is_refused(replay, path, env=lambda: counting.CounterEnv(70))
    assert refused > 25
