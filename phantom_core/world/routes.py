"""`Routes`: checks which messages are allowed, once per sender, receiver and payload class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from phantom_core.errors import NetworkError, ResolverError, did_you_mean, listing
from phantom_core.types import AgentID
from phantom_core.world.agents import Agent
from phantom_core.world.connections import Connections
from phantom_core.world.messages import AgentType, is_allowed, payload_rule


class Routes:
    """The messages that may be sent over the connections of a network.

    Attributes:
        allowed: the cache: `(sender id, receiver id, payload class)` of every message found allowed since
            the connections last changed. Senders look here before they call `check`.
        ignore_connection_errors: whether a message between unconnected agents is dropped silently.
        payload_classes: the payload classes of all messages ever found allowed.
        enforce_msg_payload_checks: whether the rules of `msg_payload` are checked.
    """

    def __init__(
        self,
        agents: Mapping[AgentID, Agent],
        connections: Connections,
        *,
        ignore_connection_errors: bool,
        enforce_msg_payload_checks: bool,
    ) -> None:
        self.allowed: set[tuple[AgentID, AgentID, type]] = set()
        self.payload_classes: set[type] = set()
        self.ignore_connection_errors = ignore_connection_errors
        self.enforce_msg_payload_checks = enforce_msg_payload_checks
        self._agents = agents
        self._connections = connections
        # Sender class, receiver class and payload class of messages that were found allowed.
        self._allowed_classes: set[tuple[type, type, type]] = set()

    def forget(self) -> None:
        """Clear the cache, because agents or connections changed."""
        self.allowed.clear()

    def check(self, sender_id: AgentID, receiver_id: AgentID, payload_class: type) -> bool:
        """Check a message that is not in `allowed`; return False to drop it silently.

        Raises:
            NetworkError: if it is not allowed.
        """
        if not self._connections.has(sender_id, receiver_id):
            if self.ignore_connection_errors:
                return False
            raise NetworkError(self._not_connected(sender_id, receiver_id, payload_class))
        if self.enforce_msg_payload_checks:
            self._check_payload(sender_id, receiver_id, payload_class)
        self.allowed.add((sender_id, receiver_id, payload_class))
        self.payload_classes.add(payload_class)
        return True

    def _check_payload(self, sender_id: AgentID, receiver_id: AgentID, payload_class: type) -> None:
        kinds = (type(self._agents[sender_id]), type(self._agents[receiver_id]), payload_class)
        if kinds in self._allowed_classes:
            return
        name = payload_class.__name__
        rule = payload_rule(payload_class)
        if rule is None:
            raise NetworkError(
                f"Agent {sender_id!r} sent {name} to {receiver_id!r}, but {name} is not a message payload. "
                f"Decorate the class {name} with @msg_payload()."
            )
        for role, agent_id, allowed in (
            ("sender", sender_id, rule.senders),
            ("receiver", receiver_id, rule.receivers),
        ):
            agent_class = type(self._agents[agent_id])
            if not is_allowed(agent_class, allowed):
                raise NetworkError(
                    f"Agent {sender_id!r} sent {name} to {receiver_id!r}, but {name} allows as {role} only "
                    f"{_names(allowed)}; {agent_id!r} is a {agent_class.__name__}. Change the {role}_type of "
                    f"{name}, or send another payload."
                )
        self._allowed_classes.add(kinds)

    def _not_connected(self, sender_id: AgentID, receiver_id: AgentID, payload_class: type) -> str:
        sent = f"Agent {sender_id!r} sent {payload_class.__name__} to {receiver_id!r}, but "
        if sender_id not in self._agents:
            return (
                f"{sent}the network has no agent {sender_id!r}.{did_you_mean(sender_id, self._agents)} "
                f"Its agents: {listing(self._agents)}."
            )
        if receiver_id not in self._agents:
            return (
                f"{sent}there is no such agent.{did_you_mean(receiver_id, self._agents)} "
                f"{sender_id!r} is connected to: {listing(self._connections.receivers_of(sender_id))}."
            )
        if sender_id == receiver_id:
            return (
                f"{sent}an agent is not connected to itself. Call network.add_connection({sender_id!r}, "
                f"{sender_id!r}) if it is to send to itself."
            )
        return f"{sent}they are not connected. Call network.add_connection({sender_id!r}, {receiver_id!r})."


def raise_if_not_pairs(sender_id: AgentID, messages: object, error: Exception) -> None:
    """Raise if messages caused an error because they are not pairs; otherwise do nothing.

    Raises:
        NetworkError: if the messages are not pairs.
    """
    if isinstance(messages, (list, tuple)):
        are_pairs = all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in messages)  # noqa: PLR2004
    else:
        are_pairs = messages is None or isinstance(messages, Iterable)  # a generator may raise its own error
    if not are_pairs:
        raise NetworkError(
            f"Agent {sender_id!r} returned {messages!r} as messages. Expected a list of pairs "
            "(receiver_id, payload), such as [('SHOP', Order(3))]."
        ) from error


def raise_if_not_batches(batches: object, error: Exception) -> None:
    """Raise if batches caused an error because they have the wrong shape; otherwise do nothing.

    Raises:
        ResolverError: if the batches are not pairs of a receiver's id and its messages.
    """
    items = batches if isinstance(batches, (list, tuple)) else ()
    for item in items:
        is_pair = isinstance(item, (list, tuple)) and len(item) == 2  # noqa: PLR2004
        if not is_pair or not isinstance(item[1], Sequence) or isinstance(item[1], (str, bytes)):
            raise ResolverError(
                f"The resolver called network.deliver with {item!r}. Expected pairs of a receiver's id and a "
                "list of its messages: network.deliver([(message.receiver_id, [message])])."
            ) from error


def _names(allowed: tuple[AgentType, ...] | None) -> str:
    return ", ".join(kind if isinstance(kind, str) else kind.__name__ for kind in allowed or ())
