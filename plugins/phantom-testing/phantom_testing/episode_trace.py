"""Episodes as fingerprints: what two plays of one episode are compared by, also across processes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

import phantom_core as ph

Entry: TypeAlias = tuple[str, str, str]
"""The repr of an agent id, what it is about (observation, reward or end), and a fingerprint."""

Trace: TypeAlias = list[list[Entry]]
"""The entries of the reset and of each step."""


class Difference(NamedTuple):
    """Where two traces of one episode part.

    Attributes:
        step: the step, 0 for the reset.
        agent: the repr of the agent's id; None: no single agent.
        what: what differs, such as `"observation"`.
    """

    step: int
    agent: str | None
    what: str


def fingerprint(value: Any) -> str:
    """Return a text that is equal for equal values, in every process on a machine.

    >>> fingerprint(np.float32(0.5)) == fingerprint(np.float32(0.5))
    True
    >>> fingerprint({"b": [1, 2]})
    "{'b': [1, 2]}"
    """
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"{value.dtype.str}{value.shape}{hashlib.blake2b(value.tobytes(), digest_size=16).hexdigest()}"
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {fingerprint(part)}" for key, part in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(fingerprint, value)) + "]"
    if isinstance(value, (set, frozenset)):
        return f"set {sorted(map(fingerprint, value))}"
    return repr(value)


def entries_of(
    observations: Mapping[ph.AgentID, Any],
    rewards: Mapping[ph.AgentID, Any],
    ends: Mapping[ph.AgentID, tuple[bool, bool]],
) -> list[Entry]:
    """Return what one step is compared by; observations keep their order, because policies follow it."""
    seen = [(repr(agent_id), "observation", fingerprint(value)) for agent_id, value in observations.items()]
    paid = [(repr(agent_id), "reward", fingerprint(value)) for agent_id, value in rewards.items()]
    ended = [(repr(agent_id), "end", repr(value)) for agent_id, value in ends.items() if any(value)]
    return [*seen, *sorted(paid), *sorted(ended)]


def first_difference(one: Trace, other: Trace) -> Difference | None:
    """Return where two traces part; None if they are equal."""
    for step, (entries, others) in enumerate(zip(one, other, strict=False)):
        if entries != others:
            return _difference(step, entries, others)
    if len(one) != len(other):
        return Difference(min(len(one), len(other)), None, "length")
    return None


def _difference(step: int, one: Sequence[Entry], other: Sequence[Entry]) -> Difference:
    ours, theirs = ({entry[:2]: entry[2] for entry in entries} for entries in (one, other))
    for agent, what in [*ours, *theirs]:
        if ours.get((agent, what)) != theirs.get((agent, what)):
            return Difference(step, agent, what)
    return Difference(step, None, "order of the agents")
