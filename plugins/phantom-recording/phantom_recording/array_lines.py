"""`ArrayLines`: what happens in a world of arrays as lines of JSON, a few for each step whatever its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_recording.packed_arrays import pack
from phantom_recording.recorded_rows import StepRow

Members: TypeAlias = NDArray[np.int64] | None
Column: TypeAlias = tuple[NDArray[Any], Members]

TURN: Final = "simultaneous"
"""What the turn of a world of arrays is called: its populations act together."""


class ArrayLines:
    """Appends the lines of a world of arrays to those of a recorder.

    A round of messages is one line, `[[receiver, [[sender, receiver, payload, senders, receivers]]], ...]`,
    whose payloads have an array for each field. All is encoded at once, since arrays may change.
    """

    def __init__(self, lines: bytearray) -> None:
        self._lines = lines
        self._round = 0  # that is being gathered
        self._batches: list[Any] = []

    def begin(self) -> None:
        """Forget what was said in a step that did not end."""
        self._round, self._batches = 0, []

    def add_messages(
        self, number: int, ends: tuple[str, str], payload: Any, columns: Mapping[str, NDArray[Any]], who: Any
    ) -> None:
        """Keep the messages of one kind along one link in a round."""
        if number != self._round:
            self._end_round()
            self._round = number
        sender, receiver = ends
        content = {
            "class": type(payload).__name__,
            **{name: pack(column) for name, column in columns.items()},
        }
        members = [None if side is None else pack(side) for side in who]
        self._batches.append([receiver, [[sender, receiver, content, *members]]])

    def add_step(
        self,
        number: int,
        columns: Mapping[str, Mapping[str, Column]],
        ends: Mapping[str, tuple[Mapping[str, Members], bool]],
        metrics: dict[str, Any],
    ) -> None:
        """Append the line of a step.

        Args:
            number: of the step.
            columns: actions, observations and rewards by population, and whose they are.
            ends: for terminations and truncations, who ended, and whether the whole episode did.
            metrics: by name.
        """
        self._end_round()
        self._round = 0
        values, members = split(columns)
        names: dict[str, tuple[str, ...]] = {}
        for kind, (ended, is_over) in ends.items():
            names[kind] = (*ended, ph.tools.ALL) if is_over else tuple(ended)
            who = {name: pack(side) for name, side in ended.items() if side is not None}
            if who:
                members[kind] = who
        row = StepRow(
            number,
            TURN,
            actions=values["actions"],
            observations=values["observations"],
            rewards=values["rewards"],
            terminations=names["terminations"],
            truncations=names["truncations"],
            metrics=metrics,
            members=members,
        )
        self._lines += msgspec.json.encode(row) + b"\n"

    def _end_round(self) -> None:
        if self._batches:
            self._lines += msgspec.json.encode(self._batches) + b"\n"
            self._batches = []


def split(
    columns: Mapping[str, Mapping[str, Column]],
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return values by kind and population, and whose they are where they are not those of all members."""
    values = {
        kind: {name: pack(column) for name, (column, _) in found.items()} for kind, found in columns.items()
    }
    members = {
        kind: {name: pack(who) for name, (_, who) in found.items() if who is not None}
        for kind, found in columns.items()
    }
    return values, {kind: found for kind, found in members.items() if found}
