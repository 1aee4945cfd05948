"""Episodes as fingerprints: what two plays of one episode are compared by, also across processes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

import phantom_core as ph

Entry: TypeAlias = tuple[str, str, str]
"""The repr of an agent id, what it is about (such as `"observation"`), and a fingerprint."""

Trace: TypeAlias = list[list[Entry]]
"""The entries of the reset and of each step."""

_ENDS: Final = {
    (True, False): "terminated",
    (False, True): "truncated",
    (True, True): "terminated and truncated",
}

QUIET: Final = ("info", "generator")
"""What may differ by chance, such as the time that a step took, and does not reach what is learned."""

_READABLE: Final = 64
"""Arrays of so many elements are written out, larger ones hashed."""

_SHOWN: Final = 60
"""So many characters of a value are shown."""


class Difference(NamedTuple):
    """Where two traces of one episode part.

    Attributes:
        step: the step, 0 for the reset.
        agent: the repr of the agent's id; None: no single agent.
        what: what differs, such as `"observation"`.
        values: of both, as texts that begin shortly before they differ.
    """

    step: int
    agent: str | None
    what: str
    values: tuple[str, str]


def fingerprint(value: Any) -> str:
    """Return a text that is equal for equal values, in every process on a machine.

    >>> fingerprint(np.float32(0.5)) == fingerprint(np.float32(0.5))
    True
    >>> fingerprint({"b": [1, 2]})
    "{'b': [1, 2]}"
    >>> fingerprint(np.array([0.5, 1.0], np.float32))
    'array([0.5, 1.0], float32)'
    """
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        if 0 < value.size <= _READABLE and value.dtype.kind in "biuf":
            return f"array({value.tolist()}, {value.dtype})"
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
    infos: Mapping[ph.AgentID, Any] | None,
) -> list[Entry]:
    """Return what one step is compared by; observations keep their order, because policies follow it."""
    seen = [(repr(agent_id), "observation", fingerprint(value)) for agent_id, value in observations.items()]
    paid = [(repr(agent_id), "reward", fingerprint(value)) for agent_id, value in rewards.items()]
    ended = [(repr(agent_id), "end", _ENDS[value]) for agent_id, value in ends.items() if any(value)]
    told = [
        (repr(agent_id), "info", fingerprint(value)) for agent_id, value in (infos or {}).items() if value
    ]
    return [*seen, *sorted(paid), *sorted(ended), *sorted(told)]


def state_entry(state: Any) -> Entry:
    """Return what a global state is compared by."""
    return repr(ph.tools.ALL), "state", fingerprint(state)


def generator_entries(env: ph.MultiAgentEnv) -> list[Entry]:
    """Return where the generators stand that are attributes of an env or of its agents."""
    owners = {ph.tools.ALL: env, **env.agents}
    states = {repr(name): ph.seeding.generator_states(owner) for name, owner in owners.items()}
    return [
        (owner, "generator", fingerprint({name: _digest(state) for name, state in sorted(found.items())}))
        for owner, found in sorted(states.items())
        if found
    ]


def first_difference(one: Trace, other: Trace, but: Collection[str] = ()) -> Difference | None:
    """Return where two traces part, but for some kinds of entries; None if they are equal."""
    for step, pair in enumerate(zip(one, other, strict=False)):
        entries, others = ([entry for entry in part if entry[1] not in but] for part in pair)
        if entries != others:
            return _difference(step, entries, others)
    if len(one) != len(other):
        lengths = f"{len(one) - 1} steps", f"{len(other) - 1} steps"
        return Difference(min(len(one), len(other)), None, "length", lengths)
    return None


def _difference(step: int, one: Sequence[Entry], other: Sequence[Entry]) -> Difference:
    ours, theirs = ({entry[:2]: entry[2] for entry in entries} for entries in (one, other))
    for agent, what in [*ours, *theirs]:
        absent = "not ended" if what == "end" else "nothing"
        values = ours.get((agent, what), absent), theirs.get((agent, what), absent)
        if values[0] != values[1]:
            return Difference(step, agent, what, _from_where_they_differ(*values))
    orders = [
        ", ".join(agent for agent, what, _ in entries if what == "observation") for entries in (one, other)
    ]
    return Difference(step, None, "order of the agents", _from_where_they_differ(*orders))


def _from_where_they_differ(one: str, other: str) -> tuple[str, str]:
    """Cut two values to what fits into a sentence; long ones begin a word before the first that differs."""
    place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    is_short = max(len(one), len(other)) <= _SHOWN
    start = 0 if is_short else one.rfind(" ", 0, max(0, one.rfind(" ", 0, place))) + 1
    return _shown(one, start), _shown(other, start)


def _shown(value: str, start: int) -> str:
    end = start + _SHOWN
    return f"{'…' if start else ''}{value[start:end]}{'…' if end < len(value) else ''}"


def _digest(state: Any) -> str:
    return hashlib.blake2b(fingerprint(state).encode(), digest_size=8).hexdigest()
