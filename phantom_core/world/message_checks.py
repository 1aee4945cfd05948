"""Checks of the messages that agents send and resolvers deliver, with the errors of a `Network`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from phantom_core.errors import NetworkError, ResolverError, did_you_mean, listing
from phantom_core.types import AgentID
from phantom_core.world.agents import Agent
from phantom_core.world.messages import AgentType, is_allowed, payload_rule
from phantom_core.world.topology import Topology


def check_payload(sender: Agent, receiver: Agent, payload_class: type) -> None:
    """Raise NetworkError if the rule of a payload class forbids this sender or receiver, or it has none."""
    name = payload_class.__name__
    sent = f"Agent {sender.id!r} sent {name} to {receiver.id!r}, but {name}"
    rule = payload_rule(payload_class)
    if rule is None:
        cure = f"Decorate the class {name} with @msg_payload()."
        if payload_class.__module__ == "builtins":
            cure = "Send an object of a class decorated with @msg_payload()."
        raise NetworkError(f"{sent} is not a message payload. {cure}")
    for role, agent, allowed in (("sender", sender, rule.senders), ("receiver", receiver, rule.receivers)):
        if not is_allowed(type(agent), allowed):
            raise NetworkError(
                f"{sent} allows as {role} only {_names(allowed)}; {agent.id!r} is a {type(agent).__name__}. "
                f"Change the {role}_type of {name}, or send another payload."
            )


def not_connected(topology: Topology, sender_id: AgentID, receiver_id: AgentID, payload_class: type) -> str:
    """Return the message of the error about a message between agents that are not connected."""
    agents = topology.agents
    sent = f"Agent {sender_id!r} sent {payload_class.__name__} to {receiver_id!r}, but "
    if sender_id not in agents:
        return (
            f"{sent}the network has no agent {sender_id!r}.{did_you_mean(sender_id, agents)} "
            f"Its agents: {listing(agents)}."
        )
    if receiver_id not in agents:
        return (
            f"{sent}there is no such agent.{did_you_mean(receiver_id, agents)} "
            f"{sender_id!r} is connected to: {listing(topology.neighbours_of(sender_id))}."
        )
    if sender_id == receiver_id:
        return (
            f"{sent}an agent is not connected to itself. Call network.add_connection({sender_id!r}, "
            f"{sender_id!r}) if it is to send to itself."
        )
    return f"{sent}they are not connected. Call network.add_connection({sender_id!r}, {receiver_id!r})."


def raise_if_not_pairs(sender_id: AgentID, messages: object, error: Exception) -> None:
    """Raise NetworkError if messages caused an error because they are not pairs."""
    if isinstance(messages, (list, tuple)):
        are_pairs = all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in messages)  # noqa: PLR2004
    else:
        are_pairs = messages is None or (  # a generator may raise its own error
            isinstance(messages, Iterable) and not isinstance(messages, (Mapping, str, bytes))
        )
    if not are_pairs:
        raise NetworkError(
            f"Agent {sender_id!r} returned {messages!r} as messages. Expected a list of pairs "
            "(receiver_id, payload), such as [('SHOP', Order(3))]."
        ) from error


def raise_if_not_batches(batches: object, error: Exception) -> None:
    """Raise ResolverError if batches caused an error because they are no pairs of an id and messages."""
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
