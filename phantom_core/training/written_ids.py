"""Agent ids as JSON values: text and numbers as they are, tuples as lists, anything else by its repr."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from phantom_core.types import AgentID, PolicyID

_REPR: Final = "repr"
_PLAIN: Final = (str, int, float, bool, type(None))


def written_id(agent_id: AgentID) -> Any:
    """Return an agent id as a JSON value.

    >>> written_id("SHOP"), written_id(("SHOP", 1)), written_id(b"x")
    ('SHOP', ['SHOP', 1], {'repr': "b'x'"})
    """
    if type(agent_id) is tuple:
        return [written_id(part) for part in agent_id]
    return agent_id if type(agent_id) in _PLAIN else {_REPR: repr(agent_id)}


def written_mapping(policy_by_agent: Mapping[AgentID, PolicyID]) -> list[list[Any]]:
    """Return who uses which policy as a JSON value: pairs, because ids need not be text.

    >>> written_mapping({"SHOP": "shop", 3: "rest"})
    [['SHOP', 'shop'], [3, 'rest']]
    """
    return [[written_id(agent_id), policy_id] for agent_id, policy_id in policy_by_agent.items()]


def is_whole(written: Any) -> bool:
    """Tell whether `read_id` needs no known ids.

    >>> is_whole(["SHOP", 1]), is_whole(["SHOP", {"repr": "<Side.LEFT: 1>"}])
    (True, False)
    """
    return all(map(is_whole, written)) if isinstance(written, list) else not isinstance(written, dict)


def read_id(written: Any, known: Iterable[AgentID] = ()) -> AgentID:
    """Return the agent id that was written: one of the known ones, where the JSON value does not hold it.

    Without such a known id, what was written by its repr stays text.

    >>> read_id(["SHOP", 1]), read_id({"repr": "b'x'"}, ["SHOP", b"x"])
    (('SHOP', 1), b'x')
    """
    if not is_whole(written):
        found = [agent_id for agent_id in known if written_id(agent_id) == written]
        if found:
            return found[0]
    if isinstance(written, list):
        return tuple(map(read_id, written))
    plain: AgentID = written[_REPR] if isinstance(written, dict) else written
    return plain
