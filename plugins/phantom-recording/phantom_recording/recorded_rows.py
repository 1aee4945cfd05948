"""The lines of a recording: what is written after a reset, after a step and at the end of an episode."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

FORMAT: Final = 1
"""The number of the format, in the first line of each episode."""

PURPOSE: Final = "recording"
"""What `ph.trust.sign` is told that the start of a recorded episode is."""


class StartRow(msgspec.Struct, tag_field="record", tag="start", omit_defaults=True):
    """An episode after its reset."""

    format: int
    seed: int | None
    env_class: str
    agents: list[str]
    env: str | None = None
    env_config: dict[str, Any] | None = None
    next_turn: Any = None
    observations: dict[str, Any] = {}
    infos: dict[str, Any] = {}
    signature: str = ""  # of what `made_of` returns


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


class PayloadRow(msgspec.Struct, tag_field="record", tag="payload"):
    """What the values of a payload are called, before the first round that has one."""

    name: str
    fields: tuple[str, ...]


RoundRow: TypeAlias = list[Any]
"""A round of the step that comes next: pairs of a receiver and its messages [sender, receiver, payload].

A payload is the name of its class and its values, or a dict.
"""


class EndRow(msgspec.Struct, tag_field="record", tag="end", omit_defaults=True):
    """The end of an episode; without `is_finished` it was left before its end."""

    num_steps: int
    is_finished: bool
    metrics: dict[str, Any] = {}
