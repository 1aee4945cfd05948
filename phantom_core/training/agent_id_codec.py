"""Agent ids as JSON values: strings and numbers unchanged, tuples as lists, anything else by its repr."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from phantom_core.types import AgentID, PolicyID

_REPR: Final = "repr"
_PLAIN: Final = (str, int, float, bool, type(None))


def encode_id(agent_id: AgentID) -> Any:
    """Return an agent id as a JSON value.

    >>> encode_id("SHOP"), encode_id(("SHOP", 1)), encode_id(b"x")
    ('SHOP', ['SHOP', 1], {'repr': "b'x'"})
    """
    if type(agent_id) is tuple:
        return [encode_id(part) for part in agent_id]
    return agent_id if type(agent_id) in _PLAIN else {_REPR: repr(agent_id)}


def encode_mapping(policy_by_agent: Mapping[AgentID, PolicyID]) -> list[list[Any]]:
    """Return a policy mapping as a JSON value: a list of pairs, because ids need not be strings.

    >>> encode_mapping({"SHOP": "shop", 3: "rest"})
    [['SHOP', 'shop'], [3, 'rest']]
    """
    return [[encode_id(agent_id), policy_id] for agent_id, policy_id in policy_by_agent.items()]


def is_lossless(encoded: Any) -> bool:
    """Return whether `decode_id` can decode a value without known ids.

    >>> is_lossless(["SHOP", 1]), is_lossless(["SHOP", {"repr": "<Side.LEFT: 1>"}])
    (True, False)
    """
    return all(map(is_lossless, encoded)) if isinstance(encoded, list) else not isinstance(encoded, dict)


def decode_id(encoded: Any, known: Iterable[AgentID] = ()) -> AgentID:
    """Return the agent id for a JSON value. An id encoded by its repr is looked up among the known ids.

    If no known id matches, the repr is returned as a string.

    >>> decode_id(["SHOP", 1]), decode_id({"repr": "b'x'"}, ["SHOP", b"x"])
    (('SHOP', 1), b'x')
    """
    if not is_lossless(encoded):
        found = [agent_id for agent_id in known if encode_id(agent_id) == encoded]
        if found:
            return found[0]
    if isinstance(encoded, list):
        return tuple(map(decode_id, encoded))
    plain: AgentID = encoded[_REPR] if isinstance(encoded, dict) else encoded
    return plain
