"""`Connections`: the directed graph of which agents may send to which, in insertion order."""

from __future__ import annotations

from collections.abc import Iterator, KeysView
from typing import Any

from phantom_core.errors import ConfigError
from phantom_core.types import AgentID


class Connections:
    """The directed connections between agents, by sender and by receiver.

    Dicts are used as ordered sets, so that neighbours keep the order in which they were connected.
    """

    __slots__ = ("_receivers", "_senders")

    def __init__(self) -> None:
        self._receivers: dict[AgentID, dict[AgentID, None]] = {}
        self._senders: dict[AgentID, dict[AgentID, None]] = {}

    def add_agent(self, agent_id: AgentID) -> None:
        """Add an agent without connections."""
        self._receivers[agent_id] = {}
        self._senders[agent_id] = {}

    def remove_agent(self, agent_id: AgentID) -> None:
        """Remove an agent with all its connections."""
        for receiver_id in self._receivers.pop(agent_id):
            self._senders[receiver_id].pop(agent_id, None)
        for sender_id in self._senders.pop(agent_id):
            self._receivers.get(sender_id, {}).pop(agent_id, None)

    def connect(self, sender_id: AgentID, receiver_id: AgentID) -> None:
        """Let one agent send to another."""
        self._receivers[sender_id][receiver_id] = None
        self._senders[receiver_id][sender_id] = None

    def disconnect(self, sender_id: AgentID, receiver_id: AgentID) -> None:
        """Remove the connection from one agent to another, if there is one."""
        self._receivers[sender_id].pop(receiver_id, None)
        self._senders[receiver_id].pop(sender_id, None)

    def clear(self) -> None:
        """Remove all agents and connections."""
        self._receivers.clear()
        self._senders.clear()

    def has(self, sender_id: AgentID, receiver_id: AgentID) -> bool:
        """Return whether one agent may send to another."""
        return receiver_id in self._receivers.get(sender_id, ())

    def receivers_of(self, agent_id: AgentID) -> KeysView[AgentID]:
        """Return the ids that an agent may send to."""
        return self._receivers[agent_id].keys()

    def senders_of(self, agent_id: AgentID) -> KeysView[AgentID]:
        """Return the ids that may send to an agent."""
        return self._senders[agent_id].keys()

    def pairs(self) -> Iterator[tuple[AgentID, AgentID]]:
        """Yield every directed connection as `(sender, receiver)`."""
        for sender_id, receivers in self._receivers.items():
            for receiver_id in receivers:
                yield sender_id, receiver_id


def check_connection(connection: Any, *shapes: str) -> None:
    """Raise if a connection does not have one of the shapes, such as `(id, id)`.

    Raises:
        ConfigError: if it has none of the shapes.
    """
    lengths = [shape.count(",") + 1 for shape in shapes]
    is_sequence = hasattr(connection, "__len__") and not isinstance(connection, (str, bytes))
    if not is_sequence or len(connection) not in lengths:
        raise ConfigError(
            f"The connection {connection!r} is not written as {' or '.join(shapes)}. Expected a list of "
            "those, such as [('SHOP', 'FACTORY')]."
        )
