"""What agents send: `Message`, and `msg_payload`, which says who may send and receive a payload."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

import phantom_core as ph
from phantom._layer.frozen_structs import Frozen, freeze, show_as_dataclass
from phantom.types import AgentID

MsgPayloadT = TypeVar("MsgPayloadT")
ClassT = TypeVar("ClassT", bound=type)
AgentKind: TypeAlias = type | str


@dataclass(frozen=True)
class MsgPayload:
    """The old base class of payloads; decorate them with `msg_payload` instead."""


class Message(Frozen, msgspec.Struct, Generic[MsgPayloadT], weakref=True):
    """One message: `sender_id`, `receiver_id` and `payload`; it cannot be changed."""

    sender_id: AgentID
    receiver_id: AgentID
    payload: MsgPayloadT


show_as_dataclass(Message)


def msg_payload(
    sender_type: AgentKind | Sequence[AgentKind] | None = None,
    receiver_type: AgentKind | Sequence[AgentKind] | None = None,
) -> Callable[[ClassT], ClassT]:
    """Make a class a frozen dataclass that these agents may send and receive; None: everybody.

    Args:
        sender_type: an agent class, the name of one, or a list of those.
        receiver_type: likewise.
    """
    if isinstance(sender_type, type) and receiver_type is None and not issubclass(sender_type, ph.Agent):
        return msg_payload()(sender_type)  # type: ignore[return-value]  # written without brackets
    mark: Any = ph.msg_payload(sender_type=sender_type, receiver_type=receiver_type)

    def decorate(cls: ClassT) -> ClassT:
        frozen: Any = freeze(cls)
        frozen._sender_types = _names(sender_type)
        frozen._receiver_types = _names(receiver_type)
        marked: ClassT = mark(frozen)
        return marked

    return decorate


def _names(kinds: AgentKind | Sequence[AgentKind] | None) -> list[str] | None:
    if kinds is None:
        return None
    listed: Any = [kinds] if isinstance(kinds, (type, str)) else kinds
    return [kind if isinstance(kind, str) else kind.__name__ for kind in listed]
